"""Convolutions of a folded clip, (frames * batch, height, width, channels) with frames outermost, as functions.

A batch whose batch norm has several statistics ("splits") is folded further, into the channels: (frames * batch / splits,
height, width, splits * channels), where clip i is in split i modulo splits. So all clips of a split are channels of their own,
a batch norm of all channels normalises each split by itself, and a pointwise convolution sees rows of one clip as before.

A pointwise convolution is a matrix product, a shift in time a contiguous slice, and a 3x3x3 channel-wise convolution
three 2D ones added. What each gives is in benchmarks/README.md.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from expansion.foundation.cpu import this_cpu
from expansion.network.graph_constants import constant

MOST_PADDING = 0.2


def vector_channels(channels: int) -> int:
    """Channels to compute with: up to what fills the CPU's vector registers, unless that adds more than a fifth.

    oneDNN's batch norm and channel-wise convolutions take several times longer on 54 channels than on 64 with AVX-512.
    """
    floats = this_cpu().register_floats
    whole = -(-channels // floats) * floats
    return whole if whole <= (1 + MOST_PADDING) * channels else channels


def pad_channels(weights, *shape: int):
    """Weights with zeros up to a shape, for channels that the tensor has only to fill vector registers."""
    paddings = [[0, whole - side] for whole, side in zip(shape, weights.shape)]
    return pad(weights, paddings)


def pad(tensor, paddings):
    """With so many zeros before and after, a pair for each side."""
    return tf.pad(tensor, constant(tuple(map(tuple, paddings)))) if np.any(paddings) else tensor


def crop_channels(gradient, weights):
    """What of a gradient is the weights', not the filling's. (That of tf.pad is a dozen operations.)"""
    return gradient if gradient.shape == weights.shape else tf.slice(
        gradient, constant((0,) * len(weights.shape)), constant(tuple(weights.shape)))


def split_clips(tensor, splits: int):
    """(frames * batch, height, width, channels) to (frames * batch / splits, height, width, splits * channels)."""
    if splits == 1:
        return tensor
    height, width, channels = tensor.shape[1:]
    grid = tf.reshape(tensor, constant((-1, splits, height, width, channels)))
    return tf.reshape(tf.transpose(grid, constant((0, 2, 3, 1, 4))), constant((-1, height, width, splits * channels)))


def repeat_channels(weights, splits: int):
    """Weights (channels,) or (.., channels, 1) once for each split."""
    if splits == 1:
        return weights
    multiples = [1] * len(weights.shape)
    multiples[_channel_axis(weights)] = splits
    return tf.tile(weights, constant(tuple(multiples)))


def sum_splits(gradient, splits: int):
    """The gradient of repeat_channels."""
    if splits == 1:
        return gradient
    axis, shape = _channel_axis(gradient), list(gradient.shape)
    shape[axis:axis + 1] = splits, shape[axis] // splits
    return tf.reduce_sum(tf.reshape(gradient, constant(tuple(shape))), constant((axis,)))


def _channel_axis(weights) -> int:
    return max(0, len(weights.shape) - 2)


def pointwise(inputs, kernel, stride: int = 1):
    """1x1x1 convolution with a kernel (1, 1, inputs, outputs), as a matrix product; of each split where there are several."""
    if stride > 1:
        inputs = inputs[:, ::stride, ::stride]
    height, width, channels = inputs.shape[1:]
    splits = channels // kernel.shape[2]
    product = tf.matmul(tf.reshape(inputs, constant((-1, kernel.shape[2]))), tf.squeeze(kernel, (0, 1)))
    return tf.reshape(product, constant((-1, height, width, splits * kernel.shape[3])))


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
        self.border = [] if stride == 1 else [[1, self.height % 2], [1, self.width % 2]]
        self.named = {"strides": [1, stride, stride, 1], "padding": "SAME" if stride == 1 else "VALID"}
        self.taps = (self.reach,) if frames == 1 else range(2 * self.reach + 1)  # at one frame the others see padding

    def __call__(self, inputs, kernels, bias=None):
        """kernels are three of (3, 3, channels, 1), for the frames before, at and after; bias is (channels,)."""
        padded = self._pad(inputs, self.reach, self.border)
        of_taps = [
            tf.raw_ops.DepthwiseConv2dNative(input=self._frames(padded, tap), filter=kernels[tap], **self.named)
            for tap in self.taps]
        if bias is not None:
            of_taps[0] = tf.nn.bias_add(of_taps[0], bias)
        return _total(of_taps)

    def gradients(self, inputs, kernels, upstream):
        """Of the inputs, and of the kernels stacked. Those of plain slices would cost more than the convolutions do."""
        inside = self._pad(inputs, 0, self.border)
        upstream, padded = self._pad(upstream, 0), self._pad(upstream, self.reach)
        size = tf.shape(self._frames(inside, 0))

        def of_kernel(tap):  # between the frames that this tap joins
            early, late = max(0, self.reach - tap), max(0, tap - self.reach)
            joined = self.frames - early - late
            return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=self._frames(inside, late, joined), out_backprop=self._frames(upstream, early, joined),
                filter_sizes=constant(tuple(kernels[tap].shape)), **self.named)

        def of_inputs(tap):
            return tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=size, filter=kernels[tap], out_backprop=self._frames(padded, 2 * self.reach - tap),
                **self.named)

        kernel_gradients = [of_kernel(tap) for tap in self.taps]
        if self.stride == 1:
            inputs_gradient = _total([of_inputs(tap) for tap in self.taps])
        else:
            # A network's largest tensors. One after another, and when `inside` is done with, they take half the memory.
            inputs_gradient, before = None, kernel_gradients
            for tap in self.taps:
                with tf.control_dependencies(before):
                    part = of_inputs(tap)
                inputs_gradient = part if inputs_gradient is None else inputs_gradient + part
                before = [inputs_gradient]
            inputs_gradient = inputs_gradient[:, 1:self.height + 1, 1:self.width + 1]
        if self.frames == 1:
            return inputs_gradient, tf.pad(kernel_gradients[0][None], [[self.reach, self.reach]] + [[0, 0]] * 4)
        return inputs_gradient, tf.stack(kernel_gradients)

    def _pad(self, tensor, frames: int, border=()):
        """With so many empty frames at both ends; (frames, batch, height, width, channels) unless there is one frame."""
        if self.frames > 1:
            tensor = tf.reshape(tensor, constant((self.frames, -1, *tensor.shape[1:])))
        paddings = [[frames, frames]] * (self.frames > 1) + [[0, 0], *(border or [[0, 0], [0, 0]]), [0, 0]]
        return pad(tensor, paddings)

    def _frames(self, padded, first: int, count: int | None = None):
        """Some of the frames, by default as many as a clip has; folded again."""
        if self.frames == 1:
            return padded
        some = tf.slice(padded, constant((first, 0, 0, 0, 0)), constant((count or self.frames, -1, -1, -1, -1)))
        return tf.reshape(some, constant((-1, *padded.shape[2:])))


def _total(tensors):
    return tf.add_n(tensors) if len(tensors) > 1 else tensors[0]


def channelwise_3d(inputs, kernel, frames: int, stride: int):
    """Channelwise3D with its gradient."""
    convolution = Channelwise3D(inputs.shape, frames, stride)

    @tf.custom_gradient
    def convolve(inputs, kernel):
        kernels = tf.unstack(kernel)
        return convolution(inputs, kernels), lambda upstream: convolution.gradients(inputs, kernels, upstream)

    return convolve(inputs, kernel)


def channelwise_time(inputs, kernel, frames: int):
    """5x1x1 channel-wise convolution: a weighted sum of shifted frames. kernel is (5, 1, 1, channels, 1)."""
    taps = kernel.shape[0]
    reach = taps // 2
    weights = tf.unstack(tf.squeeze(kernel, (1, 2, 4)))
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
