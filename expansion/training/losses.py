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


@register
class FramesAndMaximum(keras.losses.Loss):
    """Of localization, from logits and labels (batch, frames, classes): binary cross-entropy of each frame, and of the clip.

    The clip's logit is the largest over time, its label what holds at some frame. The loss is the mean of both.
    """

    def __init__(self, smoothing: float = 0.0, name="frames_and_maximum", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, labels, logits):
        def entropy(truth, answer):
            target = truth * (1 - self.smoothing) + self.smoothing / 2
            return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, answer), axis=-1)

        of_frames = tf.reduce_mean(entropy(labels, logits), axis=1)
        return (of_frames + entropy(tf.reduce_max(labels, axis=1), tf.reduce_max(logits, axis=1))) / 2

    def get_config(self):
        return super().get_config() | {"smoothing": self.smoothing}


def make_loss(name: str, recipe: Recipe, classes: int) -> keras.losses.Loss:
    """The loss of a task, by its name there.

    Raises:
        KeyError: there is no loss of that name.
    """
    return _LOSSES[name](recipe, classes)


def cross_entropy(recipe: Recipe, classes: int) -> keras.losses.Loss:
    """Of one label per video, from logits; smoothed as the recipe says."""
    if recipe.label_smoothing:
        return SmoothedCrossEntropy(classes, recipe.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def binary_cross_entropy(recipe: Recipe, classes: int) -> keras.losses.Loss:
    """Of several labels per video, from logits: the mean over the classes; smoothed towards a half as the recipe says."""
    return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)


def frames_and_maximum(recipe: Recipe, classes: int) -> keras.losses.Loss:
    """Of localization, from logits of frames."""
    return FramesAndMaximum(recipe.label_smoothing)


_LOSSES = {"cross-entropy": cross_entropy, "binary-cross-entropy": binary_cross_entropy, "frames-and-maximum": frames_and_maximum}


@register
class LabelOnTop(keras.metrics.MeanMetricWrapper):
    """Share of the clips, or of their frames, whose most probable class is among their labels, by labels of 0 or 1 a class."""

    def __init__(self, name="accuracy", dtype=None):
        super().__init__(label_on_top, name=name, dtype=dtype)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype}


def label_on_top(labels, logits):
    """Of each clip or frame, 1 where its most probable class is among its labels, else 0."""
    return tf.gather(labels, tf.argmax(logits, axis=-1), axis=-1, batch_dims=len(logits.shape) - 1)


def _same_class(labels, logits):
    numbers = labels if labels.shape.rank == 1 else tf.argmax(labels, axis=1, output_type=tf.int32)  # shares, of mixed clips
    return tf.cast(tf.equal(tf.argmax(logits, axis=1, output_type=numbers.dtype), numbers), tf.float32)


def _mean_over_frames(labels, logits):
    return tf.reduce_mean(label_on_top(labels, logits), axis=1)


# Which clips of a batch are right in training, (batch,), by Task.labels.
RIGHT_CLIPS = {"class": _same_class, "clip": label_on_top, "frames": _mean_over_frames}


def training_accuracy(labels: str) -> keras.metrics.Metric:
    """The metric "accuracy" of training clips, by Task.labels."""
    return {"class": keras.metrics.SparseCategoricalAccuracy, "clip": LabelOnTop, "frames": LabelOnTop}[labels](name="accuracy")
