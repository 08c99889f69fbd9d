"""Layers of the folded network: time lives in the batch axis, frames outermost.

A clip batch (batch, frames, height, width, channels) becomes (frames * batch, height, width, channels). On a CPU this is
the same mathematics as Conv3D at a fraction of its time (Conv3D with groups leaves TensorFlow's own kernels).

A call may say how many `frames` its tensor has folded, where they are not the layer's own, and into how many `splits` its clips
are divided (convolutions.py); that is for training on other shapes with the same weights (network/shapes.py).
"""

from __future__ import annotations

import keras
import tensorflow as tf

from expansion.network.convolutions import (
    channelwise_3d,
    channelwise_time,
    crop_channels,
    pointwise,
    repeat_channels,
)
from expansion.network.fused import normalise
from expansion.network.graph_constants import constant

PACKAGE = "x3d"
PIXEL_MEAN, PIXEL_STD = 0.45 * 255, 0.225 * 255  # the paper's input statistics, in pixel values


def register(cls):
    """Makes a layer loadable from a .keras file in safe mode."""
    return keras.saving.register_keras_serializable(PACKAGE)(cls)


def msra() -> keras.initializers.Initializer:
    """Normal with variance 2 / fan-out, as the paper's authors initialise convolutions."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


@register
class FoldTime(keras.layers.Layer):
    """Pixels 0 to 255, (batch, frames, height, width, 3), to normalised (frames * batch, height, width, 3)."""

    def call(self, clips):
        _, frames, height, width, channels = clips.shape
        pixels = (tf.cast(clips, self.compute_dtype) - PIXEL_MEAN) * (1 / PIXEL_STD)
        if frames > 1:
            pixels = tf.transpose(pixels, (1, 0, 2, 3, 4))
        return tf.reshape(pixels, (-1, height, width, channels))

    def compute_output_shape(self, shape):
        return (None, *shape[2:])


@register
class BatchNorm(keras.layers.Layer):
    """Batch norm of a folded tensor over frames, batch, height and width, by the fused kernel.

    Keras' own layer composes it from moments, which costs about a third of a training step more. Running variance is
    the unbiased one, as in PyTorch. Weights: gamma, beta, moving_mean, moving_variance, each (channels,).

    Of several splits, each has the statistics of its own clips. The running ones are those of PySlowFast's SubBatchNorm3d,
    aggregated after every step: the mean of the splits' means, and the mean of their variances plus the variance of their means.
    """

    def __init__(self, momentum=0.9, epsilon=1e-5, zero=False, **kwargs):
        super().__init__(**kwargs)
        self.momentum, self.epsilon, self.zero = momentum, epsilon, zero

    def build(self, shape):
        channels = (shape[-1],)
        one = dict(dtype="float32", autocast=False)
        self.gamma = self.add_weight(name="gamma", shape=channels, initializer="zeros" if self.zero else "ones", **one)
        self.beta = self.add_weight(name="beta", shape=channels, initializer="zeros", **one)
        self.moving_mean = self._statistic("moving_mean", channels, "zeros")
        self.moving_variance = self._statistic("moving_variance", channels, "ones")

    @staticmethod
    def _statistic(name, shape, initializer):
        # On several devices each keeps that of its own clips, as in the paper; who reads from outside gets the mean.
        return keras.Variable(initializer, shape, "float32", trainable=False, autocast=False, name=name,
                              aggregation="mean", synchronization="on_read")

    def call(self, inputs, training=False, splits=1):
        if training and self.trainable:
            outputs, moments = normalise(
                inputs, repeat_channels(self.gamma.value, splits), repeat_channels(self.beta.value, splits), self.epsilon)
            self.update(moments.mean, moments.variance, splits)
            return outputs
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma.value, offset=self.beta.value, mean=self.moving_mean.value,
            variance=self.moving_variance.value, epsilon=self.epsilon, is_training=False)[0]

    def update(self, mean, variance, splits=1):
        """Moves the running statistics towards those of a batch, (splits * (channels or more),)."""
        if splits > 1:
            means, variance = (tf.reshape(of_splits, constant((splits, -1))) for of_splits in (mean, variance))
            mean = tf.reduce_mean(means, constant((0,)))
            # Running means of the splits would be (1 - momentum) times as far apart as the batch's; the line below has it once.
            apart = constant(1 - self.momentum) * tf.math.reduce_variance(means, 0)
            variance = tf.reduce_mean(variance, constant((0,))) + apart
        for moving, batch in ((self.moving_mean.value, mean), (self.moving_variance.value, variance)):
            moving.assign_sub(constant(1 - self.momentum) * (moving - crop_channels(batch, moving)), read_value=False)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"momentum": self.momentum, "epsilon": self.epsilon, "zero": self.zero}


@register
class Pointwise(keras.layers.Layer):
    """1x1x1 convolution without bias.

    Args:
        channels: of the output.
        stride: in height and width.

    Weights: kernel, (1, 1, inputs, channels), normal with variance 2 / fan-out, as the paper's authors initialise it.
    """

    def __init__(self, channels, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.channels, self.stride = channels, stride

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(1, 1, shape[-1], self.channels), initializer=msra())

    def call(self, inputs, training=False):
        kernel = tf.cast(self.kernel, inputs.dtype)
        if training:
            return pointwise(inputs, kernel, self.stride)
        return tf.nn.conv2d(inputs, kernel, self.stride, "VALID")  # what exporters and the folding of batch norm know

    def compute_output_shape(self, shape):
        height, width = ((side - 1) // self.stride + 1 for side in shape[1:3])
        return (shape[0], height, width, self.channels)

    def get_config(self):
        return super().get_config() | {"channels": self.channels, "stride": self.stride}


@register
class ChannelwiseConv3D(keras.layers.Layer):
    """Channel-wise convolution of a folded clip, without bias, with symmetric padding in time and space.

    Args:
        frames: frames folded into the batch axis.
        kernel_frames: taps in time.
        kernel_size: taps in height and width: 3, or 1 for a convolution in time alone.
        stride: 1 or 2, in height and width.

    Weights: kernel, (kernel_frames, kernel_size, kernel_size, channels, 1), spread as PyTorch counts a fan-out.
    """

    def __init__(self, frames, kernel_frames=3, kernel_size=3, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.frames, self.kernel_frames, self.kernel_size, self.stride = frames, kernel_frames, kernel_size, stride

    def build(self, shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(self.kernel_frames, self.kernel_size, self.kernel_size, shape[-1], 1),
            initializer=keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal"),
        )

    def call(self, inputs, frames=None, splits=1):
        kernel = repeat_channels(tf.cast(self.kernel, inputs.dtype), splits)
        if self.kernel_size == 1:
            return channelwise_time(inputs, kernel, frames or self.frames)
        return channelwise_3d(inputs, kernel, frames or self.frames, self.stride)

    def compute_output_shape(self, shape):
        height, width = ((side - 1) // self.stride + 1 for side in shape[1:3])
        return (shape[0], height, width, shape[3])

    def get_config(self):
        return super().get_config() | {
            "frames": self.frames, "kernel_frames": self.kernel_frames,
            "kernel_size": self.kernel_size, "stride": self.stride,
        }


@register
class ClipPool(keras.layers.Layer):
    """Mean over frames, height and width: (frames * batch, height, width, channels) to (batch, channels)."""

    def __init__(self, frames, **kwargs):
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, inputs, frames=None, splits=1):
        frames, pooled = frames or self.frames, tf.reduce_mean(inputs, axis=(1, 2))
        if frames > 1:
            pooled = tf.reduce_mean(tf.reshape(pooled, (frames, -1, pooled.shape[-1])), axis=0)
        return pooled if splits == 1 else tf.reshape(pooled, (-1, pooled.shape[-1] // splits))

    def compute_output_shape(self, shape):
        return (None, shape[-1])

    def get_config(self):
        return super().get_config() | {"frames": self.frames}


@register
class FramePool(ClipPool):
    """Mean over height and width, frames kept: (frames * batch, height, width, channels) to (batch, frames, channels)."""

    def call(self, inputs, frames=None, splits=1):
        frames, channels = frames or self.frames, inputs.shape[-1]
        pooled = tf.reshape(tf.reduce_mean(inputs, axis=(1, 2)), (frames, -1, channels // splits))
        return tf.transpose(pooled, (1, 0, 2))

    def compute_output_shape(self, shape):
        return (None, self.frames, shape[-1])


@register
class ClipGate(keras.layers.Layer):
    """A folded tensor times one gate per clip and channel: inputs [(frames * batch, h, w, c), (batch, c)]."""

    def __init__(self, frames, **kwargs):
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, inputs):
        tensor, gate = inputs
        return tensor * tf.tile(gate, (self.frames, 1))[:, None, None, :]

    def compute_output_shape(self, shapes):
        return shapes[0]

    def get_config(self):
        return super().get_config() | {"frames": self.frames}


@register
class DropConnect(keras.layers.Layer):
    """Drops a block's residual branch for a whole clip, with the given rate, in training (stochastic depth)."""

    def __init__(self, frames, rate, **kwargs):
        super().__init__(**kwargs)
        self.frames, self.rate = frames, rate
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False, frames=None, splits=1):
        if not training or not self.rate:
            return inputs
        frames = frames or self.frames
        batch = tf.shape(inputs)[0] // frames
        batch = batch if splits == 1 else batch * splits
        keep = keras.random.uniform((batch, 1, 1, 1), dtype="float32", seed=self.seed_generator) >= self.rate
        scale = tf.cast(keep, inputs.dtype) / tf.cast(1 - self.rate, inputs.dtype)
        if splits > 1:
            scale = tf.repeat(tf.reshape(scale, (-1, 1, 1, splits)), inputs.shape[-1] // splits, axis=3)
        return inputs * tf.tile(scale, (frames, 1, 1, 1))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"frames": self.frames, "rate": self.rate}
