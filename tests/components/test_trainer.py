"""The last training of a pipeline: stopped, it resumes in the next run, which has other output folders."""

from types import SimpleNamespace

import keras
import keras_tuner
import numpy as np
import pytest

from components.trainer import run_fn
from expansion.display.progress import SearchProgress
from expansion.foundation.files import KERAS_MODEL
from expansion.network.model import build_model
from expansion.network.saving import load_model
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.weights.checkpoints import save_weights
from expansion.weights.source import open_source
from tests.expansion.colours import write_colours
from tests.expansion.networks import assert_equal_but_for_rounding, awake, clips

SPEC = {"frames": 2, "stride": 2, "size": 24, "width": 0.34, "depth": 0.2, "bottleneck": 1.0}


class Stopped(Exception):
    """Stands for whatever ends a process."""


def arguments(records, run, checkpoints):
    chosen = keras_tuner.HyperParameters()
    for name, value in ({"step": 0} | SPEC).items():
        chosen.Fixed(name, value)
    return SimpleNamespace(
        train_files=[f"{records}/Split-train/*"], hyperparameters=chosen.get_config(), model_run_dir=str(run / "logs"),
        serving_model_dir=str(run / "Format-Serving"),
        custom_config={"recipe": Recipe(epochs=1, batch=16, rate=0.1, rate_batch=16).model_dump(), "final": {"epochs": 3},
                       "clips": ClipSettings(views=2).model_dump(), "seed": 0, "checkpoints": str(checkpoints)})


@pytest.mark.slow
def test_it_resumes_in_the_next_run(tmp_path, monkeypatch):
    records = write_colours(str(tmp_path / "records")).path
    epochs = []

    def ended(self, epoch, of, logs):
        epochs.append((epoch, of))
        if epochs == [(1, 3), (2, 3)]:
            raise Stopped

    monkeypatch.setattr(SearchProgress, "epoch_ended", ended)
    with pytest.raises(Stopped):
        run_fn(arguments(records, tmp_path / "1", tmp_path / "checkpoints"))
    run_fn(arguments(records, tmp_path / "2", tmp_path / "checkpoints"))
    assert epochs == [(1, 3), (2, 3), (2, 3), (3, 3)]  # stopped before the second epoch was saved
    run_fn(arguments(records, tmp_path / "3", tmp_path / "other"))
    resumed, whole = (load_model(str(tmp_path / run / KERAS_MODEL)) for run in ("2", "3"))
    assert all(np.array_equal(a, b) for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True))


@pytest.mark.slow
def test_it_begins_with_the_file_that_the_search_grew_from(tmp_path):
    """The chosen network is deeper; what is frozen of it is the file's."""
    records = write_colours(str(tmp_path / "records")).path
    spec = Spec(**SPEC)
    file = build_model(spec, 3)
    save_weights(awake(file), str(tmp_path / "w.pyth"), "pytorchvideo")
    source = open_source(str(tmp_path / "w.pyth"))
    asked = arguments(records, tmp_path / "1", tmp_path / "checkpoints")
    chosen = keras_tuner.HyperParameters()
    for name, value in ({"step": 0} | SPEC | {"depth": 0.6}).items():
        chosen.Fixed(name, value)
    asked.hyperparameters = chosen.get_config()
    asked.custom_config |= {"final": {"epochs": 1, "freeze": "head"}, "weights": {
        "path": source.path, "sha256": source.sha256, "spec": spec.as_dict(), "new_head": True}}
    run_fn(asked)
    trained = load_model(str(tmp_path / "1" / KERAS_MODEL))
    assert trained.spec.depth == 0.6 and trained.classes == 4
    of = clips(spec, 3)
    assert_equal_but_for_rounding(*(keras.Model(model.input, model.get_layer("head_linear").output)(of)
                                    for model in (trained, file)), 1e-4)
