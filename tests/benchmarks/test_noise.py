"""The simulation of noise: its model is what it says, and its table stands."""

import numpy as np
import pytest

from benchmarks.noise import STRATEGIES, Strategy, Validation, World, share_differing, simulate
from expansion.search.repeats import RepeatSettings


@pytest.mark.slow
def test_without_noise_to_speak_of_the_path_is_the_papers():
    found = simulate(World(200_000, same=0.9999, other=0.9998, sigma=0.0), STRATEGIES[0], 1)
    assert set(found.found.values()) == {1.0} and found.right == 1.0 and found.loss == 0.0
    assert found.trainings == pytest.approx(64 / 11)  # 66 candidates, less two where fast and temporal are one


def test_networks_reach_their_accuracy_and_err_on_the_same_videos():
    validation = Validation(World(100_000, same=0.8, other=0.7, sigma=0.0), np.random.default_rng(1))
    first, second = validation.network(0.7), validation.network(0.7)
    assert first().mean() == pytest.approx(0.7, abs=0.005)
    differ = [np.mean(a() != b()) for a, b in ((first, first), (first, second))]
    assert differ == pytest.approx([0.178, 0.220], abs=0.006)
    assert share_differing(World(100_000), 1) == pytest.approx(differ[0], abs=0.006)


def test_trainings_spread_by_sigma():
    validation = Validation(World(2_000, same=1.0, other=1.0, sigma=0.05), np.random.default_rng(1))
    network = validation.network(0.7)
    assert np.std([network().mean() for _ in range(300)]) == pytest.approx(0.05, rel=0.15)


@pytest.mark.slow
def test_adaptive_seeds_find_the_path_oftener_with_no_more_trainings():
    """docs/explanation/noise.md: 2,000 videos, one seed, three of every candidate, and adaptive seeds of the same budget."""
    one, three, adaptive = (simulate(World(2_000), strategy, 40) for strategy in STRATEGIES[:3])
    assert one.trainings < adaptive.trainings <= three.trainings + 0.5
    assert one.right + 0.05 < three.right and one.right + 0.1 < adaptive.right
    assert adaptive.loss < 0.8 * one.loss


def test_the_budget_holds():
    found = simulate(World(200), Strategy("", settings=RepeatSettings(extra=3)), 5)
    assert found.trainings <= 65 / 11 + 3
