"""Warm start: which function is kept, held by output equality."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.foundation.errors import InputError
from expansion.network.model import build_model
from expansion.network.transfer import start_from
from expansion.search.axes import expand
from expansion.spec import X2D, Spec, preserved
from tests.expansion.network.test_model import clips

PARENT = Spec(frames=2, stride=4, size=32, width=0.5, depth=0.4, bottleneck=1.25)


def trained(spec: Spec, classes: int = 5):
    """A network as after training: batch norms with statistics of their own, no block asleep, logits of some size."""
    keras.utils.set_random_seed(3)
    model, rng = build_model(spec, classes, dropout=0.0), np.random.default_rng(3)
    for weight in model.weights:
        if "_bn" in weight.path:
            low, high = (0.3, 1.5) if weight.path.endswith(("gamma", "variance")) else (-0.5, 0.5)
            weight.assign(rng.uniform(low, high, weight.shape))
        elif weight.path == "logits/kernel":
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return model


def grown(parent, spec: Spec):
    keras.utils.set_random_seed(4)
    child = build_model(spec, parent.classes, dropout=0.0)
    return child, start_from(child, parent)


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["depth", "width", "bottleneck"])
def test_a_deeper_or_wider_network_begins_as_its_parent(axis):
    parent = trained(PARENT)
    child, kept = grown(parent, expand(PARENT, axis))
    assert kept == "all clips" and child.count_params() > parent.count_params()
    for training in (False, True):
        expected = np.asarray(parent(clips(PARENT, 4), training=training))
        assert np.ptp(expected, axis=0).max() > 0.01  # it tells clips apart, so equality says something
        np.testing.assert_allclose(child(clips(PARENT, 4), training=training), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("parent, child", [
    (PARENT, PARENT.replace(depth=1.2, width=0.85, bottleneck=2.25)),  # squeeze-excite grows as well
    (Spec(size=32, width=0.3, depth=0.4, bottleneck=0.75), Spec(size=32, width=1.05, depth=1.2, bottleneck=4.0)),
    (X2D.replace(size=32, depth=0.4), X2D.replace(size=32, depth=0.6)),
])
def test_all_channels_and_blocks_at_once(parent, child):
    parent = trained(parent)
    child, kept = grown(parent, child)
    assert kept == "all clips"
    np.testing.assert_allclose(child(clips(parent.spec, 3)), parent(clips(parent.spec, 3)), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [2, 5])
def test_from_one_frame_still_clips_keep_their_output(frames):
    parent = trained(PARENT.replace(frames=1))
    child, kept = grown(parent, PARENT.replace(frames=frames))
    assert kept == "still clips"
    picture = clips(parent.spec, 3)
    still = np.repeat(picture, frames, axis=1)
    np.testing.assert_allclose(child(still), parent(picture), rtol=1e-4, atol=1e-5)
    moving = clips(child.spec, 3)
    assert np.abs(np.asarray(child(moving)) - np.asarray(parent(moving[:, :1]))).max() > 1e-3


@pytest.mark.slow
def test_more_pixels_or_more_frames_see_the_parents_weights():
    for spec in (PARENT.replace(size=48), PARENT.replace(frames=4, stride=2)):
        parent = trained(PARENT)
        child, kept = grown(parent, spec)
        assert kept == "weights"
        for old, new in zip(parent.get_weights(), child.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["depth", "width", "bottleneck", "fast"])
def test_everything_new_is_trained_after_two_steps(axis):
    """At the first step the zeros that cut new from old get a gradient; at the second all that lies behind them does."""
    parent = trained(PARENT.replace(frames=1) if axis == "fast" else PARENT)
    child, _ = grown(parent, expand(parent.spec, axis))
    data, labels = clips(child.spec, 4), np.arange(4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def gradients():
        with tf.GradientTape() as tape:
            value = loss(labels, child(data, training=True))
        return tape.gradient(value, child.trainable_variables)

    for _ in range(2):
        for variable, gradient in zip(child.trainable_variables, gradients()):
            variable.assign_sub(0.01 * gradient)
    dead = [variable.path for variable, gradient in zip(child.trainable_variables, gradients())
            if not np.abs(gradient).max() > 0]
    assert not dead


def test_what_is_kept_is_known_from_the_specs():
    kept = {axis: preserved(PARENT, expand(PARENT, axis)) for axis in ("fast", "temporal", "spatial", "depth", "width")}
    assert kept == {"fast": "weights", "temporal": "weights", "spatial": "weights", "depth": "all clips",
                    "width": "all clips"}
    assert preserved(X2D, expand(X2D, "fast")) == "still clips"


@pytest.mark.slow
def test_refusals():
    with pytest.raises(InputError, match="size 112 is less than the parent's 120; a network can only grow"):
        preserved(X2D.replace(size=120), X2D)
    with pytest.raises(InputError, match="5 classes; the parent has 4"):
        start_from(build_model(PARENT, 5), build_model(PARENT, 4))
