"""The search for those who use Keras Tuner's API: its Oracle walks the paper's path, reloads, and says what it cannot do."""

import keras_tuner
import pytest

from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.search.trace import read_trace
from expansion.spec import NAMED
from expansion.tuning.oracle import ExpansionOracle, spec_of
from tests.expansion.paper import STEPS, top1


class Recorded(keras_tuner.engine.base_tuner.BaseTuner):
    """A tuner as a user writes it, with the paper's accuracies in place of trainings."""

    def run_trial(self, trial):
        step, axis = (trial.hyperparameters.get(name) for name in ("step", "axis"))
        accuracy = top1(step, axis)
        if accuracy is None or (step, axis) in self.failing:
            raise MemoryError("no memory")
        return {"val_accuracy": accuracy}

    failing = ()


def tuner(folder, failing=(), **settings) -> Recorded:
    made = Recorded(ExpansionOracle(SearchSettings(**settings)), directory=str(folder), project_name="search")
    made.failing = failing
    if made.oracle.stored:
        made.oracle.reload()
    return made


def test_it_walks_the_papers_path(tmp_path):
    found = tuner(tmp_path, steps=11)
    found.search()
    search = found.oracle.search
    assert [winner.axis for winner in search.path[1:]] == [step["winner"] for step in STEPS]
    assert search.path[-1].spec == NAMED["XL"]
    assert len(found.oracle.trials) == 65  # 66 candidates and the seed, less two where fast and temporal are one
    assert spec_of(found.get_best_hyperparameters()[0]) == NAMED["XL"]
    assert read_trace(str(tmp_path / "search")).as_dict() == search.as_dict()


def test_others_wait_while_a_step_runs(tmp_path):
    oracle = tuner(tmp_path, steps=1, axes=("spatial", "depth")).oracle
    assert oracle.create_trial("a").status == "RUNNING"
    assert oracle.create_trial("b").status == "IDLE"


def test_it_reloads_and_begins_again_what_ran(tmp_path):
    whole = tuner(tmp_path / "whole", steps=3)
    whole.search()
    for trainings in (8, 3, 2):
        cut = tuner(tmp_path / "cut", steps=3)
        for _ in range(trainings):
            trial = cut.oracle.create_trial("tuner0")
            cut._try_run_and_update_trial(trial)
            cut.on_trial_end(trial)
        cut.oracle.create_trial("tuner0")  # stopped while this one runs
    again = tuner(tmp_path / "cut", steps=3)
    again.search()
    assert sorted(again.oracle.trials) == sorted(whole.oracle.trials)
    path, expected = ([(c.spec, c.accuracy) for c in found.oracle.search.path] for found in (again, whole))
    assert path == expected
    best = [trial.score for trial in again.oracle.get_best_trials(30)]
    assert best[:4] == [c.accuracy for c in reversed(again.oracle.search.path)] and best[4:] == sorted(best[4:], reverse=True)


def test_a_candidate_that_fails_is_tried_again_by_keras_tuner_and_passed_over(tmp_path):
    found = tuner(tmp_path, failing={(1, "bottleneck")}, steps=1)
    found.search()
    (failed,) = [c for c in found.oracle.search.steps[1].candidates if c.status == "failed"]
    assert failed.failures == ("MemoryError: no memory",) * 2 and found.oracle.search.path[-1].axis == "fast"


def test_a_race_is_beyond_keras_tuner(tmp_path):
    with pytest.raises(InputError, match="search.race is on: Keras Tuner cannot pause a trial"):
        tuner(tmp_path, race=True).search()
