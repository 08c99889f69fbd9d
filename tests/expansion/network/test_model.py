"""The network: parameters, shapes, saving, and time that matters."""

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.complexity import complexity, halve
from expansion.foundation.errors import InputError
from expansion.network.model import at_size, build_model
from expansion.network.saving import load_model
from expansion.spec import NAMED, Spec
from tests.expansion.networks import assert_equal_but_for_rounding, awake, clips, difference

SMALL = Spec(frames=3, stride=2, size=32, width=0.5, depth=0.4, bottleneck=1.5)


def parameters(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize("name", ["X2D", "XS"])
def test_built_networks_have_the_closed_form_parameters(name):
    model = build_model(NAMED[name], 400)
    assert parameters(model) == complexity(NAMED[name]).params
    assert parameters(model) == {"X2D": 1_633_560, "XS": 3_794_322}[name]


@pytest.mark.slow
@pytest.mark.parametrize("spec", [SMALL, Spec(size=40), Spec(frames=4, size=33, width=0.3, depth=0.4, bottleneck=2.75)])
def test_any_spec_has_the_closed_form_parameters(spec):
    assert parameters(build_model(spec, 7)) == complexity(spec, 7).params


@pytest.mark.slow
def test_a_saved_network_is_the_same_in_safe_mode(tmp_path):
    model = awake(build_model(SMALL, 5, class_names=tuple("abcde"), drop_connect=0.1))
    model.save(tmp_path / "model.keras")
    again = load_model(str(tmp_path / "model.keras"))
    assert (again.spec, again.classes, again.class_names) == (SMALL, 5, tuple("abcde"))
    for found, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert_equal_but_for_rounding(again(clips(SMALL)), model(clips(SMALL)))


def test_files_of_earlier_versions_load(tmp_path):
    """Keras finds a weight by its place in the file: these are the places since the first version."""
    build_model(Spec(size=32, width=0.34, depth=0.2), 5).save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as stored:
        places = []
        stored.visititems(lambda name, item: places.append(name) if isinstance(item, h5py.Dataset) else None)
    assert {place.split("/")[1] for place in places} == {
        "batch_norm", "batch_norm_1", "bottleneck", "bottleneck_1", "bottleneck_2", "bottleneck_3", "channelwise_conv3d",
        "conv2d", "conv2d_1", "dense", "dense_1"}
    assert {place.split("/")[2] for place in places if "/bottleneck/" in place} == {
        "a", "a_bn", "b", "b_bn", "se", "c", "c_bn", "shortcut", "shortcut_bn"}


def test_clips_of_a_batch_do_not_mix():
    model = awake(build_model(SMALL, 5))
    both = clips(SMALL)
    assert_equal_but_for_rounding(model(both)[:1], model(both[:1]))
    assert difference(model(both)[1:], model(both[:1])) > 0.01  # the two are told apart at all


def softmax(logits):
    shares = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def by_hand(model, features):
    """Logits of the places of PySlowFast's head for features (frames, side, side, channels), window by window."""
    window = model.spec.feature_size
    (linear,), (weight, bias) = (model.get_layer(name).get_weights() for name in ("head_linear", "logits"))
    moves = range(features.shape[1] - window + 1)
    pooled = np.array([[features[:, row:row + window, column:column + window].mean(axis=(0, 1, 2)) for column in moves]
                       for row in moves])
    return np.maximum(pooled @ linear, 0) @ weight + bias


@pytest.mark.slow
@pytest.mark.parametrize("size, side", [(32, 1), (28, 1), (64, 2), (90, 3)])
def test_at_a_larger_crop_the_mean_of_the_places_softmax_is_the_answer(size, side):
    model = awake(build_model(SMALL, 5, class_names=tuple("abcde")))
    other = at_size(model, size)
    assert (other.size, other.spec, other.class_names) == (size, SMALL, tuple("abcde"))
    seen = clips(SMALL.replace(size=size))
    places = other.position_logits(seen).numpy()
    assert places.shape == (2, side, side, 5)
    features = keras.Model(other.input, other.get_layer("head_relu").output)(seen).numpy()
    for clip in range(2):  # frames outermost: frame t of clip b is at t * batch + b
        assert_equal_but_for_rounding(places[clip], by_hand(other, features[clip::2]))
    assert places.std(axis=(1, 2)).max() > 0 or side == 1
    assert_equal_but_for_rounding(softmax(other(seen).numpy()), softmax(places).mean(axis=(1, 2)))


def test_at_the_training_crop_the_answer_is_plain_logits():
    model = awake(build_model(SMALL, 5))
    assert at_size(model, 32) is model
    np.testing.assert_array_equal(model.position_logits(clips(SMALL))[:, 0, 0], model(clips(SMALL)))
    assert "mean_softmax" not in [layer.name for layer in model.layers]


def test_going_back_to_the_training_crop_gives_the_same_network():
    model = awake(build_model(SMALL, 5))
    np.testing.assert_array_equal(at_size(at_size(model, 64), 32)(clips(SMALL)), model(clips(SMALL)))


def test_a_size_that_is_too_small_is_an_error():
    with pytest.raises(InputError, match="size is 8; at least 16"):
        at_size(build_model(SMALL, 5), 8)


@pytest.mark.parametrize("name, crop, features, places", [("S", 182, 6, 2), ("M", 256, 8, 2), ("L", 356, 12, 3)])
def test_places_at_the_test_crops_of_the_named_networks(name, crop, features, places):
    left = crop
    for _ in range(5):
        left = halve(left)
    assert left == features and left - NAMED[name].feature_size + 1 == places


def test_the_order_of_the_frames_matters():
    model = awake(build_model(SMALL, 5))
    clip = clips(SMALL)
    assert difference(model(clip[:, ::-1]), model(clip)) > 0.01


def test_every_variable_gets_a_gradient():
    model = awake(build_model(SMALL, 5))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(clips(SMALL), training=True) ** 2)
    for variable, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_variables)):
        assert gradient is not None and np.isfinite(gradient).all(), variable.path


@pytest.mark.slow
def test_it_learns_one_batch():
    spec = Spec(frames=2, stride=2, size=32, width=0.34, depth=0.2)
    keras.utils.set_random_seed(0)
    model = build_model(spec, 4, dropout=0.0)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  jit_compile=False)
    data = tf.data.Dataset.from_tensors((clips(spec, 8), np.arange(8) % 4)).repeat(60)
    model.fit(data, verbose=0, shuffle=False)
    assert model.evaluate(data.take(1), verbose=0) < 0.5  # by the running statistics, so these are right as well


@pytest.mark.slow
def test_the_deepest_named_network_is_built_and_runs():
    spec = NAMED["XXL"].replace(frames=1, size=32, width=0.25, bottleneck=1.0)
    assert len(spec.blocks()) == 114
    assert np.isfinite(build_model(spec, 4)(clips(spec, 1))).all()
