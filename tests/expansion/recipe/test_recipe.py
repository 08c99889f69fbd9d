"""Recipe, schedule and optimiser: the paper's numbers, and what weight decay leaves alone."""

import math

import keras
import numpy as np
import pytest

from expansion.network.layers import BatchNorm
from expansion.recipe import Recipe
from expansion.training.optimizer import L2SGD, HalfCosine, optimizer


def test_the_rate_scales_with_the_batch():
    assert Recipe(batch=1024).scaled_rate == 1.6
    assert Recipe(batch=64).scaled_rate == pytest.approx(0.1)


def test_half_cosine_with_linear_warm_up():
    schedule = HalfCosine(1.6, 100, 10)
    at = [float(schedule(step)) for step in range(101)]
    assert at[0] == pytest.approx(0.016)
    assert np.allclose(np.diff(at[:11]), at[1] - at[0], atol=1e-6)
    for step in (10, 50, 99):
        assert at[step] == pytest.approx(0.8 * (1 + math.cos(math.pi * step / 100)), abs=1e-5)
    assert at[100] == pytest.approx(0, abs=1e-6)


def test_steps_of_a_search_change_the_recipe_from_there_on():
    recipe = Recipe(batch=2048, epochs=128, by_step={8: {"batch": 1024}, 11: {"drop_connect": 0.1}, 13: {"drop_connect": 0.2}})
    assert [recipe.at(step).batch for step in (0, 7, 8, 13)] == [2048, 2048, 1024, 1024]
    assert [recipe.at(step).drop_connect for step in (10, 11, 12, 13)] == [0.0, 0.1, 0.1, 0.2]
    assert recipe.final(8, {"epochs": 256}).epochs == 256 and recipe.final(8, {}).batch == 1024


def test_an_impossible_change_is_found_when_the_recipe_is_read():
    with pytest.raises(ValueError, match="batch"):
        Recipe(by_step={8: {"batch": 0}})
    with pytest.raises(ValueError, match="bacth"):
        Recipe(by_step={8: {"bacth": 8}})


def test_half_epochs_round_the_steps_up():
    assert Recipe(epochs=1.5, batch=32).steps(100) == (4, 6)
    assert Recipe(epochs=0.1, batch=32).steps(5) == (1, 1)


def test_weight_decay_joins_the_gradient_but_not_for_batch_norm():
    """One step from zero gradient: w - rate * l2 * w * (1 + momentum), Nesterov's first step; BN does not move."""
    dense, norm = keras.layers.Dense(2, use_bias=False), BatchNorm()
    dense.build((None, 3))
    norm.build((None, 2))
    variables = [dense.kernel, norm.gamma]
    before = [np.array(v) for v in variables]
    sgd = L2SGD(0.1, momentum=0.9, nesterov=True, l2=0.01)
    sgd.build(variables)
    sgd.apply([np.zeros_like(b) for b in before], variables)
    np.testing.assert_allclose(dense.kernel, before[0] * (1 - 0.1 * 0.01 * 1.9), rtol=1e-6)
    np.testing.assert_array_equal(norm.gamma, before[1])


def test_the_optimiser_follows_the_recipe():
    sgd = optimizer(Recipe(batch=64, epochs=10, warmup_epochs=2), 640)
    assert sgd.nesterov and sgd.momentum == pytest.approx(0.9) and sgd.l2 == pytest.approx(5e-5)
    assert sgd._learning_rate.get_config() == {"rate": pytest.approx(0.1), "total_steps": 100, "warmup_steps": 20}


def test_one_operation_a_variable_is_what_keras_composes():
    def steps(make):
        variable, found = keras.Variable([[1.0, -2.0], [0.5, 3.0]]), []
        sgd = make(HalfCosine(0.1, 10, 2), momentum=0.9, nesterov=True)
        for step in range(4):
            sgd.apply([keras.ops.sin(variable * (step + 1.0))], [variable])
            found.append(keras.ops.convert_to_numpy(variable))
        return found

    np.testing.assert_allclose(steps(L2SGD), steps(keras.optimizers.SGD), rtol=1e-6)
