"""The head, fully convolutional: at a crop above the training crop it classifies every position and takes the mean."""

from __future__ import annotations

import keras
import tensorflow as tf

from expansion.network.layers import BatchNorm, ClipPool, FramePool, msra, register
from expansion.spec import HEAD_CHANNELS, Spec
from expansion.tasks.task import Task


@register
class PlacePool(keras.layers.Layer):
    """Mean over frames and a square window: (frames * batch, height, width, channels) to (batch, rows, columns, same).

    Args:
        frames: frames folded into the batch axis.
        window: pixels of the window's side; it moves by one pixel, without padding.
    """

    def __init__(self, frames, window, **kwargs):
        super().__init__(**kwargs)
        self.frames, self.window = frames, window

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        if self.frames > 1:
            inputs = tf.reduce_mean(tf.reshape(inputs, (self.frames, -1, height, width, channels)), axis=0)
        return tf.nn.avg_pool2d(inputs, self.window, 1, "VALID")

    def compute_output_shape(self, shape):
        return (None, *(side - self.window + 1 for side in shape[1:3]), shape[3])

    def get_config(self):
        return super().get_config() | {"frames": self.frames, "window": self.window}


@register
class FramePlacePool(PlacePool):
    """Mean over a square window, frames kept: (frames * batch, h, w, channels) to (batch, rows, columns, frames, channels)."""

    def call(self, inputs):
        pooled = tf.nn.avg_pool2d(inputs, self.window, 1, "VALID")
        return tf.transpose(tf.reshape(pooled, (self.frames, -1, *pooled.shape[1:])), (1, 2, 3, 0, 4))

    def compute_output_shape(self, shape):
        rows, columns = (side - self.window + 1 for side in shape[1:3])
        return (None, rows, columns, self.frames, shape[3])


@register
class MeanSigmoid(keras.layers.Layer):
    """Logits of positions, (batch, rows, columns, ..., classes), to the logit of their mean sigmoid, (batch, ..., classes)."""

    def call(self, inputs):
        shares = (tf.reduce_logsumexp(tf.math.log_sigmoid(sign * inputs), axis=(1, 2)) for sign in (1.0, -1.0))
        return next(shares) - next(shares)

    def compute_output_shape(self, shape):
        return (shape[0], *shape[3:])


@register
class MeanSoftmax(keras.layers.Layer):
    """Logits of positions, (batch, rows, columns, classes), to the logarithm of their mean softmax, (batch, classes)."""

    def call(self, inputs):
        positions = inputs.shape[1] * inputs.shape[2]
        shares = tf.nn.log_softmax(tf.reshape(inputs, (-1, positions, inputs.shape[3])))
        return tf.reduce_logsumexp(shares, axis=1) - tf.math.log(float(positions))

    def compute_output_shape(self, shape):
        return (shape[0], shape[3])


# By Task.answers: the pool where the features have one position, and where they have several.
POOLS = {"clip": (ClipPool, PlacePool), "frames": (FramePool, FramePlacePool)}
MEANS = {"softmax": (MeanSoftmax, "mean_softmax"), "sigmoid": (MeanSigmoid, "mean_sigmoid")}  # by Task.activation
ACTIVATIONS = {"softmax": tf.nn.softmax, "sigmoid": tf.sigmoid}


def head(tensor, spec: Spec, classes: int, dropout: float, task: Task):
    """Convolution, pool and two linear layers: the features of a folded clip to logits.

    They are (batch, classes), or where the task answers for frames (batch, frames, classes): X3D has no stride in time, so
    the same layers, with the same weights, see each frame on its own where the pool does not take the mean over them.

    The pool's window is what the network has left of the training crop, ceil(size / 32) pixels. Features no larger than
    it have one position. The layer named "logits" gives the logits of the positions.
    """
    # Keras' own layer: a .keras file names what stands outside the blocks by its class.
    tensor = keras.layers.Conv2D(spec.head_inner, 1, use_bias=False, kernel_initializer=msra(), name="head_conv")(tensor)
    tensor = BatchNorm(name="head_bn")(tensor)
    tensor = keras.layers.Activation("relu", name="head_relu")(tensor)
    window = spec.feature_size
    many = tensor.shape[1] > window
    one, several = POOLS[task.answers]
    pool = several(spec.frames, window, name="head_pool") if many else one(spec.frames, name="head_pool")
    tensor = keras.layers.Dense(
        HEAD_CHANNELS, "relu", use_bias=False, kernel_initializer=msra(), name="head_linear")(pool(tensor))
    if dropout:
        tensor = keras.layers.Dropout(dropout, name="head_dropout")(tensor)
    small = keras.initializers.RandomNormal(stddev=0.01)
    logits = keras.layers.Dense(classes, dtype="float32", kernel_initializer=small, name="logits")(tensor)
    mean, name = MEANS[task.activation]
    return mean(dtype="float32", name=name)(logits) if many else logits
