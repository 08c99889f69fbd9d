"""Options of training on few videos: soft labels, weights of classes, averaged weights; each against what it is defined by."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.network.layers import BatchNorm
from expansion.recipe import Augmentation, ClipSettings, Recipe
from expansion.recipe.schedule import Schedule
from expansion.search.training_cost import full_epochs
from expansion.spec import Spec
from expansion.training.fit import new_model, train
from expansion.training.optimizer import optimizer
from expansion.training.soft_targets import SoftCrossEntropy, balanced
from tests.expansion.colours import write_colours

SPEC = Spec(frames=2, stride=2, size=24, width=0.34, depth=0.2)
RECIPE = Recipe(epochs=2, batch=16, rate=0.05, rate_batch=16, warmup_epochs=0, dropout=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_numbers_and_whole_shares_have_keras_own_loss(smoothing):
    logits = tf.constant(np.random.default_rng(0).normal(0, 2, (3, 3)), tf.float32)  # as many clips as classes
    labels = np.array([0, 2, 1])
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)(np.eye(3)[labels], logits)
    loss = SoftCrossEntropy(3, smoothing)
    for given in (tf.constant(labels), tf.constant(np.eye(3)[labels], tf.float32)):
        assert float(loss(given, logits)) == pytest.approx(float(expected), rel=1e-5)


def test_classes_weigh_as_told_also_in_a_mixture():
    logits, weights = tf.constant([[1.0, 0.0], [0.5, 2.0]]), (0.5, 3.0)
    each = SoftCrossEntropy(2, reduction=None)
    weighed = SoftCrossEntropy(2, weights=weights, reduction=None)
    np.testing.assert_allclose(weighed(tf.constant([0, 1]), logits), [0.5, 3.0] * each(tf.constant([0, 1]), logits).numpy(),
                               rtol=1e-6)
    half = tf.constant([[0.5, 0.5]] * 2)
    np.testing.assert_allclose(weighed(half, logits), 1.75 * each(half, logits).numpy(), rtol=1e-6)


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    return write_colours(str(tmp_path_factory.mktemp("colours") / "records"), train=32)


def test_balanced_weights_count_classes_alike(colours):
    assert balanced(colours) == (1.0,) * 4
    counts = dict(zip(colours.classes, (20, 8, 4, 0)))
    splits = {**colours.manifest.splits}
    splits["train"] = splits["train"].model_copy(update={"per_class": counts})
    uneven = type(colours)(colours.path, colours.manifest.model_copy(update={"splits": splits}))
    weights = balanced(uneven)
    assert weights[3] == 0 and [w * n for w, n in zip(weights, counts.values())][:3] == pytest.approx([32 / 3] * 3)


@pytest.mark.parametrize("settings, message", [
    ({"clips_per_video": 3, "batch": 16}, "clips_per_video is 3: a batch of 16 is no multiple of it"),
    ({"clips_per_video": 2, "multigrid": True}, "clips_per_video is 2: it does not go with multigrid"),
    ({"augment": {"mixup": -1}}, "augment.mixup is -1"), ({"augment": {"blur": 1}}, "unknown key 'augment.blur'"),
    ({"ema": 1}, "ema is 1"), ({"freeze": "stage7"}, "freeze is 'stage7': input should be False, 'stem', 'stage2'"),
    ({"freeze": "stem", "bn_clips": 8}, "freeze is 'stem': it does not go with bn_clips"),
    ({"stage_rates": {"stage9": 1}}, "stage_rates.stage9.* is 'stage9': input should be 'backbone', 'stem'"),
])
def test_what_is_not_allowed_is_one_line(settings, message):
    with pytest.raises(InputError, match=f"recipe: {message}") as error:
        parse_settings(Recipe, settings, "recipe")
    assert "\n" not in str(error.value)


def test_more_clips_of_a_video_are_longer_epochs():
    recipe = Recipe(epochs=3, batch=16, clips_per_video=4)
    assert recipe.steps(100) == (25, 75) and full_epochs(SPEC, recipe, 100) == 12
    assert Schedule(SPEC, recipe.model_copy(update={"decays": (0.5,)}), 100).steps == 75


def test_a_stage_has_its_multiple_of_the_rate():
    """One step from zero moves each weight by its rate times the gradient."""
    recipe = Recipe(epochs=1, batch=16, rate=0.1, rate_batch=16, warmup_epochs=0, momentum=0, weight_decay=0,
                    stage_rates={"backbone": 0.5, "head": 0.25})
    layers = [keras.layers.Dense(1, use_bias=False, name=name) for name in ("stem_space", "head_linear", "logits")]
    for layer in layers:
        layer.build((None, 1))
        layer.kernel.assign([[0.0]])
    kernels = [layer.kernel for layer in layers]
    sgd = optimizer(recipe, 16)
    sgd.build(kernels)
    rate = float(sgd.learning_rate)
    sgd.apply_gradients([(tf.ones((1, 1)), kernel) for kernel in kernels])
    assert [-float(kernel.numpy()[0, 0]) / rate for kernel in kernels] == pytest.approx([0.5, 0.25, 1.0])


@pytest.mark.slow
def test_the_trained_network_has_the_averaged_weights_and_their_statistics(colours, monkeypatch):
    """Also with soft labels and weights of classes, in Keras' fit."""
    recipe, seen = Recipe(**RECIPE.model_dump() | {"ema": 0.8, "augment": {"cutmix": 1.0}, "class_weights": True}), []

    class Record(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(self.model.get_layer("stem_space").get_weights()[0])

    model = new_model(SPEC, colours, recipe)
    train(model, colours, recipe, ClipSettings(), callbacks=[Record()])
    average = seen[0]
    for weights in seen[1:]:
        average = 0.8 * average + 0.2 * weights
    np.testing.assert_allclose(model.get_layer("stem_space").get_weights()[0], average, rtol=1e-4, atol=1e-6)
    assert recipe.precise_batches == 200
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm)]
    assert norms and all(np.isfinite(norm.moving_variance.numpy()).all() for norm in norms)


@pytest.mark.slow
def test_everything_together_resumes_to_the_bit(colours, tmp_path):
    """Where a schedule has the steps; the clips do not know who takes them."""
    recipe = Recipe(**RECIPE.model_dump() | {
        "augment": Augmentation(colour=0.2, erasing=0.2, mixup=0.2), "clips_per_video": 2, "ema": 0.5,
        "class_weights": True, "label_smoothing": 0.1, "decays": (0.5,)})
    whole = new_model(SPEC, colours, recipe)
    history = train(whole, colours, recipe, ClipSettings())
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all() and 0 <= history["accuracy"][-1] <= 1
    first = new_model(SPEC, colours, recipe)
    train(first, colours, recipe, ClipSettings(), checkpoint=str(tmp_path / "c"), until=1)
    second = new_model(SPEC, colours, recipe)
    train(second, colours, recipe, ClipSettings(), checkpoint=str(tmp_path / "c"))
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), second.get_weights(), strict=True))
