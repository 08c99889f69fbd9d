"""Selection by marginal gain, and the paired test."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expansion.foundation.errors import InputError
from expansion.search.axes import macs, propose
from expansion.search.selection import CLEAR_ON_VIDEOS, Scored, decide, marginal_gain
from expansion.spec import X2D
from expansion.tasks.single_label import mcnemar, wilson
from tests.expansion.paper import STEPS, top1


def walk(score):
    """The path that a score (accuracy, cost, parent's accuracy, parent's cost) picks on Figure 2, from the paper's parents."""
    spec, accuracy, picked = X2D, top1(0, "seed"), []
    for number, step in enumerate(STEPS, start=1):
        candidates, _ = propose(spec)
        best = max(candidates, key=lambda c: score(top1(number, c.axis), c.cost, accuracy, macs(spec)))
        picked.append(best.axis)
        winner = next(c for c in candidates if c.axis == step["winner"])
        spec, accuracy = winner.spec, top1(number, winner.axis)
    return picked


def test_marginal_gain_picks_the_papers_axis_in_all_11_steps():
    assert walk(marginal_gain) == [step["winner"] for step in STEPS]


def test_the_plain_ratio_does_not():
    picked = walk(lambda accuracy, cost, *_: accuracy / cost)
    assert sum(axis != step["winner"] for axis, step in zip(picked, STEPS)) == 8


def test_decision_names_winner_runner_up_and_margin():
    decision = decide(0.5, 100, [Scored("a", 0.6, 200), Scored("b", 0.7, 200), Scored("c", 0.72, 400)])
    assert (decision.winner, decision.runner_up, decision.verdict) == (1, 2, "not tested")
    assert decision.gains == pytest.approx((0.1, 0.2, 0.11)) and decision.margin == pytest.approx(-0.02)


def test_equal_gains_go_to_the_cheaper_then_to_fewer_parameters():
    assert decide(0.5, 100, [Scored("a", 0.7, 400), Scored("b", 0.6, 200)]).winner == 1
    assert decide(0.5, 100, [Scored("a", 0.6, 200, 9), Scored("b", 0.6, 200, 5)]).winner == 1


def test_verdict_from_the_same_videos():
    right = [True] * 100
    some = [True] * 90 + [False] * 10
    assert decide(0.5, 1, [Scored("a", 1.0, 2, 0, tuple(right)), Scored("b", 0.9, 2, 0, tuple(some))]).verdict == CLEAR_ON_VIDEOS
    few = [True] * 98 + [False] * 2
    assert decide(0.5, 1, [Scored("a", 1.0, 2, 0, tuple(right)), Scored("b", 0.98, 2, 0, tuple(few))]).verdict == "within noise"
    assert decide(0.5, 1, [Scored("a", 1.0, 2)]).verdict == "unopposed"


def test_refusals():
    with pytest.raises(InputError, match="no completed candidate"):
        decide(0.5, 100, [])
    with pytest.raises(InputError, match="not more than its parent's"):
        marginal_gain(0.5, 100, 0.4, 100)
    with pytest.raises(ValueError, match="3 and 2 videos"):
        mcnemar([True] * 3, [True] * 2)


def test_mcnemar_is_the_exact_binomial():
    first, second = [True] * 9 + [False] * 1, [False] * 9 + [True] * 1
    assert mcnemar(first, second) == pytest.approx(2 * (math.comb(10, 0) + math.comb(10, 1)) / 2**10)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=3000))
def test_mcnemar_is_a_symmetric_probability(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    assert 0 <= mcnemar(first, second) <= 1
    assert mcnemar(first, second) == mcnemar(second, first)


def test_every_loser_is_compared_and_one_within_noise_makes_the_step_so():
    def scored(axis, right):
        return Scored(axis, right / 100, 2, 0, tuple(index < right for index in range(100)))

    decision = decide(0.1, 1, [scored("a", 60), scored("b", 90), scored("c", 88), scored("d", 70)])
    assert [(c.loser, c.verdict) for c in decision.against] == [(2, "within noise"), (3, CLEAR_ON_VIDEOS), (0, CLEAR_ON_VIDEOS)]
    assert [c.p_value for c in decision.against] == pytest.approx([0.5, 2 * 2**-20, 2 * 2**-30])
    assert decision.verdict == "within noise" and decision.p_value == decision.against[0].p_value
    assert decide(0.1, 1, [scored("a", 60), scored("b", 90)]).verdict == CLEAR_ON_VIDEOS


def test_a_winner_by_cost_is_never_called_clear():
    first, second = tuple(index < 60 for index in range(100)), tuple(index < 75 for index in range(100))
    decision = decide(0.5, 1, [Scored("cheap", 0.6, 1.2, 0, first), Scored("dear", 0.75, 4, 0, second)])
    assert decision.winner == 0 and decision.margin < 0 and decision.p_value < 1e-3 and decision.verdict == "within noise"


@pytest.mark.parametrize("right, videos, expected", [  # Newcombe 1998 (Statistics in Medicine 17, 857), Table I, method 3
    (81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718)),
])
def test_wilson_interval(right, videos, expected):
    assert wilson(right, videos) == pytest.approx(expected, abs=5e-5)
    mirrored = wilson(videos - right, videos)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx(wilson(right, videos))
