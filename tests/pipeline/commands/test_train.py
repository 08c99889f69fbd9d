"""x3d train: what it is asked, what it leaves, and that a killed one ends as an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from expansion.data.dataset import VideoDataset
from expansion.evaluation.evaluate import Evaluation
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.network.saving import load_model
from expansion.recipe import Recipe
from expansion.search.forecast import Speed
from expansion.search.settings import SearchSettings
from expansion.spec import NAMED, Spec
from pipeline.commands.train import _multigrid_text, settings, train
from pipeline.commands.train_results import show_results, training_results
from pipeline.config import load_config, save_config, shipped
from pipeline.options import Given
from pipeline.runs.folder import RunFolder
from tests.expansion.colours import write_colours
from tests.expansion.manifests import manifest_of
from tests.expansion.searches import SMALL, finished
from tests.pipeline.folders import make_run

ROOT = Path(__file__).resolve().parents[3]
TINY = "frames=2,stride=2,size=24,width=0.34,depth=0.2"


def test_the_recipe_is_that_of_a_last_training():
    config = settings(Given(shipped("demo.yaml"), {"train.spec": "XS"}), None, "runs")
    assert config.recipe.epochs == 30 and config.recipe.batch == 32 and config.train.spec == NAMED["XS"]
    config = settings(Given(shipped("demo.yaml"), {"train.spec": TINY, "final.epochs": 3, "final.batch": 8}), None, "runs")
    assert config.recipe.epochs == 3 and config.recipe.scaled_rate == pytest.approx(0.05) and config.final == {}
    assert settings(Given(values={"train.spec": "XS", "train.records": "r"}), None, "runs").name == "train"


def test_from_a_run_it_takes_the_winner_and_its_records(tmp_path):
    search = finished(SMALL)
    run = make_run(tmp_path / "mine", search)
    config = settings(Given(), "mine", str(tmp_path))
    assert config.train.spec == search.path[-1].spec and config.train.records == run.records()
    assert config.name == "mine-train" and config.recipe.epochs == 30 and config.seed == 7


@pytest.mark.parametrize("path, options, message", [
    (None, {"train.records": "r"}, "no network named"),
    (None, {"train.spec": "M"}, "no data named"),
    (None, {"train.spec": "N", "train.records": "r"}, "train.spec is 'N': .*'N' is not known"),
    (None, {"train.spec": "M", "ingest.videos": "v", "train.devices.strategy": "multi_worker"}, "needs --records"),
    (None, {"train.spec": "M", "train.records": "r", "train.devices.strategy": "both"}, "train.devices.strategy is 'both'"),
    (None, {"train.spec": "M", "train.records": "r", "final.batch": 0}, "batch is 0"),
    (None, {"train.spec": "M", "train.records": "r", "final.mixed_precision": "float64"}, "mixed_precision is 'float64'"),
])
def test_errors_of_use(path, options, message):
    with pytest.raises(InputError, match=message):
        settings(Given(path, options), None, "runs")


@pytest.mark.parametrize("name, epochs, batch, rate", [("paper", 256, 1024, 1.6), ("pyslowfast", 300, 128, 0.1)])
def test_recipes_for_kinetics(name, epochs, batch, rate):
    recipe = settings(Given(shipped(f"kinetics400_{name}.yaml")), None, "runs").recipe
    assert (recipe.epochs, recipe.batch, recipe.scaled_rate, recipe.weight_decay) == (epochs, batch, rate, 5e-5)
    assert recipe.precise_bn == 200 and recipe.dropout == 0.5
    eight = settings(Given(shipped(f"kinetics400_{name}.yaml"), {"final.batch": batch // 8}), None, "runs").recipe
    assert eight.scaled_rate == pytest.approx(rate / 8)


def test_a_search_is_not_written_over(tmp_path):
    run = make_run(tmp_path / "mine", finished(SearchSettings(**SMALL.model_dump())))
    given = Given(run.config, {"train.spec": TINY, "name": "mine"})
    with pytest.raises(InputError, match="run mine is a search"):
        train(given, runs=str(tmp_path))


CONFIG = """
name: tiny
seed: 3
recipe: {epochs: 4, batch: 8, rate: 0.1, rate_batch: 8, warmup_epochs: 1, dropout: 0.2, drop_connect: 0.2, precise_bn: 4}
clips: {views: 2}
"""


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    return write_colours(str(tmp_path_factory.mktemp("colours") / "records"))


@pytest.fixture(scope="module")
def config_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "c.yaml"
    path.write_text(CONFIG)
    return str(path)


def command(data, config_file, folder, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "train", "--spec", TINY, "--records", data.path, "--config", config_file,
         "--runs", str(folder), "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"})


@pytest.fixture(scope="module")
def trained(colours, config_file, tmp_path_factory):
    """The folder of the runs, and what was printed."""
    folder = tmp_path_factory.mktemp("runs")
    process = command(colours, config_file, folder)
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    return folder, json.loads(out)


@pytest.mark.slow
def test_what_it_leaves(trained):
    folder, result = trained
    run = folder / "tiny"
    assert result["val_accuracy"] > 0.5 and result["val_videos"] == 8 and result["views"] == 2  # chance is 0.25
    losses = result["history"]["loss"]
    assert result["epochs"] == len(losses) == 4 and losses[-1] < losses[0]
    assert json.loads((run / "results.json").read_text()) == result
    model = load_model(str(run / "model.keras"))
    assert model.spec == Spec(frames=2, stride=2, size=24, width=0.34, depth=0.2) and len(model.class_names) == 4
    assert any("tfevents" in path.name for path in (run / "logs" / "train").iterdir())
    saved = load_config(str(run / "config.yaml"), need_videos=False)
    assert saved.recipe.precise_bn == 4 and saved.train.spec == model.spec


@pytest.mark.slow
def test_finished_it_says_so_and_another_is_refused(trained, colours, config_file, capsys, monkeypatch):
    folder, result = trained
    model = str(folder / "tiny" / "model.keras")
    options = {"train.spec": TINY, "train.records": colours.path}
    monkeypatch.setattr("pipeline.commands.train._train", None)
    train(Given(config_file, options), runs=str(folder))
    assert "tiny is finished" in capsys.readouterr().out
    for change, complaint in (({"final.epochs": 5}, "recipe.epochs is 4.0 there and 5.0 here"),
                              ({"train.weights": model}, f"train.weights is None there and '{model}' here")):
        with pytest.raises(InputError, match=f"run tiny is another training: {complaint}"):
            train(Given(config_file, options | change), runs=str(folder))


def test_one_whose_checkpoint_was_removed_is_not_taken_for_another(tmp_path):
    given = Given(None, {"train.spec": TINY, "train.records": "r", "name": "tiny"})
    run = RunFolder(str(tmp_path / "tiny"))
    save_config(settings(given, None, str(tmp_path)), run.config)
    files.write_json(run.training_results, {})
    with pytest.raises(InputError, match="run tiny is another training: train.spec.size is 24 there and 32 here"):
        train(Given(None, given.values | {"train.spec": TINY.replace("24", "32")}), runs=str(tmp_path))


@pytest.mark.slow
def test_a_killed_training_ends_as_an_undisturbed_one(trained, colours, config_file, tmp_path):
    state = tmp_path / "tiny" / "checkpoint" / "state.npz"
    process = command(colours, config_file, tmp_path)
    until = time.monotonic() + 300
    while not state.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert state.exists() and not (tmp_path / "tiny" / "results.json").exists()
    process = command(colours, config_file, tmp_path)
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    folder, result = trained
    again = json.loads(out)
    for name in ("val_accuracy", "val_top5", "val_loss"):
        assert again[name] == result[name]
    for name in ("loss", "accuracy", "learning_rate"):
        assert again["history"][name] == result["history"][name]
    models = [load_model(str(place / "tiny" / "model.keras")) for place in (folder, tmp_path)]
    assert all(np.array_equal(a, b) for a, b in zip(*(model.get_weights() for model in models), strict=True))


@pytest.mark.parametrize("options, multigrid", [
    ({}, False), ({"final.multigrid": True}, "both"), ({"final.multigrid": "long"}, "long"),
    ({"recipe.multigrid": "off"}, False)])
def test_multigrid_is_a_setting_of_the_recipe(options, multigrid):
    config = settings(Given(shipped("demo.yaml"), {"train.spec": "XS"} | options), None, "runs")
    assert config.recipe.multigrid == multigrid


@pytest.mark.parametrize("epochs, said", [(2, "this training is too short for multigrid, it will take longer: "),
                                          (4000, "multigrid: ")])
def test_it_says_beforehand_whether_multigrid_pays(colours, epochs, said):
    spec = Spec(frames=4, stride=2, size=32, width=0.34, depth=0.2)
    text = _multigrid_text(spec, Recipe(epochs=epochs, batch=4, multigrid="both"), colours, Speed())
    assert text.startswith(said) and f"in place of {16 * epochs:,} save" in text and " shapes to trace" in text


@pytest.mark.slow
def test_a_multigrid_training_is_evaluated_at_the_full_shape(colours, config_file, tmp_path):
    process = command(colours, config_file, tmp_path, "--set", "final.multigrid=long")
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    result = json.loads(out)
    assert result["multigrid"] == "long" and result["steps"] == sum(result["history"]["steps"])
    assert result["spec"]["frames"] == 2 and load_model(str(tmp_path / "tiny" / "model.keras")).spec.size == 24
    assert "too short for multigrid" in error
    process = command(colours, config_file, tmp_path, "--multigrid", "--name", "other")
    _, error = process.communicate(timeout=600)
    assert process.returncode == 2 and "at a crop of 24 pixels it has batches of 12; at least 16 pixels are allowed" in error


def test_at_the_end_the_accuracy_stands_beside_that_of_the_largest_class(tmp_path, capsys):
    config = settings(Given(shipped("small.yaml"), {"train.spec": TINY, "train.records": "r"}), None, "runs")
    data = VideoDataset("r", manifest_of(["fall", "normal"], {"train": 8, "val": 4}))
    labels, answers = np.array([1, 1, 1, 0]), np.eye(2)[[1, 1, 1, 1]]
    history = {"loss": [1.0], "accuracy": [0.5], "epoch_seconds": [1.0]}
    results = training_results(config, data, history, Evaluation(answers, labels, tuple("abcd")), None)
    assert (results["val_accuracy"], results["val_largest_class"], results["val_balanced_accuracy"]) == (0.75, 0.75, 0.5)
    assert (results["largest_class"], results["never_named"]) == ("normal", ["fall"])
    show_results(results, RunFolder(str(tmp_path)), False)
    text = " ".join(capsys.readouterr().out.split())
    assert "no better than always saying 'normal' (75.0 %)" in text and "never named: fall" in text and "50.0 %" in text
    better = training_results(config, data, history, Evaluation(np.eye(2)[labels], labels, tuple("abcd")), None)
    show_results(json.loads(json.dumps(better)), RunFolder(str(tmp_path)), False)
    assert "no better" not in capsys.readouterr().out
