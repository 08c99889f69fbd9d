"""The network: parameters, shapes, saving, and time that matters."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.complexity import complexity
from expansion.model import build_model
from expansion.spec import NAMED, Spec
from expansion.training import load_model

SMALL = Spec(frames=3, stride=2, size=32, width=0.5, depth=1.2, bottleneck=1.5)


def parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize("name", ["X2D", "XS"])
def test_built_networks_have_the_closed_form_parameters(name):
    model = build_model(NAMED[name], 400)
    assert parameters(model) == complexity(NAMED[name]).params
    assert parameters(model) == {"X2D": 1_633_560, "XS": 3_794_322}[name]


@pytest.mark.parametrize("spec", [SMALL, Spec(size=40), Spec(frames=4, size=33, width=0.3, depth=0.4, bottleneck=2.75)])
def test_any_spec_has_the_closed_form_parameters(spec):
    assert parameters(build_model(spec, 7)) == complexity(spec, 7).params


def clips(spec, batch=2, seed=0):
    shape = (batch, spec.frames, spec.size, spec.size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype("float32")


def awake(model):
    """The last batch norm of a block begins at zero; give every weight a value so that all of the network counts."""
    rng = np.random.default_rng(1)
    model.set_weights([np.abs(rng.normal(0.5, 0.2, w.shape)) if w.ndim == 1 else rng.normal(0, 0.3, w.shape)
                       for w in model.get_weights()])
    return model


def test_a_saved_network_is_the_same_in_safe_mode(tmp_path):
    model = awake(build_model(SMALL, 5, class_names=tuple("abcde"), drop_connect=0.1))
    model.save(tmp_path / "model.keras")
    again = load_model(str(tmp_path / "model.keras"))
    assert (again.spec, again.classes, again.class_names) == (SMALL, 5, tuple("abcde"))
    np.testing.assert_allclose(again(clips(SMALL)), model(clips(SMALL)), rtol=1e-6)


def test_clips_of_a_batch_do_not_mix():
    model = awake(build_model(SMALL, 5))
    both = clips(SMALL)
    np.testing.assert_allclose(model(both)[:1], model(both[:1]), rtol=1e-4)


def test_the_order_of_the_frames_matters():
    model = awake(build_model(SMALL, 5))
    clip = clips(SMALL)
    assert np.abs(model(clip) - model(clip[:, ::-1])).max() > 1e-4


def test_every_variable_gets_a_gradient():
    model = awake(build_model(SMALL, 5))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(clips(SMALL), training=True) ** 2)
    for variable, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables)):
        assert gradient is not None and np.isfinite(gradient).all(), variable.path


def test_it_learns_one_batch():
    spec = Spec(frames=2, stride=2, size=32, width=0.5)
    keras.utils.set_random_seed(0)
    model = build_model(spec, 4, dropout=0.0)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  jit_compile=False)
    data = tf.data.Dataset.from_tensors((clips(spec, 8), np.arange(8) % 4)).repeat(60)
    model.fit(data, verbose=0, shuffle=False)
    assert model.evaluate(data.take(1), verbose=0) < 0.5  # by the running statistics, so these are right as well


def test_the_deepest_named_network_is_built_and_runs():
    spec = NAMED["XXL"].replace(frames=1, size=32, width=0.25, bottleneck=1.0)
    assert len(spec.blocks()) == 114
    assert np.isfinite(build_model(spec, 4)(clips(spec, 1))).all()
