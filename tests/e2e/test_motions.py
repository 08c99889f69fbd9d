"""Motions with times, at a reduced size: a search by mAP to its end, and a localizer beside the classifier that it found.

At this size networks learn their training videos and no more, so it is on those that they are compared. How they do on others at a
larger size (benchmarks/motions.py) is in docs/guides/charades.md.
"""

import pytest

from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings
from expansion.data.dataset import VideoDataset
from expansion.evaluation.evaluate import evaluate, evaluate_network
from expansion.evaluation.networks import keras_network
from expansion.network.transfer import start_from
from expansion.recipe import ClipSettings, Recipe
from expansion.search.settings import SearchSettings
from expansion.spec import Spec
from expansion.training.fit import new_model, train
from expansion.tuning.tuner import ExpansionTuner
from pipeline.demo_segments import make_segment_videos

CLIPS = ClipSettings(jitter=(1.0, 1.1), eval_scale=1.05, flip=False, views=4)
SEED = Spec(frames=1, stride=6, size=32, depth=0.2)
RECIPE = {"batch": 16, "rate": 0.2, "rate_batch": 32, "warmup_epochs": 1, "dropout": 0.0}


@pytest.fixture(scope="module")
def motions(tmp_path_factory) -> VideoDataset:
    folder = tmp_path_factory.mktemp("motions")
    labels = make_segment_videos(folder / "videos", train=40, val=20, test=1, frames=24, size=32)
    ingest_folder(IngestSettings(videos=str(labels.parent), labels=str(labels), format="segments", short_side=32),
                  str(folder / "records"))
    return VideoDataset.open(str(folder / "records"))


@pytest.fixture(scope="module")
def found(motions, tmp_path_factory) -> ExpansionTuner:
    """A search from a single frame, by mAP, that takes more frames twice."""
    tuner = ExpansionTuner(
        motions, SearchSettings(start=SEED, axes=("fast",), steps=2, without_gain="continue"),
        recipe=Recipe(task="multi-label", epochs=40, **RECIPE), clips=CLIPS,
        directory=str(tmp_path_factory.mktemp("search")), project_name="s")
    tuner.search()
    return tuner


@pytest.mark.slow
def test_a_localizer_tells_when_better_than_the_classifier_that_slides(found, motions):
    classifier = found.get_best_models()[0]
    recipe = Recipe(task="localization", epochs=60, **RECIPE)
    localizer = new_model(classifier.spec, motions, recipe)
    start_from(localizer, classifier)
    train(localizer, motions, recipe, CLIPS)
    sliding = evaluate_network(keras_network(classifier), motions, "train", CLIPS, protocol="points").score
    assert evaluate(localizer, motions, "train", CLIPS).score > sliding + 0.05, sliding
    assert evaluate(classifier, motions, "train", CLIPS).score > 0.45  # a guess has about 0.31
    assert [winner.spec.frames for winner in found.state.path] == [1, 2, 4]
