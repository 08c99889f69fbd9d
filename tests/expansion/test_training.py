"""Training and the tuner on real records: it learns, evaluates, resumes, and fails loudly."""

import os

import keras
import numpy as np
import pytest

import expansion
from expansion.evaluation import evaluate
from expansion.progress import SearchProgress
from expansion.recipe import ClipSettings, Recipe
from expansion.search import NoCandidate
from expansion.spec import Spec
from expansion.training import Diverged, new_model, train

SPEC = Spec(frames=2, stride=4, size=24, width=0.34)
RECIPE = Recipe(epochs=2, batch=16, rate=0.05, rate_batch=16, warmup_epochs=0.5, dropout=0.1)
CLIPS = ClipSettings(flip=False, views=2)


@pytest.fixture(autouse=True)
def float32_again():
    yield
    keras.mixed_precision.set_dtype_policy("float32")


def trained(data, recipe, seed=0):
    model = new_model(SPEC, data, recipe, seed)
    return model, train(model, data, recipe, CLIPS, seed=seed)


def test_history_and_evaluation(demo_records):
    model, history = trained(demo_records, RECIPE)
    assert {name: len(values) for name, values in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "learning_rate", "clips_per_second"), 2)
    found = evaluate(model, demo_records, "val", CLIPS, batch=5)
    assert found.probabilities.shape == (24, 8) and np.allclose(found.probabilities.sum(1), 1, atol=1e-5)
    assert found.accuracy == pytest.approx(found.correct.mean()) and found.accuracy <= found.top(5) <= found.top(8) == 1.0
    assert found.confusion().sum() == 24 and np.trace(found.confusion()) == found.correct.sum()
    np.testing.assert_allclose(
        evaluate(model, demo_records, "val", CLIPS, batch=32).probabilities, found.probabilities, atol=1e-5)


def test_label_smoothing_raises_the_loss_floor(demo_records):
    _, history = trained(demo_records, RECIPE.model_copy(update={"label_smoothing": 0.5, "epochs": 1}))
    assert history["loss"][-1] > 1.4  # no prediction can have less than the entropy of the smoothed label


def test_mixed_precision_trains_in_float16_and_answers_in_float32(demo_records):
    model, history = trained(demo_records, RECIPE.model_copy(update={"mixed_precision": True, "epochs": 1}))
    assert np.isfinite(history["loss"]).all()
    assert model.get_layer("stem_space").compute_dtype == "float16"
    assert model.output.dtype == "float32" and model.get_layer("stem_bn").gamma.dtype == "float32"


def test_a_loss_that_is_no_number_is_an_error(demo_records):
    with pytest.raises(Diverged, match="the loss is nan after epoch 1"):
        model = new_model(SPEC, demo_records, RECIPE)
        model.set_weights([weight * np.nan for weight in model.get_weights()])
        train(model, demo_records, RECIPE, CLIPS)


def tuner(data, folder, steps=1, **changes):
    settings = expansion.SearchSettings(seed=Spec(stride=8, size=24, width=0.34), steps=steps, axes=("fast", "width"))
    return expansion.ExpansionTuner(
        data, settings, **{"recipe": RECIPE.model_copy(update={"epochs": 1}), "clips": CLIPS} | changes,
        directory=folder, project_name="s", progress=SearchProgress(quiet=True))


@pytest.mark.slow
def test_a_search_without_tfx(demo_records, tmp_path):
    first = tuner(demo_records, tmp_path)
    first.search()
    path = first.trace.path
    assert len(path) == 2 and first.trace.finished
    model = first.get_best_models()[0]
    assert model.spec == path[-1].spec and model.class_names == demo_records.classes
    assert evaluate(model, demo_records, "val", CLIPS).accuracy == pytest.approx(path[-1].accuracy)
    assert os.path.exists(os.path.join(first.project_dir, "path.png"))
    # A finished search is not run again.
    again = tuner(demo_records, tmp_path)
    again.search()
    assert again.trace.as_dict() == first.trace.as_dict()


@pytest.mark.slow
def test_a_candidate_that_fails_is_tried_again_then_passed_over(demo_records, tmp_path, monkeypatch):
    calls = []

    def explode(model, *args, **kwargs):
        calls.append(model.spec.frames)
        if model.spec.frames == 2:
            raise MemoryError("no memory left")
        return train(model, *args, **kwargs)

    monkeypatch.setattr("expansion.tuner.train", explode)
    search = tuner(demo_records, tmp_path, retries=1)
    search.search()
    step = search.trace.steps[1]
    assert {c.axis: c.status for c in step.candidates} == {"fast": "failed", "width": "completed"}
    assert "no memory left" in step.candidates[0].message and step.winner.axis == "width"
    assert calls.count(2) == 2


def test_a_search_whose_seed_fails_is_an_error(demo_records, tmp_path, monkeypatch):
    def explode(*args, **kwargs):
        raise MemoryError("no memory left")

    monkeypatch.setattr("expansion.tuner.train", explode)
    with pytest.raises(NoCandidate, match="step 0: no candidate completed .seed: MemoryError: no memory left"):
        tuner(demo_records, tmp_path, retries=0).search()
