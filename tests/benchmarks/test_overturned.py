"""The simulation of overturned steps: it counts what it says, and its figures on recorded trainings stand."""

import pytest

from benchmarks.overturned import CANDIDATES, RULES, STEPS, pairs, recordings, simulate


def test_recorded_trainings():
    """docs/explanation/noise.md: steps of five seeds, clear by the videos alone, and what the other seeds take."""
    steps = recordings()
    scratch, warm = (pairs(steps[f"demo, reduced, {begun}"]) for begun in ("from scratch", "warm start"))
    assert (scratch.clear, scratch.overturned, scratch.steps) == (16, 10, 20)
    assert (warm.clear, warm.overturned, warm.steps) == (8, 4, 20)


def test_candidates_far_apart_are_clear_and_stay_so():
    found = simulate(RULES[1], 2_000, 0.001, 0.3, 5)
    assert found.steps == 5 * STEPS and found.clear > 0.5 * found.steps and found.overturned == found.wrong == 0
    assert CANDIDATES * found.steps <= found.trainings <= (CANDIDATES + 4) * found.steps


@pytest.mark.slow
def test_with_the_variance_between_trainings_fewer_are_overturned():
    """76 videos, trainings that spread by 7 points, candidates by 10."""
    today, repeats = (simulate(rule, 76, 0.07, 0.1, 40) for rule in (RULES[0], RULES[2]))
    assert today.clear and today.overturned > 0.25 * today.clear
    assert repeats.clear and repeats.overturned / repeats.clear < 0.7 * today.overturned / today.clear
