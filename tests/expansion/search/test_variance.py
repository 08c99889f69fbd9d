"""The variance between trainings: measured from few repeats, carried from step to step, and in the test of a difference."""

import json

import numpy as np
import pytest

from expansion.search.repeats import RepeatSettings, Runs, judge
from expansion.search.selection import CLEAR, CLEAR_ON_VIDEOS
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.variance import CLEAR_LEVEL, TrainingVariance, p_value, pooled
from expansion.tasks.single_label import mcnemar


def trained(rng, videos: int, accuracy: float, sigma: float, trainings: int) -> np.ndarray:
    """What trainings of a network get right, (trainings, videos): each at an accuracy of its own."""
    reached = accuracy + sigma * rng.standard_normal((trainings, 1))
    return rng.random((trainings, videos)) < reached


def test_it_is_the_mean_square_within_networks():
    first = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]])
    second = np.array([[1, 0, 0, 0], [0, 0, 0, 0]])
    found = pooled([first, second, [[1, 1, 1, 1]]])
    assert found.degrees == 4
    assert found.accuracy == pytest.approx((3 * np.var([0.5, 0.75, 1, 1], ddof=1) + np.var([0.25, 0.0], ddof=1)) / 4)
    assert found.video == pytest.approx((3 * first.var(axis=0, ddof=1).mean() + 0.5 / 4) / 4)
    assert pooled([first]) is None and pooled([[[1, 0]], [[0, 0]]]) is None  # three degrees of freedom, and none


def test_it_finds_the_spread_of_trainings():
    rng, videos, sigma = np.random.default_rng(0), 100, 0.05
    found = pooled([trained(rng, videos, 0.5, sigma, 2) for _ in range(500)])
    assert found.accuracy == pytest.approx(sigma**2 + 0.25 / videos, rel=0.15)
    assert found.video == pytest.approx(0.25, rel=0.05)


def test_what_it_counts_once():
    """Two networks whose trainings alone differ: the variance of their difference is that of the trainings, not twice it."""
    rng, videos = np.random.default_rng(1), 2000
    one, other = (trained(rng, videos, 0.5, 0.0, 1)[0].astype(float) for _ in range(2))
    apart = one - other + 0.05
    of_trainings = TrainingVariance(0.25 / videos, 0.25, 10**6)
    alone = p_value(apart, 2.0, 0.0)
    assert p_value(apart, 2.0, of_trainings) == pytest.approx(alone, rel=0.15)
    few = TrainingVariance(of_trainings.accuracy, of_trainings.video, 2)
    assert p_value(apart, 2.0, few) > 5 * alone  # little is known of it


def test_equal_networks_are_seldom_told_apart():
    """200 videos, trainings that spread by 5 points, known from 4 degrees of freedom: McNemar's test takes the luck of a
    training for a better network."""
    rng, tries, ours, mcnemars = np.random.default_rng(2), 400, 0, 0
    for _ in range(tries):
        before = [trained(rng, 200, 0.5, 0.05, 2) for _ in range(4)]
        one, other = (trained(rng, 200, 0.5, 0.05, 1)[0] for _ in range(2))
        ours += p_value(one.astype(float) - other, 2.0, pooled(before)) < 0.05
        mcnemars += mcnemar(one, other) < 0.05
    assert ours / tries < 0.07 and mcnemars / tries > 0.15


def test_until_it_is_known_the_leader_and_the_second_are_trained_again():
    """The leader is clear on the videos; a second training shows what that was worth."""
    def runs(*counts: int) -> Runs:
        return Runs("", 200, 1, [[video < count for video in range(100)] for count in counts])

    settings = RepeatSettings(extra=6)
    first = judge(0.2, 100, [runs(30), runs(80), runs(50)], settings)
    assert first.winner is None and first.more == (1, 2) and first.p_values[2] < CLEAR_LEVEL and not first.knows_trainings
    assert judge(0.2, 100, [runs(30), runs(80, 79), runs(50, 51)], settings).more == (1, 2)
    assert judge(0.2, 100, [runs(30), runs(80, 79, 80), runs(50, 51, 50)], settings).reason == "clear"
    shaky = judge(0.2, 100, [runs(30), runs(80, 45, 60), runs(50, 60, 40)], settings)
    assert shaky.winner is None and 0 in shaky.more and shaky.knows_trainings
    spent = judge(0.2, 100, [runs(30), runs(80, 45, 60), runs(50, 60, 40)], RepeatSettings(extra=4))
    assert (spent.winner, spent.reason) == (1, "tie-break") and min(spent.p_values) > CLEAR_LEVEL
    # What earlier steps have shown is enough.
    before = [runs(60, 61, 60, 61, 60).evidence]
    assert judge(0.2, 100, [runs(30), runs(80), runs(50)], settings, before).reason == "clear"
    assert judge(0.2, 100, [runs(30), runs(80), runs(50)], RepeatSettings(extra=1)).more == (1,)


def fed(search: SearchState, count_of) -> SearchState:
    """Feeds a search with how many of 100 videos each training gets right, by step, axis and repeat."""
    while startable := search.start_all():
        for step, training in startable:
            count = count_of(step.number, training.axis, training.repeat)
            search.completed(training.trial_id, count / 100, {}, tuple(video < count for video in range(100)))
    return search


def counts(step: int, axis: str, repeat: int) -> int:
    """Fast is the best in each step; its trainings differ by a video."""
    return 10 + 20 * step + (18 + repeat if axis == "fast" else 0)


def test_a_search_carries_it_from_step_to_step():
    search = fed(SearchState(SearchSettings(steps=3, repeats=RepeatSettings(extra=4))), counts)
    repeats = [sum(len(c.repeats) for c in step.candidates) for step in search.steps]
    assert repeats == [0, 4, 0, 0]  # the first step measures it
    assert [step.decision.verdict for step in search.steps[1:]] == [CLEAR] * 3
    assert search.steps[2].decision.over_parent.verdict == CLEAR
    assert SearchState.from_dict(json.loads(json.dumps(search.as_dict()))).as_dict() == search.as_dict()


def test_without_repeats_a_step_is_clear_on_these_videos_alone():
    search = fed(SearchState(SearchSettings(steps=1)), counts)
    decision = search.steps[1].decision
    assert (decision.verdict, decision.over_parent.verdict) == (CLEAR_ON_VIDEOS, CLEAR_ON_VIDEOS)
    # Three repeats are too few to know more.
    search = fed(SearchState(SearchSettings(steps=1, repeats=RepeatSettings(extra=3))), counts)
    assert search.steps[1].decision.verdict == CLEAR_ON_VIDEOS
