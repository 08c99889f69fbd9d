"""The rule of adaptive repeats: decided, or who is trained again, or a tie-break."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expansion.search.repeats import RepeatSettings, Runs, judge


def runs(*trainings: int, videos: int = 1000, cost: float = 200, params: int = 1) -> Runs:
    """A candidate that gets the first n videos right, n for each training."""
    return Runs("axis", cost, params, [[index < right for index in range(videos)] for right in trainings])


NEAR = [runs(600), runs(598), runs(300), runs(596)]


def test_a_clear_leader_is_taken_at_once():
    verdict = judge(0.2, 100, [runs(600), runs(700), runs(300)], RepeatSettings(extra=10, std=0.001))
    assert (verdict.winner, verdict.more, verdict.tied, verdict.reason) == (1, (), (1,), "clear")


def test_only_the_tied_are_trained_again():
    verdict = judge(0.2, 100, NEAR, RepeatSettings(extra=10, std=0.01))
    assert (verdict.winner, verdict.more, verdict.reason) == (None, (0, 1, 3), "more repeats")
    assert verdict.p_values[2] < 1e-6 and verdict.p_values[1] > 0.05


def test_the_budget_goes_to_the_leader_and_to_who_was_trained_least():
    assert judge(0.2, 100, NEAR, RepeatSettings(extra=2, std=0.01)).more == (0, 1)
    again = [runs(600, 601), runs(598, 598), runs(300), runs(596)]
    assert judge(0.2, 100, again, RepeatSettings(extra=3, std=0.01)).more == (3,)


@pytest.mark.parametrize("tie_break, winner", [("gain", 0), ("params", 2), ("cost", 1)])
def test_where_the_budget_is_spent_the_tie_break_decides(tie_break, winner):
    tied = [runs(600, params=5), runs(590, cost=199, params=4), runs(595, params=3), runs(100, cost=150, params=1)]
    verdict = judge(0.2, 100, tied, RepeatSettings(std=0.02, tie_break=tie_break))
    assert (verdict.winner, verdict.reason) == (winner, "tie-break")


def test_more_trainings_untie():
    settings = RepeatSettings(std=0.01, extra=100)
    assert judge(0.2, 100, [runs(600), runs(580)], settings).reason == "more repeats"
    assert judge(0.2, 100, [runs(*[600] * 8), runs(*[580] * 8)], settings).reason == "clear"


def test_the_p_value_is_that_of_the_paired_difference():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 500)) < np.array([[0.7], [0.6]])
    verdict = judge(0.5, 100, [Runs("a", 200, 1, [first]), Runs("b", 200, 1, [second])], RepeatSettings(std=0.003))
    difference = first.astype(float) - second
    z = difference.mean() / math.sqrt(difference.var(ddof=1) / 500 + 2 * 0.003**2)
    assert verdict.p_values[1] == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-4)


def test_gains_not_accuracies_are_compared():
    """0.1 for one doubling is more than 0.15 for two."""
    verdict = judge(0.5, 100, [runs(650, cost=400), runs(600, cost=200)], RepeatSettings())
    assert verdict.winner == 1


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=3), min_size=1, max_size=5), st.integers(0, 6))
def test_it_ends_within_the_budget(counts, extra):
    """Whatever comes back, judge asks for no more than the budget and then decides."""
    settings, started = RepeatSettings(extra=extra + sum(len(c) - 1 for c in counts), std=0.05), sum(map(len, counts))
    for _ in range(extra + 1):
        verdict = judge(0.3, 100, [runs(*c, videos=40) for c in counts], settings)
        if verdict.winner is not None:
            break
        assert verdict.more and set(verdict.more) <= set(verdict.tied)
        for index in verdict.more:
            counts[index].append(counts[index][0])
    assert verdict.winner in verdict.tied and sum(map(len, counts)) <= started + extra


def test_it_is_gains_that_are_told_apart_where_costs_differ():
    """The same gain per doubling of the cost, from other accuracies: nothing tells them apart."""
    one, other = runs(600, cost=200), runs(800, cost=400)
    assert judge(0.4, 100, [one, other], RepeatSettings(std=0.001)).p_values == pytest.approx((1.0, 1.0))
