"""The replays of benchmarks/README.md, on what is recorded."""

import pytest

from benchmarks.racing import Candidate, Recorded, demo_steps, replay, small_steps
from expansion.search.racing import RaceSettings

TWO = RaceSettings(on=True, rungs=(0.3, 0.5))


def kept_and_saved(steps, settings) -> tuple[int, float]:
    found = [replay(step, settings) for step in steps]
    return (sum(winner == step.winner for step, (winner, _) in zip(steps, found)),
            1 - sum(spent for _, spent in found) / len(found))


@pytest.mark.parametrize("steps, settings, kept, saved", [
    (demo_steps(), RaceSettings(on=True), 3, 0.35),
    (demo_steps(), TWO, 3, 0.43),
    (demo_steps(), RaceSettings(on=True, rungs=(0.2, 0.3, 0.5)), 1, 0.59),
    (small_steps() + small_steps(warm=True), RaceSettings(on=True), 9, 0.31),
    (small_steps() + small_steps(warm=True), TWO, 7, 0.42),
    (small_steps() + small_steps(warm=True), TWO.model_copy(update={"rule": "bound"}), 9, 0.25),
])
def test_the_tables_of_the_documentation(steps, settings, kept, saved):
    found = kept_and_saved(steps, settings)
    assert found == (kept, pytest.approx(saved, abs=0.005))


def test_a_replay_counts_what_a_race_would_train():
    def candidate(macs, *accuracies):
        return Candidate("", macs, 1, accuracies[-1], (), {number + 1: (share, ()) for number, share in enumerate(accuracies)})

    children = candidate(20, 0.2, 0.3, 0.4, 0.6), candidate(20, 0.5, 0.5, 0.5, 0.5)
    step = Recorded(candidate(10, 0.1, 0.1, 0.2, 0.2), children, 4, 0.01)
    assert step.winner == 0
    winner, spent = replay(step, RaceSettings(on=True, rungs=(0.5,)))
    # Both to the half, one of them on to the end, and two evaluations at the rung.
    assert winner == 1 and spent == pytest.approx((2 * 0.5 + 0.5 + 2 * 0.01) / 2)
