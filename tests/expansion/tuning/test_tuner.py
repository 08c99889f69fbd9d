"""The tuner on real records: a search without TFX, failures, restarts, and the same numbers by every engine."""

import io
import json
import os
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from rich.console import Console

import expansion
from expansion.display.progress import SearchProgress
from expansion.evaluation.evaluate import evaluate
from expansion.foundation import kernels
from expansion.foundation.errors import InputError
from expansion.foundation.lock import Lock
from expansion.network.saving import load_model
from expansion.recipe import ClipSettings, Recipe
from expansion.search.decisions import NoCandidate
from expansion.search.trace import read_trace
from expansion.spec import Spec
from expansion.tuning import trial
from expansion.tuning.jobs import read_job

RECIPE = Recipe(epochs=2, batch=16, rate=0.05, rate_batch=16, warmup_epochs=0.5, dropout=0.1)
CLIPS = ClipSettings(flip=False, views=2)


def tuner(data, folder, steps=1, axes=("fast", "width"), **changes):
    settings = expansion.SearchSettings(start=Spec(stride=8, size=24, width=0.34, depth=0.2), steps=steps, axes=axes,
                                        without_gain="continue")
    return expansion.ExpansionTuner(
        data, settings, directory=folder, project_name="s",
        **{"recipe": RECIPE.model_copy(update={"epochs": 1}), "clips": CLIPS, "progress": SearchProgress(quiet=True)} | changes)


def nothing_learnt(model, *args, **kwargs):
    """In place of a training, where a test is not about what comes of it."""
    return dict.fromkeys(("loss", "accuracy", "clips_per_second"), [1.0])


@pytest.mark.slow
def test_a_search_without_tfx(demo_records, tmp_path):
    first = tuner(demo_records, tmp_path)
    first.search()
    path = first.state.path
    assert len(path) == 2 and first.state.finished
    model = first.get_best_models()[0]
    assert model.spec == path[-1].spec and model.class_names == demo_records.classes
    assert evaluate(model, demo_records, "val", CLIPS).accuracy == pytest.approx(path[-1].accuracy)
    assert os.path.exists(os.path.join(first.project_dir, "path.png"))
    trials = [first.folder.trial(c.trial_id) for step in first.state.steps for c in step.candidates]
    assert {read_job(folder).parent for folder in trials} == {None}  # from scratch, as in the paper
    # A finished search is not run again.
    again = tuner(demo_records, tmp_path)
    again.search()
    assert again.state.as_dict() == first.state.as_dict()


@pytest.mark.slow
def test_a_candidate_that_fails_is_tried_again_then_passed_over(demo_records, tmp_path, monkeypatch):
    calls = []

    def explode(model, *args, **kwargs):
        calls.append(model.spec.frames)
        if model.spec.frames == 2:
            raise MemoryError("no memory left")
        return nothing_learnt(model)

    monkeypatch.setattr("expansion.tuning.trial.train", explode)
    search = tuner(demo_records, tmp_path, retries=1)
    search.search()
    step = search.state.steps[1]
    assert {c.axis: c.status for c in step.candidates} == {"fast": "failed", "width": "completed"}
    assert "no memory left" in step.candidates[0].message and step.winner.axis == "width"
    assert calls.count(2) == 2


@pytest.mark.slow
def test_a_search_whose_seed_fails_is_an_error(demo_records, tmp_path, monkeypatch):
    def explode(*args, **kwargs):
        raise MemoryError("no memory left")

    monkeypatch.setattr("expansion.tuning.trial.train", explode)
    with pytest.raises(NoCandidate, match="step 0: no candidate completed .seed: MemoryError: no memory left"):
        tuner(demo_records, tmp_path, retries=0).search()


@pytest.mark.slow
def test_answers_that_are_no_numbers_are_a_failure(demo_records, tmp_path, monkeypatch):
    """The last update can break a network whose losses were all finite."""
    def poisoned(model, *args, **kwargs):
        model.set_weights([weight * np.nan for weight in model.get_weights()])
        return nothing_learnt(model)

    monkeypatch.setattr("expansion.tuning.trial.train", poisoned)
    with pytest.raises(NoCandidate, match="step 0: no candidate completed .seed: Diverged: the network's answers"):
        tuner(demo_records, tmp_path, retries=0).search()


@pytest.mark.slow
def test_an_interrupted_search_says_how_to_go_on(demo_records, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("expansion.tuning.trial.train", interrupted)
    screen = io.StringIO()
    search = tuner(demo_records, tmp_path, progress=SearchProgress(Console(file=screen)))
    with pytest.raises(KeyboardInterrupt):
        search.search()
    assert "stopped; started again, the search resumes from here" in " ".join(screen.getvalue().split())
    (seed,) = tuner(demo_records, tmp_path).state.steps[0].candidates
    assert seed.status == "running" and not seed.failures


def test_overwrite_starts_over_and_keeps_the_old_search(demo_records, tmp_path):
    search = tuner(demo_records, tmp_path)
    search.save()
    with pytest.raises(InputError, match="recipe.epochs was 1, is now 2.*overwrite=True"):
        tuner(demo_records, tmp_path, recipe=RECIPE)
    fresh = tuner(demo_records, tmp_path, recipe=RECIPE, overwrite=True)
    fresh.save()
    assert sorted(os.listdir(tmp_path)) == ["s", "s.1"]
    assert read_trace(str(tmp_path / "s.1")).as_dict() == search.state.as_dict()
    assert fresh.state.made_with["recipe"]["epochs"] == 2


def results(search):
    """What has to be the same in two runs of a search: all but times."""
    trace = search.state.as_dict()
    for step in trace["steps"]:
        for candidate in step["candidates"]:
            candidate["metrics"] = {k: v for k, v in candidate["metrics"].items() if "second" not in k and k != "latency_ms"}
    weights = {key: load_model(os.path.join(search.get_trial_dir(key), "model.keras")).get_weights()
               for key in search.oracle.trials}
    return trace, weights


@pytest.mark.slow
def test_every_engine_comes_to_the_same_numbers_also_after_kills(demo_records, tmp_path):
    """In process; in child processes, of which the seed's is killed after its first epoch; and cut short."""
    changes = {"recipe": RECIPE, "axes": ("fast",)}
    inside = tuner(demo_records, tmp_path / "inside", **changes)
    inside.search()
    assert not list((tmp_path / "inside").rglob("checkpoint")) and not list((tmp_path / "inside").rglob("attempts"))

    killed = tuner(demo_records, tmp_path / "killed", **changes, engine="local")
    victims = []

    def kill(epoch, epochs, logs, trial):
        if not victims:
            victims.append(trial)
            (child,) = (child for child in psutil.Process().children() if "expansion.tuning.trial_process" in child.cmdline())
            child.kill()

    killed.progress.epoch_ended = kill
    killed.search()
    assert [(c.lost, c.failures) for c in killed.state.path] == [(1, ()), (0, ())]
    for candidate in killed.state.path:
        candidate.lost = 0
    killed.state.threads = None

    def stop(*args):
        raise KeyboardInterrupt

    short = tuner(demo_records, tmp_path / "short", **changes)
    short.progress.epoch_ended = stop
    with pytest.raises(KeyboardInterrupt):
        short.search()
    again = tuner(demo_records, tmp_path / "short", **changes)
    again.search()

    trace, weights = results(inside)
    for other in (killed, again):
        other_trace, other_weights = results(other)
        assert other_trace == trace
        for key, values in weights.items():
            for value, other_value in zip(values, other_weights[key], strict=True):
                np.testing.assert_array_equal(value, other_value)


@pytest.mark.slow
def test_threads_stay_what_the_search_began_with(demo_records, tmp_path, monkeypatch):
    monkeypatch.setattr("expansion.tuning.trial.train", nothing_learnt)
    search = tuner(demo_records, tmp_path, steps=0, engine=expansion.EngineSettings(threads=1))
    search.search()
    assert read_trace(search.folder.path).threads == 1
    with pytest.raises(InputError, match="threads was 1, is now 2; the order of sums depends on it"):
        tuner(demo_records, tmp_path, steps=1, engine=expansion.EngineSettings(threads=2)).search()
    monkeypatch.setattr("expansion.tuning.tuner.cores", lambda: 2)
    with pytest.raises(InputError, match="began with 1 threads a training, and the engine in-process takes all cores, 2"):
        tuner(demo_records, tmp_path, steps=1).search()


@pytest.mark.slow
def test_a_search_keeps_its_kernels_and_says_where_cpus_differ(demo_records, tmp_path, monkeypatch):
    monkeypatch.setattr("expansion.tuning.trial.train", nothing_learnt)
    monkeypatch.setattr(kernels, "_chosen", [])
    monkeypatch.setattr(kernels, "onednn_for", lambda pixels: not kernels.onednn_in_use())
    screen = io.StringIO()
    first = tuner(demo_records, tmp_path, steps=0, progress=SearchProgress(Console(file=screen)))
    first.search()
    used = kernels.onednn_in_use()
    assert first.state.onednn == used and f"faster with oneDNN {'off' if used else 'on'}" in " ".join(screen.getvalue().split())
    trace = json.loads((tmp_path / "s" / "trace.json").read_text())
    (tmp_path / "s" / "trace.json").write_text(json.dumps(trace | {"cpu": "Another CPU"}))
    other = tuner(demo_records, tmp_path, steps=1, progress=SearchProgress(Console(file=screen)))
    other.search()
    assert "began on another kind of CPU, Another CPU" in " ".join(screen.getvalue().split())
    monkeypatch.setenv(kernels.ONEDNN, str(int(not used)))
    with pytest.raises(InputError, match=f"began with oneDNN .*set TF_ENABLE_ONEDNN_OPTS={int(used)} before"):
        tuner(demo_records, tmp_path, steps=2).search()


def test_a_search_that_another_process_runs_is_not_overwritten(demo_records, tmp_path):
    search = tuner(demo_records, tmp_path)
    search.save()
    with Lock(search.folder.lock), pytest.raises(InputError, match="another process"):
        tuner(demo_records, tmp_path, overwrite=True)
    assert tuner(demo_records, tmp_path, overwrite=True).state.path == [] and (tmp_path / "s.1").exists()


def test_times_hold_the_epochs_of_earlier_attempts():
    job = SimpleNamespace(spent={"train_seconds": 5.0, "seconds": 8.0})
    found = trial._times(job, {"epoch_seconds": [5.0, 4.0, 1.0]}, build=1.0, train=1.0, evaluate=1.0, seconds=3.0)
    assert found == {"build_seconds": 1.0, "train_seconds": 10.0, "evaluate_seconds": 1.0, "seconds": 15.0}
