"""A search by cross-validation: judged by every video, killed in a fold it ends the same; what it does not go with."""

import numpy as np
import pytest
from pydantic import ValidationError

import expansion
from expansion.display.progress import SearchProgress
from expansion.recipe import ClipSettings, Recipe
from expansion.search.settings import SearchSettings
from expansion.spec import Spec
from expansion.tuning.jobs import SearchJob

SEED = Spec(stride=8, size=24, width=0.34, depth=0.2)
RECIPE = Recipe(epochs=2, batch=16, rate=0.1, rate_batch=16, warmup_epochs=0)


class Stopped(KeyboardInterrupt):
    """What stops a search in the middle of an epoch's end."""


class StopAfter(SearchProgress):
    """Stops the search after a number of epochs, and keeps what it was told of them."""

    def __init__(self, epochs: int):
        super().__init__(quiet=True)
        self.left, self.told = epochs, []

    def epoch_ended(self, *event):
        self.told.append(event)
        self.left -= 1
        if self.left == 0:
            raise Stopped


def tuner(data, folder, progress=None):
    return expansion.ExpansionTuner(
        data, SearchSettings(start=SEED, steps=1, axes=("width", "bottleneck"), folds=2, without_gain="continue"), recipe=RECIPE,
        clips=ClipSettings(flip=False, views=2), directory=folder, project_name="s",
        progress=progress or SearchProgress(quiet=True))


@pytest.mark.slow
def test_a_search_by_folds_is_judged_by_every_video_and_resumes(demo_records, tmp_path):
    stop = StopAfter(7)  # the seed has 2 epochs in each fold; the first candidate is in its second fold
    with pytest.raises(Stopped):
        tuner(demo_records, tmp_path / "killed", stop).search()
    whole, killed = tuner(demo_records, tmp_path / "whole"), tuner(demo_records, tmp_path / "killed")
    for search in (whole, killed):
        search.search()
    videos = demo_records.videos("train") + demo_records.videos("val")
    for one, other in zip(whole.state.all_steps, killed.state.all_steps, strict=True):
        assert [c.accuracy for c in one.candidates] == [c.accuracy for c in other.candidates]
        assert [c.evidence for c in one.candidates] == [c.evidence for c in other.candidates]
    for candidate in whole.state.steps[1].candidates:
        assert len(candidate.evidence) == videos and candidate.accuracy == pytest.approx(np.mean(candidate.evidence))
        outcome = whole.folder.trial(candidate.trial_id).read_result()
        assert len(set(outcome["video_ids"])) == videos and len(outcome["history"]["loss"]) == RECIPE.epochs
    assert whole.get_best_models()[0].spec == whole.state.path[-1].spec


@pytest.mark.parametrize("settings, message", [
    ({"folds": 1}, "1 fold leaves nothing to train with; take 2 or more, or 0"),
    ({"folds": 5, "warm_start": True}, "a parent has seen the videos that its candidates are judged by"),
    ({"folds": 5, "race": True}, "race, which pauses one training"),
    ({"folds": 5, "protocol": "paper"}, "the paper's protocol does not go with folds"),
])
def test_what_folds_do_not_go_with(settings, message):
    with pytest.raises(ValidationError, match=message):
        SearchSettings(**settings)


def test_nor_with_a_proxy_of_some_videos():
    with pytest.raises(ValidationError, match="search.folds is 5: it does not go with a proxy of some videos"):
        SearchJob(search={"folds": 5}, proxy={"share": 0.5})


def test_what_is_trained_and_what_judges():
    counts = {"train": 200, "val": 50, "test": 50}
    assert SearchSettings().videos_seen(counts) == (200, 50)
    assert SearchSettings(folds=5).videos_seen(counts) == (1000, 250)
    assert SearchSettings().videos_seen({"train": 3}) == (3, 0)
