"""What a search spent and saved."""

import pytest

from expansion.display.tables import path_table
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.training_cost import training_cost
from tests.expansion.search.test_racing import run, settings

MADE_WITH = {"recipe": {"epochs": 12}, "clips": {"views": 4}, "data": {"videos": {"train": 100, "val": 20}}, "seed": 0}


def test_a_race_saves_the_epochs_that_were_not_trained_less_the_evaluations_at_the_rungs():
    search = run(SearchState(settings(), MADE_WITH))
    found = training_cost(search)
    assert (found.stopped, found.full_epochs, found.epochs) == (3, 72, 72 - 9 - 9 - 6)
    def macs(axes, steps=(0, 1)):
        return sum(c.macs for number in steps for c in search.steps[number].candidates if c.axis in axes)
    every = ("seed", "fast", "spatial", "depth", "width", "bottleneck")
    assert found.full == macs(every) * (3 * 12 * 100 + 20 * 4)
    rungs = 20 * 2 * (2 * macs(("seed", "fast", "spatial", "depth")) + macs(("width", "bottleneck")))
    trained = 300 * (12 * macs(("seed", "fast", "spatial")) + 6 * macs(("depth",)) + 3 * macs(("width", "bottleneck")))
    assert found.macs == pytest.approx(trained + rungs + 80 * macs(("seed", "fast", "spatial")))
    assert 0.25 < found.saved < 0.45 and "racing stopped 3 candidates: 24 of 72 epochs" in path_table(search).caption


def test_without_a_race_nothing_is_saved_and_nothing_reported():
    search = run(SearchState(SearchSettings(steps=1), MADE_WITH))
    assert training_cost(search).saved == 0 and "racing" not in path_table(search).caption
    assert training_cost(run(SearchState(SearchSettings(steps=1)))) is None
