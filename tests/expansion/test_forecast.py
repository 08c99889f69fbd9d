"""Time that is left, from what the search's own trials took."""

import pytest

from expansion.forecast import Speed, measured_speed, seconds_left, steps_to_come
from expansion.search import Search, SearchSettings
from expansion.training.recipe import Recipe
from tests.expansion.searches import SMALL, finished

RECIPE = Recipe(epochs=10, by_step={2: {"epochs": 20}})


def timed(steps: int) -> Search:
    """A search of which so many steps are decided, at 30 MMACs forward a second."""
    search = finished(steps=steps)
    for step in search.steps:
        for candidate in step.candidates:
            if candidate.done:
                candidate.metrics["clips_per_second"] = 30e6 / candidate.macs
    return search


def test_the_speed_is_that_of_the_trials():
    assert measured_speed(timed(1)) == Speed(pytest.approx(0.09), 10.0, True)
    assert measured_speed(Search(SMALL)) is None and seconds_left(Search(SMALL), RECIPE, 100) is None


def test_what_is_left_are_the_candidates_not_done_and_the_steps_not_begun():
    search = timed(2)
    waiting = search.steps[-1].candidates
    assert seconds_left(search, RECIPE, 100) == pytest.approx(sum(10 + c.macs * 20 * 100 / 30e6 for c in waiting))
    before = seconds_left(search, RECIPE, 100)
    search.started(waiting[0], "x")
    assert seconds_left(search, RECIPE, 100) == before
    search.failed("x", "no memory")
    assert seconds_left(search, RECIPE, 100) == pytest.approx(before - 10 - waiting[0].macs * 20 * 100 / 30e6)
    assert seconds_left(timed(99), RECIPE, 100) is None


def test_steps_to_come_cost_twice_as_much_each_until_the_target():
    search = timed(1)
    mean = sum(c.macs for c in search.steps[-1].candidates) / len(search.steps[-1].candidates)
    (row,) = steps_to_come(search, RECIPE, 100, Speed())
    assert row["step"] == 2 and row["macs"] == pytest.approx(2 * mean)
    assert row["seconds"] == pytest.approx(row["candidates"] * Speed().seconds(2 * mean, 20 * 100))
    near = SearchSettings(**SMALL.model_dump() | {"target_gmacs": search.steps[-1].candidates[0].macs / 2e9})
    assert steps_to_come(finished(near, steps=1), RECIPE, 100, Speed()) == []
