"""Precise batch norm against statistics that are computed directly, over all batches at once."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.network.model import build_model
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.training.fit import new_model, train
from expansion.training.precise_bn import recompute_statistics

SPEC = Spec(frames=2, stride=4, size=24, width=0.34, depth=0.2)


@pytest.mark.slow
def test_statistics_are_those_of_all_batches_together():
    keras.utils.set_random_seed(1)
    model = build_model(SPEC, 4, dropout=0.3)
    clips = np.random.default_rng(0).integers(0, 255, (12, 2, 24, 24, 3)).astype(np.uint8)
    clips[:4] //= 3  # batches that differ in mean and spread
    before = {variable.path: variable.numpy() for variable in model.trainable_variables}
    recompute_statistics(model, tf.data.Dataset.from_tensor_slices((clips, np.zeros(12))).batch(4))

    inputs = model.get_layer("stem_bn").input  # before it, batches have no effect on each other
    seen = keras.Model(model.inputs, inputs)([clips]).numpy().reshape(-1, inputs.shape[-1]).astype(np.float64)
    norm = model.get_layer("stem_bn")
    np.testing.assert_allclose(norm.moving_mean.numpy(), seen.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance.numpy(), seen.var(0), rtol=2e-3)  # n - 1 of 1152
    assert all(np.array_equal(before[variable.path], variable.numpy()) for variable in model.trainable_variables)
    assert norm.momentum == 0.9


@pytest.mark.slow
def test_one_batch_gives_its_own_statistics_in_every_layer():
    keras.utils.set_random_seed(1)
    model = build_model(Spec(frames=2, stride=4, size=64, width=0.34, depth=0.2), 4, dropout=0.0)
    clips = np.random.default_rng(0).integers(0, 255, (8, 2, 64, 64, 3)).astype(np.uint8)

    def gap():
        """How far evaluation is from what training gives for this very batch, as a share of the largest logit."""
        evaluated, trained = model(clips, training=False), model(clips, training=True)
        return np.abs(evaluated - trained).max() / np.abs(trained).max()

    assert gap() > 0.5
    recompute_statistics(model, tf.data.Dataset.from_tensors((clips, np.zeros(8))))
    assert gap() < 0.05  # the last layers' variance is of 64 values, and unbiased


@pytest.fixture(scope="module")
def recipe():
    return Recipe(epochs=1, batch=16, rate=0.05, rate_batch=16, warmup_epochs=0, dropout=0.1)


@pytest.mark.slow
def test_the_recipe_asks_for_it(demo_records, recipe, tmp_path):
    weights = {}
    for precise in (0, 2):
        model = new_model(SPEC, demo_records, recipe)
        options = {"checkpoint": str(tmp_path)} if precise else {}
        train(model, demo_records, recipe.model_copy(update={"precise_bn": precise}), ClipSettings(views=2), **options)
        weights[precise] = {variable.path: variable.numpy() for variable in model.weights}
    for path, value in weights[0].items():
        assert np.array_equal(value, weights[2][path]) != ("moving" in path), path
    # Restored, it is not done again.
    restored = new_model(SPEC, demo_records, recipe)
    train(restored, demo_records, recipe.model_copy(update={"precise_bn": 2}), ClipSettings(views=2), checkpoint=str(tmp_path))
    assert all(np.array_equal(variable.numpy(), weights[2][variable.path]) for variable in restored.weights)
