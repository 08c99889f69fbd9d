"""Layers of the folded network: time lives in the batch axis, frames outermost.

A clip batch (batch, frames, height, width, channels) becomes (frames * batch, height, width, channels). Pointwise
convolutions are then 1x1 Conv2D, batch norm is the fused 4D kernel, and a shift in time is a contiguous slice. On a CPU
this is the same mathematics as Conv3D at a fraction of its time (Conv3D with groups leaves TensorFlow's own kernels).
"""

from __future__ import annotations

import keras
import tensorflow as tf

PACKAGE = "x3d"
PIXEL_MEAN, PIXEL_STD = 0.45 * 255, 0.225 * 255  # the paper's input statistics, in pixel values


def register(cls):
    """Makes a layer loadable from a .keras file in safe mode."""
    return keras.saving.register_keras_serializable(PACKAGE)(cls)


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

    def call(self, inputs, training=False):
        mean, variance = self.moving_mean.value, self.moving_variance.value
        training = bool(training) and self.trainable
        outputs, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=self.gamma.value, offset=self.beta.value,
            mean=tf.zeros([0]) if training else mean, variance=tf.zeros([0]) if training else variance,
            epsilon=self.epsilon, exponential_avg_factor=1.0, data_format="NHWC", is_training=training,
        )
        if training:
            self.moving_mean.assign(self.momentum * mean + (1 - self.momentum) * batch_mean)
            self.moving_variance.assign(self.momentum * variance + (1 - self.momentum) * batch_variance)
        return outputs

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"momentum": self.momentum, "epsilon": self.epsilon, "zero": self.zero}


def _depthwise(inputs, taps, stride, padding):
    return tf.nn.depthwise_conv2d(inputs, taps, [1, stride, stride, 1], padding)


def _channelwise_3d(inputs, kernel, frames: int, stride: int):
    """3x3x3 channel-wise convolution: three 2D ones over frames before, at and after, added. Symmetric padding of 1.

    Args:
        inputs: (frames * batch, height, width, channels).
        kernel: (3, 3, 3, channels, 1).

    The gradient is written out: that of plain strided slices costs more than the convolutions do.
    """
    strides = [1, stride, stride, 1]
    # At stride 1 "SAME" is symmetric for 3x3; at stride 2 it is not, so the padding is explicit there.
    padding = "SAME" if stride == 1 else [[0, 0], [1, 1], [1, 1], [0, 0]]
    explicit = [] if stride == 1 else [0, 0, 1, 1, 1, 1, 0, 0]
    named = {"strides": strides, "padding": "SAME" if stride == 1 else "EXPLICIT", "explicit_paddings": explicit}
    taps = kernel.shape[0]
    reach = taps // 2

    @tf.custom_gradient
    def convolve(inputs, kernel):
        batch = tf.shape(inputs)[0] // frames

        def pad(tensor):
            return tf.pad(tensor, [[reach * batch, reach * batch], [0, 0], [0, 0], [0, 0]])

        def shifted(padded, tap):
            return padded[tap * batch:(tap + frames) * batch]

        if frames == 1:  # the neighbours in time are padding: only the middle tap sees anything
            outputs = _depthwise(inputs, kernel[reach], stride, padding)
        else:
            padded = pad(inputs)
            outputs = tf.add_n([_depthwise(shifted(padded, tap), kernel[tap], stride, padding) for tap in range(taps)])

        def gradient(upstream):
            def to_inputs(upstream, tap):
                return tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                    input_sizes=tf.shape(inputs), filter=kernel[tap], out_backprop=upstream, **named)

            def to_kernel(inputs, tap):
                return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                    input=inputs, filter_sizes=tf.shape(kernel[tap]), out_backprop=upstream, **named)

            if frames == 1:
                middle = to_kernel(inputs, reach)
                return to_inputs(upstream, reach), tf.pad(middle[None], [[reach, reach]] + [[0, 0]] * 4)
            padded_upstream, padded_inputs = pad(upstream), pad(inputs)
            inputs_gradient = tf.add_n(
                [to_inputs(shifted(padded_upstream, taps - 1 - tap), tap) for tap in range(taps)])
            kernel_gradient = tf.stack([to_kernel(shifted(padded_inputs, tap), tap) for tap in range(taps)])
            return inputs_gradient, kernel_gradient

        return outputs, gradient

    return convolve(inputs, kernel)


def _channelwise_time(inputs, kernel, frames: int):
    """5x1x1 channel-wise convolution: a weighted sum of shifted frames. kernel is (5, 1, 1, channels, 1)."""
    taps = kernel.shape[0]
    reach = taps // 2
    weights = kernel[:, 0, 0, :, 0]
    if frames == 1:
        return inputs * weights[reach]
    height, width, channels = inputs.shape[1:]
    grid = tf.reshape(inputs, (frames, -1, height, width, channels))
    frame = tf.unstack(grid, num=frames, axis=0)
    mixed = [
        tf.add_n([frame[at + tap - reach] * weights[tap] for tap in range(taps) if 0 <= at + tap - reach < frames])
        for at in range(frames)
    ]
    return tf.concat(mixed, axis=0)


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

    def call(self, inputs):
        kernel = tf.cast(self.kernel, inputs.dtype)
        if self.kernel_size == 1:
            return _channelwise_time(inputs, kernel, self.frames)
        return _channelwise_3d(inputs, kernel, self.frames, self.stride)

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

    def call(self, inputs):
        pooled = tf.reduce_mean(inputs, axis=(1, 2))
        if self.frames == 1:
            return pooled
        return tf.reduce_mean(tf.reshape(pooled, (self.frames, -1, pooled.shape[-1])), axis=0)

    def compute_output_shape(self, shape):
        return (None, shape[-1])

    def get_config(self):
        return super().get_config() | {"frames": self.frames}


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

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        batch = tf.shape(inputs)[0] // self.frames
        keep = keras.random.uniform((batch, 1, 1, 1), dtype="float32", seed=self.seed_generator) >= self.rate
        scale = tf.cast(keep, inputs.dtype) / tf.cast(1 - self.rate, inputs.dtype)
        return inputs * tf.tile(scale, (self.frames, 1, 1, 1))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"frames": self.frames, "rate": self.rate}
