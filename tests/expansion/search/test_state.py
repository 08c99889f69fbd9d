"""The state machine of the search, and the Oracle over it, with recorded and invented accuracies."""

import json
import os

import pytest
from keras_tuner.src.engine import oracle as oracle_module

from expansion.foundation.errors import InputError
from expansion.search.decisions import NoCandidate
from expansion.search.settings import SearchSettings
from expansion.search.state import Search
from expansion.search.trace import read_trace
from expansion.spec import NAMED, Limits, Spec
from expansion.tuning.oracle import ExpansionOracle, spec_of
from tests.expansion.paper import STEPS, top1


def run(search: Search, accuracy, first=0):
    """Trains nothing: every candidate gets accuracy(step, axis), or fails where that is None. Trials count from `first`."""
    for number in range(first, first + 1000):
        proposal = search.next()
        if proposal is None:
            return search
        step, candidate = proposal
        search.started(candidate, f"{number:04d}")
        result = accuracy(step.step, candidate.axis)
        if result is None:
            search.failed(candidate.trial_id, "out of memory")
        else:
            search.completed(candidate.trial_id, result)
    raise AssertionError("the search does not end")


def run_oracle(oracle: ExpansionOracle, folder, accuracy):
    oracle._set_project_dir(str(folder), "search")
    while True:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            return oracle
        values = trial.hyperparameters.values
        oracle.update_trial(trial.trial_id, {"val_accuracy": accuracy(values["step"], values["axis"])})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)


def test_the_oracle_walks_the_papers_path(tmp_path):
    oracle = run_oracle(ExpansionOracle(SearchSettings(steps=11)), tmp_path, top1)
    assert [winner.axis for winner in oracle.search.path[1:]] == [step["winner"] for step in STEPS]
    assert oracle.search.path[-1].spec == NAMED["XL"]
    assert len(oracle.trials) == 65  # 66 candidates and the seed, less two where fast and temporal are one
    best = oracle.get_best_trials(1)[0]
    assert spec_of(best.hyperparameters) == NAMED["XL"]
    assert read_trace(str(tmp_path / "search")).as_dict() == oracle.search.as_dict()


def test_a_reloaded_oracle_goes_on_where_it_was(tmp_path):
    whole = run_oracle(ExpansionOracle(SearchSettings(steps=3)), tmp_path / "whole", top1)
    oracle = ExpansionOracle(SearchSettings(steps=3))
    oracle._set_project_dir(str(tmp_path), "search")
    for _ in range(8):
        trial = oracle.create_trial("tuner0")
        values = trial.hyperparameters.values
        oracle.update_trial(trial.trial_id, {"val_accuracy": top1(values["step"], values["axis"])})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    oracle.create_trial("tuner0")  # killed while this one runs
    again = ExpansionOracle(SearchSettings(steps=3))
    again._set_project_dir(str(tmp_path), "search")
    again.reload()
    run_oracle(again, tmp_path, top1)
    assert again.search.as_dict()["path"] == whole.search.as_dict()["path"]
    assert len(again.trials) == len(whole.trials)


@pytest.mark.parametrize("stop_at", ["_save_trial", "save"])
@pytest.mark.parametrize("calls", range(1, 8))
def test_a_stop_between_any_two_writes_changes_nothing(tmp_path, monkeypatch, stop_at, calls):
    """The process ends at the nth write of a trial or of the oracle, before or after it; the next one goes on."""
    whole = run_oracle(ExpansionOracle(SearchSettings(steps=1)), tmp_path / "whole", top1)

    class Killed(BaseException):
        pass

    for before in (True, False):
        folder = tmp_path / f"killed-{before}"
        oracle, left = ExpansionOracle(SearchSettings(steps=1)), [calls]
        real = getattr(oracle, stop_at)

        def stop(*args, real=real, left=left, before=before):
            left[0] -= 1
            if left[0] > 0:
                return real(*args)
            if not before:
                real(*args)
            raise Killed

        monkeypatch.setattr(oracle, stop_at, stop)
        with pytest.raises(Killed):
            run_oracle(oracle, folder, top1)
        # A process of its own would find the lock free.
        oracle_module.LOCKS.clear(), oracle_module.THREADS.clear()
        again = ExpansionOracle(SearchSettings(steps=1))
        again._set_project_dir(str(folder), "search")
        if os.path.exists(folder / "search" / "oracle.json"):
            again.reload()
        run_oracle(again, folder, top1)
        assert again.search.as_dict()["path"] == whole.search.as_dict()["path"]
        assert [c.accuracy for c in again.search.steps[1].candidates] == [c.accuracy for c in whole.search.steps[1].candidates]


def test_others_wait_while_a_step_runs(tmp_path):
    oracle = ExpansionOracle(SearchSettings(steps=1, axes=("spatial", "depth")))
    oracle._set_project_dir(str(tmp_path), "search")
    assert oracle.create_trial("a").status == "RUNNING"
    assert oracle.create_trial("b").status == "IDLE"


def test_a_target_that_is_overshot_is_met_by_contraction():
    search = run(Search(SearchSettings(target_gmacs=2.0)), top1_or(0.7))
    assert search.stopped_by == "target_gmacs" and search.steps[-1].kind == "contraction"
    assert search.path[-1].spec == NAMED["S"]


def top1_or(default):
    return lambda step, axis: top1(step, axis) if step <= 7 else default


@pytest.mark.parametrize("settings, reason, steps", [
    (dict(steps=2), "steps", 3), (dict(target_accuracy=0.6), "target_accuracy", 4),
    (dict(axes=("spatial",), limits=Limits(size=120)), "no axis can move", 1),
])
def test_reasons_to_end(settings, reason, steps):
    search = run(Search(SearchSettings(**settings)), top1)
    assert (search.stopped_by, len(search.steps)) == (reason, steps)


def test_failed_candidates_are_kept_and_passed_over():
    search = run(Search(SearchSettings(steps=1)), lambda step, axis: None if axis == "bottleneck" else top1(step, axis))
    failed = [c for c in search.steps[1].candidates if c.status == "failed"]
    assert [c.axis for c in failed] == ["bottleneck"] and failed[0].message == "out of memory" and failed[0].gain is None
    assert search.steps[1].winner.axis == "fast"


def test_losers_keep_their_place_where_another_failed():
    step = run(Search(SearchSettings(steps=1)), lambda step, axis: None if axis == "fast" else top1(step, axis)).steps[1]
    named = [step.candidates[comparison.loser].axis for comparison in step.decision.against]
    assert sorted([step.winner.axis, *named]) == ["bottleneck", "depth", "spatial", "width"]
    assert step.candidates[step.decision.runner_up].axis == named[0]


def test_a_step_without_a_completed_candidate_is_an_error():
    with pytest.raises(NoCandidate, match="step 1: no candidate completed.*out of memory"):
        run(Search(SearchSettings(steps=1)), lambda step, axis: 0.1 if step == 0 else None)


def test_the_trace_survives_json():
    search = run(Search(SearchSettings(steps=4, limits=Limits(span=100, size=200))), top1)
    again = Search.from_dict(json.loads(json.dumps(search.as_dict())))
    assert again.as_dict() == search.as_dict()
    with pytest.raises(InputError, match="format 99"):
        Search.from_dict({"format_version": 99})


def test_a_seed_that_does_not_fit_the_videos():
    with pytest.raises(InputError, match="seed does not fit the data: a clip of 4x8 spans 25 frames; the videos have 16"):
        Search(SearchSettings(seed=Spec(frames=4, stride=8), limits=Limits(span=16)))
