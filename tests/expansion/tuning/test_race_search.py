"""A real race, on made videos: killed in the middle it ends the same, and the survivor loses nothing by the pauses."""

import os

import pytest

import expansion
from expansion.display.progress import SearchProgress
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.tuning.folders import TrialFolder
from expansion.tuning.jobs import read_job, write_job
from expansion.tuning.trial import run_attempt

SEED = Spec(stride=8, size=24, width=0.34, depth=0.2)


class Stopped(KeyboardInterrupt):
    """What stops a search in the middle of an epoch's end."""


def tuner(data, folder, progress=None, engine="in-process", **settings):
    return expansion.ExpansionTuner(
        data, expansion.SearchSettings(start=SEED, steps=1, axes=("width", "bottleneck"), **settings),
        recipe=Recipe(epochs=4, batch=16, rate=0.1, rate_batch=16, warmup_epochs=0),
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
        assert len(candidate.rungs[0].curve) == 2 and len(candidate.rungs[0].correct) == demo_records.videos("val")
        assert os.path.exists(folder.model) == (candidate is winner)
        assert not os.path.exists(folder.checkpoint) and not folder.attempts()
    raced = search.folder.trial(winner.trial_id)
    unpaused = TrialFolder(str(tmp_path / "unpaused"))
    write_job(unpaused, read_job(raced))
    _, attempt = run_attempt(unpaused.path)
    found, expected = (folder.read_result() for folder in (raced, TrialFolder(attempt)))
    assert found["history"]["loss"] == expected["history"]["loss"] and found["predictions"] == expected["predictions"]
    assert winner.metrics["seconds"] > raced.read_result(0)["metrics"]["seconds"]
