"""Training and the tuner on real records: it learns, evaluates, resumes, and fails loudly."""


import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.evaluation.evaluate import evaluate
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.training.fit import Diverged, new_model, train
from tests.expansion.colours import write_colours

SPEC = Spec(frames=2, stride=4, size=24, width=0.34, depth=0.2)
RECIPE = Recipe(epochs=2, batch=16, rate=0.05, rate_batch=16, warmup_epochs=0.5, dropout=0.1)
CLIPS = ClipSettings(flip=False, views=2)


@pytest.fixture(autouse=True)
def float32_again():
    yield
    keras.mixed_precision.set_dtype_policy("float32")


@pytest.fixture
def float16():
    """TensorFlow asks oneDNN for float16 where the CPU has it, and fails where oneDNN was told not to use all of the CPU."""
    try:
        tf.nn.conv2d(tf.zeros((1, 4, 4, 8), "float16"), tf.zeros((1, 1, 8, 8), "float16"), 1, "SAME")
    except tf.errors.AbortedError:
        pytest.skip("oneDNN has no float16 convolution here (ONEDNN_MAX_CPU_ISA)")


def trained(data, recipe, seed=0):
    model = new_model(SPEC, data, recipe, seed)
    return model, train(model, data, recipe, CLIPS, seed=seed)


@pytest.mark.slow
def test_history_and_evaluation(demo_records):
    model, history = trained(demo_records, RECIPE)
    assert {name: len(values) for name, values in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "learning_rate", "clips_per_second", "epoch_seconds", "start_seconds", "input_wait_seconds"), 2)
    assert min(history["input_wait_seconds"]) > 0 and history["start_seconds"][0] > history["start_seconds"][1] == 0
    found = evaluate(model, demo_records, "val", CLIPS, batch=5)
    assert found.probabilities.shape == (24, 8) and np.allclose(found.probabilities.sum(1), 1, atol=1e-5)
    assert found.accuracy == pytest.approx(found.correct.mean()) and found.accuracy <= found.top(5) <= found.top(8) == 1.0
    assert found.confusion().sum() == 24 and np.trace(found.confusion()) == found.correct.sum()
    np.testing.assert_allclose(
        evaluate(model, demo_records, "val", CLIPS, batch=32).probabilities, found.probabilities, atol=1e-5)


@pytest.mark.slow
def test_label_smoothing_raises_the_loss_floor(demo_records):
    _, history = trained(demo_records, RECIPE.model_copy(update={"label_smoothing": 0.5, "epochs": 1}))
    assert history["loss"][-1] > 1.4  # no prediction can have less than the entropy of the smoothed label


@pytest.mark.slow
def test_mixed_precision_trains_in_float16_and_answers_in_float32(demo_records, float16):
    model, history = trained(demo_records, RECIPE.model_copy(update={"mixed_precision": True, "epochs": 1}))
    assert np.isfinite(history["loss"]).all()
    assert model.get_layer("stem_space").compute_dtype == "float16"
    assert model.output.dtype == "float32" and model.get_layer("stem_bn").gamma.dtype == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_mixed_precision_learns(tmp_path, float16, precision):
    data = write_colours(str(tmp_path / "records"))
    recipe = Recipe(epochs=3, batch=16, rate=0.2, rate_batch=16, warmup_epochs=0.5, dropout=0.1, mixed_precision=precision)
    model, history = trained(data, recipe)
    assert model.get_layer("stem_space").compute_dtype == precision
    assert np.isfinite(history["loss"]).all() and history["loss"][-1] < history["loss"][0]


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_an_error(demo_records):
    with pytest.raises(Diverged, match="the loss is nan after epoch 1"):
        model = new_model(SPEC, demo_records, RECIPE)
        model.set_weights([weight * np.nan for weight in model.get_weights()])
        train(model, demo_records, RECIPE, CLIPS)
