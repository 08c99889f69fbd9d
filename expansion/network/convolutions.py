"""Convolutions of a folded clip, (frames * batch, height, width, channels) with frames outermost, as functions.

A pointwise convolution is a matrix product, a shift in time a contiguous slice, and a 3x3x3 channel-wise convolution
three 2D ones added. What each gives is in docs/speed.md.
"""

from __future__ import annotations

import tensorflow as tf

LANES = 16  # floats in a vector register of AVX-512; half of them in AVX2's
MOST_PADDING = 0.2


def lanes(channels: int) -> int:
    """Channels to compute with: up to a multiple of 16, unless that adds more than a fifth.

    oneDNN's batch norm and channel-wise convolutions take several times longer on 54 channels than on 64.
    """
    whole = -(-channels // LANES) * LANES
    return whole if whole <= (1 + MOST_PADDING) * channels else channels


def pad_channels(weights, channels: int, axis: int = -1):
    """Weights with zeros for channels that the tensor has only to fill vector registers."""
    missing = channels - weights.shape[axis]
    if not missing:
        return weights
    paddings = [[0, 0] for _ in weights.shape]
    paddings[axis] = [0, missing]
    return tf.pad(weights, paddings)


def pointwise(inputs, kernel, stride: int = 1):
    """1x1x1 convolution with a kernel (1, 1, inputs, outputs), as a matrix product."""
    if stride > 1:
        inputs = inputs[:, ::stride, ::stride]
    height, width, channels = inputs.shape[1:]
    product = tf.matmul(tf.reshape(inputs, (-1, channels)), kernel[0, 0])
    return tf.reshape(product, (-1, height, width, kernel.shape[3]))


class Channelwise3D:
    """3x3x3 channel-wise convolution: three 2D ones over frames before, at and after, added. Symmetric padding of 1.

    Args:
        shape: of the inputs, (frames * batch, height, width, channels).
        frames: frames folded into the batch axis.
        stride: 1 or 2, in height and width.
    """

    reach = 1

    def __init__(self, shape, frames: int, stride: int):
        self.frames, self.stride = frames, stride
        self.height, self.width = shape[1:3]
        # At stride 1 "SAME" is symmetric. At stride 2 it is not, and explicit padding leaves oneDNN: so the tensor is
        # padded, after its end only where a window reaches there.
        self.border = [[0, 0], [0, 0]] if stride == 1 else [[1, self.height % 2], [1, self.width % 2]]
        self.named = {"strides": [1, stride, stride, 1], "padding": "SAME" if stride == 1 else "VALID"}
        self.taps = (self.reach,) if frames == 1 else range(2 * self.reach + 1)  # at one frame the others see padding

    def __call__(self, inputs, kernel, bias=None):
        """kernel is (3, 3, 3, channels, 1), bias (channels,)."""
        padded = self._pad(inputs, self.reach, self.border)
        of_taps = [tf.nn.depthwise_conv2d(self._at(padded, tap), kernel[tap], **self.named) for tap in self.taps]
        if bias is not None:
            of_taps[0] = tf.nn.bias_add(of_taps[0], bias)
        return _total(of_taps)

    def gradients(self, inputs, kernel, upstream):
        """Of the inputs and of the kernel. Those of plain strided slices would cost more than the convolutions do."""
        inside = self._pad(inputs, 0, self.border)
        padded = self._pad(upstream, self.reach)
        size = tf.shape(inside)
        inputs_gradient = _total([
            tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=size, filter=kernel[tap], out_backprop=self._at(padded, 2 * self.reach - tap), **self.named)
            for tap in self.taps])
        if self.stride > 1:
            inputs_gradient = inputs_gradient[:, 1:self.height + 1, 1:self.width + 1]
        batch = tf.shape(inputs)[0] // self.frames

        def of_kernel(tap):  # between the frames that this tap joins
            early, late, end = max(0, self.reach - tap), max(0, tap - self.reach), self.frames * batch
            return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=inside[late * batch:end - early * batch] if tap != self.reach else inside,
                out_backprop=upstream[early * batch:end - late * batch] if tap != self.reach else upstream,
                filter_sizes=kernel.shape[1:], **self.named)

        kernel_gradients = [of_kernel(tap) for tap in self.taps]
        if self.frames == 1:
            return inputs_gradient, tf.pad(kernel_gradients[0][None], [[self.reach, self.reach]] + [[0, 0]] * 4)
        return inputs_gradient, tf.stack(kernel_gradients)

    def _pad(self, tensor, frames: int, border=((0, 0), (0, 0))):
        margin = 0 if self.frames == 1 else frames * (tf.shape(tensor)[0] // self.frames)
        padded = (frames and self.frames > 1) or (self.stride > 1 and border is self.border)
        return tf.pad(tensor, [[margin, margin], *border, [0, 0]]) if padded else tensor

    def _at(self, padded, tap: int):
        if self.frames == 1:
            return padded
        batch = tf.shape(padded)[0] // (self.frames + 2 * self.reach)
        return padded[tap * batch:(tap + self.frames) * batch]


def _total(tensors):
    return tf.add_n(tensors) if len(tensors) > 1 else tensors[0]


def channelwise_3d(inputs, kernel, frames: int, stride: int):
    """Channelwise3D with its gradient."""
    convolution = Channelwise3D(inputs.shape, frames, stride)

    @tf.custom_gradient
    def convolve(inputs, kernel):
        return convolution(inputs, kernel), lambda upstream: convolution.gradients(inputs, kernel, upstream)

    return convolve(inputs, kernel)


def channelwise_time(inputs, kernel, frames: int):
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
