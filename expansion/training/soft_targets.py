"""Losses and metrics of labels that are shares of classes, as mixed clips have, and of classes that weigh differently."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from expansion.data.dataset import VideoDataset
from expansion.network.layers import register
from expansion.recipe import Recipe


@register
class SoftCrossEntropy(keras.losses.Loss):
    """Cross-entropy from logits (batch, classes) and labels: numbers (batch,), or shares (batch, classes).

    Args:
        classes: their number.
        smoothing: share of a label that is spread over all classes.
        weights: of the classes, by which their part of a label counts; none for 1.
    """

    def __init__(self, classes: int, smoothing: float = 0.0, weights: Sequence[float] = (), name="soft_cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes, self.smoothing, self.weights = classes, smoothing, tuple(weights)

    def call(self, labels, logits):
        if labels.shape.rank == 1 or labels.shape[-1] == 1:  # numbers; Keras makes them float32
            labels = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), self.classes)
        target = labels * (1 - self.smoothing) + self.smoothing / self.classes
        loss = tf.nn.softmax_cross_entropy_with_logits(target, logits)
        if self.weights:
            loss = loss * tf.linalg.matvec(labels, tf.constant(self.weights, tf.float32))
        return loss

    def get_config(self):
        return super().get_config() | {"classes": self.classes, "smoothing": self.smoothing, "weights": list(self.weights)}


def soft_loss(recipe: Recipe, classes: int, weights: Sequence[float] = ()) -> keras.losses.Loss:
    """The loss of a recipe that mixes clips or weighs classes."""
    return SoftCrossEntropy(classes, recipe.label_smoothing, weights)


def soft_accuracy() -> keras.metrics.Metric:
    """Share of the clips whose largest share is of the class that is most probable."""
    return keras.metrics.CategoricalAccuracy(name="accuracy")


def balanced(data: VideoDataset) -> tuple[float, ...]:
    """Weights of the classes by which each counts the same: videos / (classes * videos of the class); 0 where it has none.

    Their mean over the training videos is 1, so the rate keeps its meaning.
    """
    counts = data.manifest.splits["train"].per_class
    seen = sum(count > 0 for count in counts.values())
    return tuple(data.videos("train") / (seen * counts[name]) if counts[name] else 0.0 for name in data.classes)


def class_weights(recipe: Recipe, data: VideoDataset) -> tuple[float, ...]:
    """What a recipe weighs the classes of a data set with; nothing where it weighs them alike."""
    return balanced(data) if recipe.class_weights else ()
