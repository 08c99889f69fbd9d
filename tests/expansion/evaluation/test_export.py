"""Exports answer as the Keras model does: SavedModel, TFLite in float32 and in integers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.data.videos import read
from expansion.data.views import evaluation_views
from expansion.evaluation.evaluate import evaluate, evaluate_network
from expansion.evaluation.export import export_saved_model, export_tflite, largest_difference
from expansion.evaluation.networks import keras_network, open_network
from expansion.evaluation.tflite import LiteModel
from expansion.foundation.errors import InputError
from expansion.network.model import at_size, build_model
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.training.fit import new_model, train

SPEC = Spec(frames=3, stride=2, size=32, width=0.34, depth=0.2, bottleneck=1.5)
CLIPS = ClipSettings(views=2, crops=3)


@pytest.fixture(scope="module")
def model(demo_records):
    """A network in which every layer counts and classes differ, without training."""
    keras.utils.set_random_seed(0)
    model = build_model(SPEC, 8, class_names=demo_records.classes)
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "moving_mean"):
            weight.assign(rng.normal(0, 0.3, weight.shape))
    last = model.get_layer("logits")
    logits = at_size(model, 36).position_logits(real_clips(demo_records, 36, "train")).numpy().reshape(-1, 8)
    kernel, _ = last.get_weights()
    last.set_weights([2 * kernel / logits.std(axis=0), -2 * (logits / logits.std(axis=0)).mean(axis=0)])
    return model


@pytest.fixture(scope="module")
def trained(demo_records):
    """A network that has learned something: integers are to be close where training leads, not for any weights."""
    recipe = Recipe(epochs=20, batch=16, rate=0.05, rate_batch=16, dropout=0.1)
    model = new_model(SPEC, demo_records, recipe)
    train(model, demo_records, recipe, CLIPS.model_copy(update={"flip": False}))
    return model


def real_clips(data, size, split="val"):
    views = evaluation_views(data, split, SPEC, CLIPS, 8, size)
    return np.concatenate([clips.numpy() for clips, _ in views])


@pytest.fixture(scope="module", params=[None, pytest.param(64, marks=pytest.mark.slow)])
def size(request):
    """What the settings say, 36 pixels, and a size at which the head has four places."""
    return request.param


@pytest.mark.slow
def test_a_saved_model_answers_as_the_keras_model_does(model, demo_records, tmp_path, size):
    path = str(tmp_path / "saved")
    export_saved_model(model, path, CLIPS, size)
    found, reference = open_network(path), keras_network(model, size or 36)
    assert (found.form, found.spec, found.size, found.class_names) == (
        "saved_model", SPEC, size or 36, demo_records.classes)
    assert largest_difference(found, reference, real_clips(demo_records, size))[0] < 1e-5
    records = tf.stack(list(read(demo_records, "val")))
    of_videos = tf.saved_model.load(path).signatures["serving_default"](examples=records)["probabilities"]
    expected = evaluate_network(reference, demo_records, "val", CLIPS)
    np.testing.assert_allclose(of_videos, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(
        evaluate_network(found, demo_records, "val", CLIPS).probabilities, expected.probabilities, atol=1e-5)


@pytest.mark.slow
def test_tflite_in_floats_answers_as_the_keras_model_does(model, demo_records, tmp_path, size):
    path = str(tmp_path / "m.tflite")
    export_tflite(model, path, CLIPS, size)
    found, reference = open_network(path), keras_network(model, size or 36)
    assert (found.form, found.spec, found.size, found.class_names, found.most) == (
        "tflite", SPEC, size or 36, demo_records.classes, 1)
    clips = real_clips(demo_records, size)
    assert reference.predict(clips).std(axis=0).max() > 0.05  # clips are told apart at all
    assert largest_difference(found, reference, clips)[0] < 1e-4
    assert evaluate_network(found, demo_records, "val", CLIPS).accuracy == evaluate_network(
        reference, demo_records, "val", CLIPS).accuracy


@pytest.mark.slow
def test_tflite_in_integers_is_integers_throughout_and_close(trained, demo_records, tmp_path, size):
    path = str(tmp_path / "m.tflite")
    export_tflite(trained, path, CLIPS, size, [clip[None] for clip in real_clips(demo_records, size, "train")])
    interpreter = tf.lite.Interpreter(model_path=path)
    interpreter.allocate_tensors()
    (clip,), (logits,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert clip["dtype"] == np.uint8 and clip["quantization"] == (1.0, 0) and logits["dtype"] == np.float32
    floats = [tensor["name"] for tensor in interpreter.get_tensor_details() if tensor["dtype"] == np.float32]
    assert len(floats) == 1  # the answer alone
    found, reference = open_network(path), keras_network(trained, size or 36)
    assert found.form == "tflite int8"
    difference, same = largest_difference(found, reference, real_clips(demo_records, size))
    assert difference < 0.05 and same >= 0.8


@pytest.mark.slow
def test_tflite_needs_its_own_operations_alone_and_one_size(model, tmp_path):
    path = str(tmp_path / "m.tflite")
    export_tflite(model, path)
    operations = LiteModel(path).operations
    assert "CONV_2D" in operations and "ADD_N" not in operations
    assert not any(name.startswith("Flex") for name in operations)
    with pytest.raises(InputError, match="takes clips of 32 pixels, not 64"):
        open_network(path, size=64)


@pytest.mark.slow
def test_a_keras_file_is_opened_for_the_size_that_is_asked_for(model, tmp_path, demo_records):
    path = str(tmp_path / "m.keras")
    model.save(path)
    assert open_network(path).size == 32 and open_network(path, CLIPS).size == 36
    assert open_network(path, CLIPS, 64).size == 64
    np.testing.assert_allclose(
        evaluate_network(open_network(path, CLIPS), demo_records, "val", CLIPS).probabilities,
        evaluate(model, demo_records, "val", CLIPS).probabilities, atol=1e-6)


@pytest.mark.parametrize("name, content, complaint", [
    ("m.tflite", b"nothing", "m.tflite: not a .tflite file of `x3d export`"),
    ("m.keras", b"nothing", "m.keras: not a network that Keras can read"),
    ("m.pt", b"nothing", "m.pt: not a network; allowed are"),
    ("none.keras", None, "none.keras: no such file"),
])
def test_what_is_no_network_is_an_error_of_one_line(tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        open_network(tmp_path / name)
    assert complaint in str(error.value) and "\n" not in str(error.value)


@pytest.mark.slow
def test_other_classes_are_an_error(model, demo_records):
    other = build_model(SPEC, 8, class_names=tuple("abcdefgh"))
    with pytest.raises(InputError, match="class 0 is .* there and 'a' in the network"):
        evaluate(other, demo_records, "val", CLIPS)
    with pytest.raises(InputError, match="8 classes, but the network has 7"):
        evaluate(build_model(SPEC, 7), demo_records, "val", CLIPS)
