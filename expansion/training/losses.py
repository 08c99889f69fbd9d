"""The losses of tasks, in Keras."""

from __future__ import annotations

import keras
import tensorflow as tf

from expansion.network.layers import register
from expansion.recipe import Recipe


@register
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy from logits (batch, classes) and labels (batch,), with label smoothing."""

    def __init__(self, classes: int, smoothing: float = 0.0, name="cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes, self.smoothing = classes, smoothing

    def call(self, labels, logits):
        target = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), self.classes)
        target = target * (1 - self.smoothing) + self.smoothing / self.classes
        return tf.nn.softmax_cross_entropy_with_logits(target, logits)

    def get_config(self):
        return super().get_config() | {"classes": self.classes, "smoothing": self.smoothing}


def make_loss(name: str, recipe: Recipe, classes: int) -> keras.losses.Loss:
    """The loss of a task, by its name there.

    Raises:
        KeyError: there is no loss of that name.
    """
    return {"cross-entropy": cross_entropy}[name](recipe, classes)


def cross_entropy(recipe: Recipe, classes: int) -> keras.losses.Loss:
    """Of one label per video, from logits; smoothed as the recipe says."""
    if recipe.label_smoothing:
        return SmoothedCrossEntropy(classes, recipe.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
