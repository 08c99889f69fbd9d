"""One network in all its forms on real videos with 30 views: the same top-1. Needs the developers' data."""

import csv

import keras
import numpy as np
import pytest

from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings
from expansion.data.dataset import VideoDataset
from expansion.evaluation.evaluate import evaluate, evaluate_network
from expansion.evaluation.export import export_saved_model, export_tflite
from expansion.evaluation.networks import open_network
from expansion.network.model import at_size, build_model
from expansion.recipe import ClipSettings
from expansion.spec import NAMED

SPEC = NAMED["XS"].replace(size=64, depth=0.6)
VIEWS = ClipSettings(views=10, crops=3)


@pytest.fixture(scope="module")
def fights(shared, tmp_path_factory) -> VideoDataset:
    """The first 2 training, 1 validation and 4 test videos of each class."""
    folder = tmp_path_factory.mktemp("fights")
    with open(shared / "data" / "fights" / "labels.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = {"train": 2, "val": 1, "test": 4}
    kept = [row for label in ("fight", "noFight") for split, count in wanted.items()
            for row in [row for row in rows if (row["label"], row["split"]) == (label, split)][:count]]
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(kept)
    ingest_folder(IngestSettings(videos=str(shared / "data" / "fights"), labels=str(folder / "labels.csv"),
                                 short_side=160), str(folder / "records"))
    return VideoDataset.open(folder / "records")


@pytest.fixture(scope="module")
def model(fights):
    """XS at 64 pixels, of a few blocks, with fixed weights; its last layer is shifted so that both classes are found."""
    keras.utils.set_random_seed(0)
    model = build_model(SPEC, 2, class_names=fights.classes)
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if weight.name in ("gamma", "beta"):
            weight.assign(rng.normal(0.5, 0.2, weight.shape))
        elif len(weight.shape) > 1:
            weight.assign(rng.normal(0, float(np.std(weight)) or 0.02, weight.shape))
    found = evaluate(model, fights, "test", VIEWS).probabilities
    odds = np.log(found[:, 1] / found[:, 0])
    model.get_layer("logits").bias.assign([np.median(odds), 0])
    return model


@pytest.mark.slow
def test_thirty_views_of_every_form_give_the_same_top_1(model, fights, tmp_path):
    paths = [str(tmp_path / name) for name in ("m.keras", "saved", "m.tflite")]
    model.save(paths[0])
    export_saved_model(model, paths[1], VIEWS)
    export_tflite(model, paths[2], VIEWS)
    networks = [open_network(path, VIEWS) for path in paths]
    assert [network.form for network in networks] == ["keras", "saved_model", "tflite"]
    assert {network.size for network in networks} == {73}
    assert len(at_size(model, 73).position_logits(np.zeros((1, 4, 73, 73, 3))).shape) == 4
    first, *others = [evaluate_network(network, fights, "test", VIEWS) for network in networks]
    assert len(first.labels) == 8 and set(first.predictions) == {0, 1}
    for other in others:
        np.testing.assert_array_equal(other.predictions, first.predictions)
        np.testing.assert_allclose(other.probabilities, first.probabilities, atol=1e-4)
