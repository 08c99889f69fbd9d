"""The loop of a search: retries, lost workers, commits, and a stop at any moment. Nothing is trained; no TensorFlow."""

import json
import shutil
import subprocess
import sys

import pytest

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.decisions import NoCandidate
from expansion.search.racing import RaceSettings
from expansion.search.repeats import RepeatSettings
from expansion.search.settings import SearchSettings
from expansion.search.trace import read_trace
from expansion.tuning.engines.engine import Lost
from expansion.tuning.folders import SearchFolder, TrialFolder
from tests.expansion.paper import top1
from tests.expansion.searches import right
from tests.expansion.tuning.loops import FakeEngine, Killed, Told, outcome, run_loop

ONE = SearchSettings(steps=1)
VIDEOS = 20
RACE = RaceSettings(on=True, rungs=(0.3, 0.5))
FINAL = {"seed": 6, "fast": 16, "spatial": 13, "depth": 12, "width": 9, "bottleneck": 8}  # of VIDEOS
TIED = {"fast": 12, "spatial": 12, "depth": 11, "width": 5, "bottleneck": 4}


def recorded(job):
    return outcome(top1(job.step, job.axis))


def raced(job):
    """A candidate gains four videos over its rungs."""
    count = FINAL[job.axis] - (0 if job.rung is None else 4 - 2 * job.rung)
    return outcome(count / VIDEOS, right(count), **({} if job.rung is None else {"epoch": 3 * job.rung + 3, "curve": [0.1]}))


def repeated(job):
    count = 4 if job.axis == "seed" else TIED[job.axis] + job.seed
    return outcome(count / VIDEOS, right(count))


def of_search(search):
    """What has to be the same in two runs of a search."""
    return [[(c.axis, c.status, c.trial_id, c.accuracy, c.rungs, c.gain, c.failures, c.accuracies) for c in step.trainings]
            for step in search.steps]


CASES = {"plain": (ONE, recorded), "race": (SearchSettings(steps=1, race=RACE), raced),
         "repeats": (SearchSettings(steps=1, repeats=RepeatSettings(extra=4, std=0.02)), repeated)}


def test_it_needs_no_tensorflow():
    code = ("import sys; import expansion.tuning.loop, expansion.tuning.jobs, expansion.tuning.engines.local\n"
            "assert not {'tensorflow', 'keras', 'keras_tuner', 'matplotlib'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_search_leaves_its_trace_and_what_its_trials_made(tmp_path):
    told = Told()
    search = run_loop(tmp_path, ONE, FakeEngine(recorded), watcher=told)
    assert search.finished and search.path[-1].axis == "bottleneck"
    assert read_trace(str(tmp_path)).as_dict() == search.as_dict()
    trials = [c.trial_id for step in search.steps for c in step.candidates]
    assert trials == [f"{number:04d}" for number in range(6)] == [name for name, *_ in told.of("ended")]
    assert [step.number for (step,) in told.of("decided")] == [0, 1] and len(told.of("epoch")) == 6
    folder = SearchFolder(str(tmp_path))
    assert all(files.read_text(folder.trial(name).model) == "model" and not folder.trial(name).attempts() for name in trials)
    assert set(folder.outcomes()) == set(trials)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("pick", [0, -1])
def test_the_order_in_which_trials_end_changes_nothing(tmp_path, name, pick):
    settings, train = CASES[name]
    one = run_loop(tmp_path / "a", settings, FakeEngine(train))
    other = run_loop(tmp_path / "b", settings, FakeEngine(train, pick))
    assert of_search(one) == of_search(other)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_stop_at_any_event_changes_nothing_and_nothing_that_ended_is_trained_again(tmp_path, name):
    settings, train = CASES[name]
    engine = FakeEngine(train)
    whole = run_loop(tmp_path / "whole", settings, engine)
    trainings = len(engine.trained)
    for killed_at in range(1, engine.events + 1):
        folder = tmp_path / str(killed_at)
        first, second = FakeEngine(train, killed_at=killed_at), FakeEngine(train)
        with pytest.raises(Killed):
            run_loop(folder, settings, first)
        assert first.closed
        assert of_search(run_loop(folder, settings, second)) == of_search(whole)
        kind = (killed_at - 1) % 3  # began, epoch, done
        assert len(first.trained) + len(second.trained) == trainings + (kind == 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_stop_between_any_two_writes_changes_nothing(tmp_path, name, monkeypatch):
    settings, train = CASES[name]
    whole, real = run_loop(tmp_path / "whole", settings, FakeEngine(train)), files.write_bytes
    for number in range(1, 400):
        folder, left = tmp_path / str(number), [number]

        def stop(*args, left=left, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return real(*args, **kwargs)

        monkeypatch.setattr(files, "write_bytes", stop)
        try:
            run_loop(folder, settings, FakeEngine(train))
            assert number > 20  # it has ended before the stop came
            return
        except Killed:
            pass
        finally:
            monkeypatch.setattr(files, "write_bytes", real)
        assert of_search(run_loop(folder, settings, FakeEngine(train))) == of_search(whole)
    raise AssertionError("it does not end")


def test_a_larger_budget_trains_only_what_is_new(tmp_path):
    run_loop(tmp_path, ONE, FakeEngine(recorded))
    engine = FakeEngine(recorded)
    search = run_loop(tmp_path, SearchSettings(steps=2), engine)
    assert {job.step for job in engine.trained} == {2} and len(search.path) == 3
    assert run_loop(tmp_path, SearchSettings(steps=2), FakeEngine(None)).finished  # and a finished one nothing


def fails(*axes, times=99, how=MemoryError("no memory\nmore")):
    left = dict.fromkeys(axes, times)

    def train(job):
        if left.get(job.axis, 0) > 0:
            left[job.axis] -= 1
            raise how
        return recorded(job)

    return train


def test_a_candidate_that_fails_is_tried_again_then_passed_over(tmp_path):
    told = Told()
    search = run_loop(tmp_path, ONE, FakeEngine(fails("bottleneck")), watcher=told)
    (failed,) = [c for c in search.steps[1].candidates if c.status == "failed"]
    assert failed.axis == "bottleneck" and failed.failures == ("MemoryError: no memory",) * 2
    assert failed.message == "MemoryError: no memory\n\nand more about it" and search.path[-1].axis == "fast"
    assert [reason for _, metrics, reason in told.of("ended") if metrics is None] == ["MemoryError: no memory"] * 2
    once = run_loop(tmp_path / "once", ONE, FakeEngine(fails("bottleneck", times=1)))
    assert once.path[-1].axis == "bottleneck" and once.path[-1].failures == ("MemoryError: no memory",)


def test_a_step_without_a_completed_candidate_is_an_error_and_is_given_another_chance(tmp_path):
    for number in (1, 2):
        with pytest.raises(NoCandidate, match="step 0: no candidate completed .seed: MemoryError: no memory"):
            run_loop(tmp_path, ONE, FakeEngine(fails("seed")))
        (seed,) = read_trace(str(tmp_path)).steps[0].candidates
        assert (seed.status, len(seed.failures)) == ("failed", 2 * number)
    assert run_loop(tmp_path, ONE, FakeEngine(recorded)).finished


def test_attempts_are_counted_over_restarts(tmp_path):
    engine = FakeEngine(fails("seed"), killed_at=3)  # began, failed, began
    with pytest.raises(Killed):
        run_loop(tmp_path, ONE, engine)
    with pytest.raises(NoCandidate):
        run_loop(tmp_path, ONE, again := FakeEngine(fails("seed")))
    assert len(engine.trained) + len(again.trained) == 2


def test_a_lost_worker_is_no_failed_attempt(tmp_path):
    class Losing(FakeEngine):
        def poll(self, tell):
            if self.events < 3:
                tell(Lost(self.queue[0][0], "killed from outside"))
            super().poll(tell)

    told = Told()
    search = run_loop(tmp_path, ONE, Losing(recorded), retries=0, watcher=told)
    assert [(c.lost, c.failures) for c in search.path] == [(1, ()), (0, ())] and len(told.of("lost")) == 1


@pytest.mark.parametrize("damage", ["{", "[]", '{"format_version": 2}', '{"format_version": 1}'])
def test_a_damaged_trace_is_one_line(tmp_path, damage):
    run_loop(tmp_path, ONE, FakeEngine(recorded))
    (tmp_path / "trace.json").write_text(damage)
    with pytest.raises(InputError, match="is damaged|written by another version") as error:
        run_loop(tmp_path, ONE, FakeEngine(recorded))
    assert "\n" not in str(error.value)


def test_a_result_that_was_cut_off_is_made_again(tmp_path):
    whole = run_loop(tmp_path / "whole", ONE, FakeEngine(recorded))
    with pytest.raises(Killed):
        run_loop(tmp_path / "cut", ONE, FakeEngine(recorded, killed_at=3))  # done, and not told
    folder = SearchFolder(str(tmp_path / "cut")).trial("0000")
    (attempt,) = folder.attempts()
    files.write_text(attempt.result(), '{"metrics": {"val_acc')
    assert of_search(run_loop(tmp_path / "cut", ONE, FakeEngine(recorded))) == of_search(whole)


def test_attempts_have_folders_of_their_own_and_the_last_checkpoint(tmp_path):
    trial = TrialFolder(str(tmp_path / "trial"))
    files.write_text(trial.checkpoint + "/state", "after a rung")
    first = trial.begin_attempt()
    assert files.read_text(first.checkpoint + "/state") == "after a rung"
    files.write_text(first.checkpoint + "/state", "after epoch 5")
    second = trial.begin_attempt()
    files.write_text(first.checkpoint + "/state", "after epoch 6, by a worker that was given up")
    assert files.read_text(second.checkpoint + "/state") == "after epoch 5" and len(trial.attempts()) == 2
    shutil.rmtree(second.checkpoint)
    files.write_json(second.result(), outcome(0.5))
    trial.commit(second)
    assert trial.read_result()["metrics"]["val_accuracy"] == 0.5 and files.names(trial.path) == ["outcome.json"]
    trial.commit(second)  # once more, as after a stop
    assert json.loads(json.dumps(trial.read_result())) == outcome(0.5)


def test_a_commit_at_a_rung_that_was_stopped_halfway_keeps_the_checkpoint(tmp_path):
    trial = TrialFolder(str(tmp_path / "trial"))
    attempt = trial.begin_attempt()
    files.write_text(attempt.checkpoint + "/state", "after a rung")
    files.write_json(attempt.result(0), outcome(0.5))
    shutil.move(attempt.checkpoint, trial.checkpoint)  # and then the process was killed
    trial.commit(attempt, 0)
    assert files.read_text(trial.checkpoint + "/state") == "after a rung" and trial.read_result(0)
    trial.begin_attempt()  # as if it had not been removed
    trial.commit(None, 0)
    assert not trial.attempts() and files.exists(trial.checkpoint)
    trial.commit(None)
    assert not files.exists(trial.checkpoint)
