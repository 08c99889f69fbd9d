"""A real race, on made videos: killed in the middle it ends the same, and the survivor loses nothing by the pauses."""

import os

import pytest

import expansion
from expansion.display.progress import SearchProgress
from expansion.foundation.errors import InputError
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.schedule import Schedule
from expansion.spec import Spec
from expansion.tuning.folders import TrialFolder
from expansion.tuning.jobs import read_job, write_job
from expansion.tuning.trial import run_attempt

SEED = Spec(stride=8, size=24, width=0.34, depth=0.2)


class Stopped(KeyboardInterrupt):
    """What stops a search in the middle of an epoch's end."""


RECIPE = Recipe(epochs=4, batch=16, rate=0.1, rate_batch=16, warmup_epochs=0)


def tuner(data, folder, progress=None, engine="in-process", recipe=RECIPE, steps=1, **settings):
    return expansion.ExpansionTuner(
        data, expansion.SearchSettings(start=SEED, steps=steps, axes=("width", "bottleneck"), without_gain="continue",
                                       **settings), recipe=recipe,
        clips=ClipSettings(flip=False, views=2), directory=folder, project_name="s", engine=engine,
        progress=progress or SearchProgress(quiet=True))


class StopAfter(SearchProgress):
    """Stops the search after a number of epochs."""

    def __init__(self, epochs: int):
        super().__init__(quiet=True)
        self.left = epochs

    def epoch_ended(self, *event):
        self.left -= 1
        if self.left == 0:
            raise Stopped


@pytest.mark.slow
def test_a_killed_race_resumes_and_pauses_change_no_result(demo_records, tmp_path):
    race = {"on": True, "rungs": (0.5,)}
    with pytest.raises(Stopped):  # the seed has 4 epochs, the first candidate paused after 2, the second is in its first
        tuner(demo_records, tmp_path, StopAfter(7), race=race).search()
    search = tuner(demo_records, tmp_path, engine=expansion.EngineSettings(threads=2), race=race)  # the rest in a child process
    assert [c.status for c in search.state.steps[1].candidates] == ["paused", "running"]
    search.search()
    step = search.state.steps[1]
    stopped, winner = sorted(step.candidates, key=lambda c: c.status == "completed")
    assert (stopped.status, winner.status, step.winner) == ("stopped", "completed", winner)
    for candidate in step.candidates:
        folder = search.folder.trial(candidate.trial_id)
        assert len(candidate.rungs[0].curve) == 2 and len(candidate.rungs[0].evidence) == demo_records.videos("val")
        assert os.path.exists(folder.model) == (candidate is winner)
        assert not os.path.exists(folder.checkpoint) and not folder.attempts()
    raced = search.folder.trial(winner.trial_id)
    unpaused = TrialFolder(str(tmp_path / "unpaused"))
    write_job(unpaused, read_job(raced))
    _, attempt = run_attempt(unpaused.path)
    found, expected = (folder.read_result() for folder in (raced, TrialFolder(attempt)))
    assert found["history"]["loss"] == expected["history"]["loss"] and found["predictions"] == expected["predictions"]
    assert winner.metrics["seconds"] > raced.read_result(0)["metrics"]["seconds"]


@pytest.mark.slow
def test_a_multigrid_training_pauses_at_the_end_of_a_long_cycle(demo_records, tmp_path):
    recipe = RECIPE.model_copy(update={"batch": 4, "multigrid": "long", "long_cycles": 1})
    search = tuner(demo_records, tmp_path, recipe=recipe, steps=0, race={"on": True, "rungs": (0.3,)})
    search.search()
    (seed,), schedule = search.state.steps[0].candidates, Schedule(SEED, recipe, 48)
    (rung,) = seed.rungs
    assert (schedule.epochs[rung.epoch - 1].phase.part, schedule.epochs[rung.epoch].phase.part) == (0, 1)
    history = search.folder.trial(seed.trial_id).read_result()["history"]
    assert len(history["loss"]) == len(schedule.epochs) and min(history["size"]) == 17


def test_multigrid_that_does_not_go_with_the_search_is_refused(demo_records, tmp_path):
    with pytest.raises(InputError, match="at a crop of 24 pixels it has batches of 12"):
        tuner(demo_records, tmp_path, recipe=RECIPE.model_copy(update={"multigrid": "both"}))
