"""Training, search and exports of several labels: the losses fall, scores are mAP, and what does not fit is refused."""

import os

import numpy as np
import pytest
import tensorflow as tf

from expansion.data.dataset import VideoDataset
from expansion.data.subset import ProxySettings, make_proxy
from expansion.data.videos import labelled_videos, read
from expansion.evaluation.evaluate import evaluate
from expansion.evaluation.export import export_saved_model, export_tflite, largest_difference
from expansion.evaluation.networks import keras_network, open_network
from expansion.foundation.errors import InputError
from expansion.network.transfer import start_from
from expansion.recipe import ClipSettings, Recipe
from expansion.search.settings import SearchSettings
from expansion.search.trace import read_trace
from expansion.spec import Spec
from expansion.training.fit import new_model, task_of, train
from expansion.tuning.tuner import ExpansionTuner
from expansion.weights.source import open_source
from expansion.weights.start import start_from_weights

SPEC = Spec(frames=3, stride=2, size=32, depth=0.2)
RECIPE = Recipe(task="multi-label", epochs=3, batch=6, rate=0.05, rate_batch=6, warmup_epochs=0, dropout=0.0)


@pytest.fixture(scope="module")
def classifier(segment_records):
    model = new_model(SPEC, segment_records, RECIPE)
    return model, train(model, segment_records, RECIPE, ClipSettings(jitter=(1, 1), flip=False))


def test_a_classifier_of_several_labels_learns(classifier, segment_records):
    model, history = classifier
    assert model.task.name == "multi-label" and len(history["loss"]) == 3
    assert history["loss"][-1] < history["loss"][0] == pytest.approx(np.log(2), rel=0.1)  # binary cross-entropy at a half
    found = evaluate(model, segment_records, "val", ClipSettings(views=3))
    assert found.task is model.task and found.probabilities.shape == (5, 8) and 0 < found.score <= 1


def test_a_localizer_begins_with_the_classifiers_layers(classifier, segment_records, tmp_path):
    recipe = Recipe(**RECIPE.model_dump() | {"task": "auto", "epochs": 1})
    model = new_model(SPEC, segment_records, recipe, seed=3)
    assert task_of(recipe, segment_records).name == model.task.name == "localization"
    classifier[0].save(tmp_path / "classifier.keras")
    start_from_weights(model, open_source(str(tmp_path / "classifier.keras")))
    for one, other in zip(model.weights, classifier[0].weights):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    history = train(model, segment_records, recipe, ClipSettings(jitter=(1, 1), flip=False))
    assert history["loss"][0] < np.log(2) and 0 <= history["accuracy"][0] <= 1


def test_what_the_labels_do_not_allow_is_refused(segment_records, demo_records):
    with pytest.raises(InputError, match="recipe.task is 'multi-label', but the labels of .* are for single-label; they allow "
                                         "single-label$"):
        new_model(SPEC, demo_records, RECIPE)
    with pytest.raises(InputError, match="recipe.task is 'single-label', but the labels of .* are for localization; they allow "
                                         "localization and multi-label"):
        new_model(SPEC, segment_records, Recipe(task="single-label"))
    with pytest.raises(InputError, match="recipe.class_weights goes with one class per video; the task is localization"):
        new_model(SPEC, segment_records, Recipe(class_weights=True))
    with pytest.raises(ValueError, match="the task of a search is the same in all steps"):
        Recipe(by_step={1: {"task": "localization"}})


def test_a_proxy_keeps_labels_and_times(segment_records, tmp_path):
    proxy = make_proxy(segment_records, ProxySettings(share=0.5), str(tmp_path / "proxy"))
    assert proxy.task.name == "localization" and proxy.videos("train") == 6 and proxy.videos("val") == 5
    whole = {video.video_id: video.segments for video in labelled_videos(segment_records, "train")}
    for video in labelled_videos(proxy, "train"):
        for one, other in zip(video.segments, whole[video.video_id]):
            np.testing.assert_array_equal(one, other)
    assert make_proxy(segment_records, ProxySettings(share=0.5), str(tmp_path / "proxy")) == VideoDataset.open(proxy.path)
    with pytest.raises(InputError, match="proxy.classes is 3; with several labels a video a proxy takes all classes"):
        make_proxy(segment_records, ProxySettings(classes=3), str(tmp_path / "few"))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["multi-label", "localization"])
def test_a_search_by_map(segment_records, tmp_path, task):
    tuner = ExpansionTuner(
        segment_records, SearchSettings(
            start=Spec(size=32, depth=0.2), axes=("fast", "width"), steps=1, without_gain="continue"),
        recipe=Recipe(**RECIPE.model_dump() | {"task": task, "epochs": 1}), clips=ClipSettings(views=2),
        directory=str(tmp_path), project_name="s")
    tuner.search()
    search = read_trace(os.path.join(tmp_path, "s"))
    assert search.settings.task == task and len(search.path) == 2
    step = search.steps[1]
    for candidate in step.candidates:
        low, high = candidate.interval
        assert low <= candidate.accuracy <= high and len(candidate.evidence) == 501
        assert candidate.accuracy == pytest.approx(candidate.evidence[0])
        assert {"val_map_sklearn", "val_wap"} <= set(candidate.metrics)
    assert step.decision.verdict in ("clear on these videos", "within noise") and 0 < step.decision.p_value <= 1
    assert tuner.get_best_models()[0].task.name == task


@pytest.mark.parametrize("form", ["saved_model", "tflite", "int8"])
@pytest.mark.slow
def test_exports_answer_as_the_network(segment_records, classifier, tmp_path, form):
    recipe = Recipe(**RECIPE.model_dump() | {"task": "localization"})
    model = new_model(SPEC, segment_records, recipe)
    start_from(model, classifier[0])
    clips = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32, 3), np.uint8)
    path = str(tmp_path / ("m" if form == "saved_model" else "m.tflite"))
    if form == "saved_model":
        export_saved_model(model, path, ClipSettings(views=2))
        serving = tf.saved_model.load(path).signatures["serving_default"]
        answers = serving(examples=tf.constant([next(iter(read(segment_records, "val"))).numpy()]))["probabilities"].numpy()
        assert answers.shape == (1, 8)
        classes = evaluate(model, segment_records, "val").probabilities[0].max(axis=0)
        np.testing.assert_allclose(answers[0], classes, atol=0.2)  # the same video by other windows
    else:
        export_tflite(model, path, ClipSettings(views=2), calibration=[clips[:1]] if form == "int8" else None)
    found = open_network(path)
    assert found.task is model.task and found.class_names == segment_records.classes
    assert found.predict(clips).shape == (3, 3, 8)
    assert largest_difference(found, keras_network(model), clips)[0] < (0.1 if form == "int8" else 1e-4)
