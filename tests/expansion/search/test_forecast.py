"""Time that is left, from what the search's own trials took."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.racing import recorded_search
from expansion.display.tables import forecast_error
from expansion.recipe import Recipe
from expansion.search.forecast import (
    Speed,
    Training,
    measured_speed,
    of_step,
    race_at,
    raced,
    retrospective,
    seconds_left,
    steps_ahead,
)
from expansion.search.racing import RaceSettings, race
from expansion.search.selection import Scored
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.steps import Rung
from tests.expansion.searches import SMALL, finished

DEMO_ERRORS = [11, 4, -7]  # per cent, steps 1 to 3
RECIPE = Recipe(epochs=10, by_step={2: {"epochs": 20}})


def timed(steps: int) -> SearchState:
    """A search of which so many steps are decided; each trial took 4 seconds and 10 for a GMAC of 1,000 clips forward."""
    search = finished(steps=steps)
    for step in search.steps:
        for candidate in step.candidates:
            if candidate.done:
                candidate.metrics["seconds"] = seconds_of(candidate, step.number)
    return search


def seconds_of(candidate, step: int) -> float:
    return 4 + 1e-8 * candidate.macs * RECIPE.at(step).epochs * 100 / 1000


def test_the_speed_is_that_of_the_trials():
    assert measured_speed(timed(2), RECIPE, 100) == Speed(pytest.approx(300), pytest.approx(4), True)
    assert measured_speed(SearchState(SMALL), RECIPE, 100) is None and seconds_left(SearchState(SMALL), RECIPE, 100) is None
    one = timed(1)  # a single point: half of its time at most is a start
    speed, seed = measured_speed(one, RECIPE, 100), one.steps[0].candidates[0]
    assert speed.start_seconds == pytest.approx(min(10, seconds_of(seed, 0) / 2))
    assert speed.seconds(seed.macs, 1000) == pytest.approx(seconds_of(seed, 0))


def test_the_forecast_is_compared_with_what_it_took():
    search = timed(99)
    search.made_with = {"recipe": RECIPE.model_dump(mode="json"), "data": {"videos": {"train": 100}}}
    first, second = retrospective(search)
    actual = [sum(seconds_of(c, step.number) for c in step.candidates) for step in search.steps[1:]]
    assert [first.actual, second.actual] == pytest.approx(actual)
    # Of the seed alone half is taken as a start; after step 1 the line is known.
    assert second.forecast == pytest.approx(second.actual) and first.forecast != pytest.approx(first.actual)
    assert "steps 1 to 2 were forecast to take" in forecast_error(search) and forecast_error(timed(99)) is None
    search.steps = search.steps[:2]
    assert forecast_error(search).startswith("step 1 was forecast to take")


def test_the_demo_as_it_was_recorded():
    """benchmarks/recorded/demo.json: 18 trials on 2 quiet cores. The plan is to be right within 25 %."""
    off = [step.forecast / step.actual - 1 for step in retrospective(recorded_search())]
    assert [round(100 * value) for value in off] == DEMO_ERRORS and all(abs(value) < 0.25 for value in off)


def test_what_a_race_takes():
    halving = RaceSettings(on=True, rungs=(0.25, 0.5), keep=0.5)
    # 6 to a quarter, 3 to a half, 2 to the end.
    assert raced(halving, 6) == (11, 6 * 0.25 + 3 * 0.25 + 2 * 0.5)
    assert raced(RaceSettings(), 6) == (6, 6)
    assert raced(halving.model_copy(update={"rule": "bound"}), 6) == (18, 6)
    speed = Speed(10.0, 5.0)
    assert of_step([1e6] * 6, Training(1000), speed, halving) == pytest.approx(11 * 5 + 3.25 * 3 * 1e9 / 10e9)


def test_what_is_left_are_the_candidates_not_done_and_the_steps_not_begun():
    search = timed(2)
    waiting = search.steps[-1].candidates
    assert seconds_left(search, RECIPE, 100) == pytest.approx(sum(4 + 1e-8 * c.macs * 20 * 100 / 1000 for c in waiting))
    before = seconds_left(search, RECIPE, 100)
    search.started(waiting[0], "x")
    assert seconds_left(search, RECIPE, 100) == before
    search.failed("x", "no memory")
    assert seconds_left(search, RECIPE, 100) == pytest.approx(before - 4 - 1e-8 * waiting[0].macs * 20 * 100 / 1000)
    search.started(waiting[1], "y")
    search.paused("y", Rung(5, 0.3, (), ()))
    assert seconds_left(search, RECIPE, 100) == pytest.approx(
        before - 4 - 1e-8 * (20 * waiting[0].macs + 5 * waiting[1].macs) * 100 / 1000)
    assert seconds_left(timed(99), RECIPE, 100) is None


def test_steps_to_come_cost_twice_as_much_each_until_the_target():
    search = timed(1)
    mean = sum(c.macs for c in search.steps[-1].candidates) / len(search.steps[-1].candidates)
    begun, row = steps_ahead(search, RECIPE, 100, Speed())
    of_begun = sum(Speed().seconds(c.macs, 1000) for c in search.steps[1].candidates)
    assert begun.step == 1 and begun.seconds == pytest.approx(of_begun)
    assert row.step == 2 and row.macs == pytest.approx(2 * mean)
    assert row.seconds == pytest.approx(row.candidates * Speed().seconds(2 * mean, 20 * 100))
    near = SearchSettings(**SMALL.model_dump() | {"target_gmacs": search.steps[-1].candidates[0].macs / 2e9})
    assert steps_ahead(finished(near, steps=1), RECIPE, 100, Speed()) == []
    search.settings = search.settings.model_copy(update={"steps": 9, "target_gmacs": 4 * mean / 1e9})
    assert [row.step for row in steps_ahead(search, RECIPE, 100, Speed())] == [1, 2, 3]  # the third reaches it


def test_no_step_is_forecast_that_would_go_past_the_hours():
    """As SearchState itself ends: by the time of its trials so far and what the step takes."""
    search = timed(1)
    spent = sum(c.metrics["seconds"] for c in search.steps[0].candidates)
    whole = spent + sum(step.seconds for step in steps_ahead(search, RECIPE, 100, Speed()))
    for hours, steps in ((1.001 * whole / 3600, 2), (0.999 * whole / 3600, 1), (0.001 * whole / 3600, 1)):  # what is begun ends
        search.settings = search.settings.model_copy(update={"hours": hours})
        assert len(steps_ahead(search, RECIPE, 100, Speed())) == steps


@pytest.mark.parametrize("cost", ["params", "memory"])
def test_where_the_cost_is_not_macs_they_grow_as_they_do_in_the_known_step(cost):
    settings = SMALL.model_copy(update={"cost": cost, "steps": 4})
    seed, first = SearchState(settings), finished(settings, steps=1)
    parent, candidates = first.steps[0].winner, first.steps[1].candidates
    growth = math.prod(c.macs / parent.macs for c in candidates) ** (1 / len(candidates))
    assert not growth == pytest.approx(2, rel=0.05)
    for search, at in ((seed, parent.macs), (first, sum(c.macs for c in candidates) / len(candidates))):
        rows = steps_ahead(search, RECIPE, 100, Speed())
        assert [row.macs / at for row in rows] == pytest.approx([growth**i for i in range(len(rows))])
    # From the seed on, the first step is as wide as it will be; those after it as the axes that are not at their limits.
    assert steps_ahead(seed, RECIPE, 100, Speed())[1].candidates == len(candidates)


def test_the_rest_of_a_race_counts_by_the_share_that_continues():
    halving = RaceSettings(on=True, rungs=(0.25, 0.5), keep=0.5)
    assert of_step([1e6] * 6, Training(1000), Speed(10.0, 5.0), halving, [0.25] * 6) == pytest.approx(
        3 * 5 + 2 * 5 + (3 * 0.25 + 2 * 0.5) * 3e9 / 10e9)
    settings = SMALL.model_copy(update={"race": halving, "steps": 1})
    search, speed = finished(settings, steps=1), Speed(10.0, 5.0)
    macs = [c.macs for c in search.steps[1].candidates]
    assert steps_ahead(search, RECIPE, 100, speed)[0].seconds == pytest.approx(of_step(macs, Training(1000), speed, halving))
    for number, candidate in enumerate(search.steps[1].candidates):
        search.started(candidate, f"t{number}")
        search.paused(candidate.trial_id, Rung(3, 0.1 * number))  # 2.5 epochs are round(2.5) or one more: it is not counted
    left = [c for c in search.steps[1].candidates if not c.done]
    assert 0 < len(left) < len(macs)
    assert steps_ahead(search, RECIPE, 100, speed)[0].seconds == pytest.approx(
        of_step([c.macs for c in left], Training(1000), speed, halving.model_copy(update={"rungs": (0.5,)}), [0.3] * len(left)))


def test_a_prescribed_step_is_not_raced():
    race = RaceSettings(on=True)
    settings = SearchSettings(race=race, follow=("depth", "width"))
    assert [race_at(settings, step, RECIPE).on for step in (0, 1, 2, 3)] == [True, False, False, True]
    assert not race_at(settings, 3, RECIPE, "contraction").on


@given(st.integers(1, 30), st.floats(0.05, 0.95))
def test_survivors_are_counted_as_a_race_counts_them(candidates, keep):
    settings = RaceSettings(on=True, rungs=(0.5,), keep=keep)
    runners = [Scored("depth", 0.1 * index / candidates, 2.0, 1) for index in range(candidates)]
    going = sum(standing.survives for standing in race(0.0, 1.0, runners, settings))
    assert raced(settings, candidates) == (candidates + going, pytest.approx(candidates * 0.5 + going * 0.5))
