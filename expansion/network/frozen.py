"""The forward pass for inference alone: batch norm folded into the convolutions, weights as constants.

The numbers are those of the network up to rounding. It holds the weights of the moment when it is made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from expansion.network.blocks import Bottleneck
from expansion.network.convolutions import Channelwise3D, channelwise_time, vector_channels
from expansion.network.layers import PIXEL_MEAN, PIXEL_STD, BatchNorm
from expansion.network.model import X3D, by_position


def _filled(weights: np.ndarray, channels: int, axis: int = -1) -> np.ndarray:
    """With zeros for the channels that only fill vector registers."""
    paddings = [(0, 0)] * weights.ndim
    paddings[axis] = (0, channels - weights.shape[axis])
    return np.pad(weights, paddings)


def _fold(norm: BatchNorm) -> tuple[np.ndarray, np.ndarray]:
    """What a batch norm is in inference: a scale and a shift of each channel."""
    gamma, beta, mean, variance = (np.asarray(w) for w in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance))
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


def _pointwise(tensor, kernel: np.ndarray, bias: np.ndarray):
    """A product with (inputs, outputs) and a bias; grappler makes one operation of it and what follows."""
    shape = tensor.shape[1:3]
    rows = tf.nn.bias_add(tf.matmul(tf.reshape(tensor, (-1, kernel.shape[0])), kernel), bias)
    return tf.reshape(rows, (-1, *shape, kernel.shape[1]))


class _Block:
    """A bottleneck block with its weights folded."""

    def __init__(self, layer: Bottleneck):
        self.frames, self.stride, self.project = layer.frames, layer.block.spatial_stride, layer.block.project
        self.channels = channels = vector_channels(layer.block.inner)
        scale, shift = _fold(layer.a_bn)
        self.expand = _filled(np.asarray(layer.a.kernel)[0, 0] * scale, channels), _filled(shift, channels)
        scale, shift = _fold(layer.b_bn)
        kernel = np.asarray(layer.b.kernel) * scale[:, None]
        self.channelwise = list(_filled(kernel, channels, 3)), _filled(shift, channels)
        scale, shift = _fold(layer.c_bn)
        self.reduce = _filled(np.asarray(layer.c.kernel)[0, 0] * scale, channels, 0), shift
        if self.project:
            scale, shift = _fold(layer.shortcut_bn)
            self.shortcut = np.asarray(layer.shortcut.kernel) * scale, shift
        self.gate = None
        if layer.se is not None:
            squeeze, excite = layer.se.squeeze, layer.se.excite
            self.gate = (_filled(np.asarray(squeeze.kernel), channels, 0), np.asarray(squeeze.bias),
                         _filled(np.asarray(excite.kernel), channels), _filled(np.asarray(excite.bias), channels))

    def __call__(self, inputs):
        branch = tf.nn.relu(_pointwise(inputs, *self.expand))
        branch = Channelwise3D(branch.shape, self.frames, self.stride)(branch, *self.channelwise)
        if self.gate is not None:
            branch *= self._gates(branch)
        branch = _pointwise(tf.nn.silu(branch), *self.reduce)
        if self.project:
            kernel, bias = self.shortcut
            inputs = tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, self.stride, "VALID"), bias)
        return tf.nn.relu(branch + inputs)

    def _gates(self, branch):
        squeeze, squeeze_bias, excite, excite_bias = self.gate
        pooled = tf.reduce_mean(branch, axis=(1, 2))
        if self.frames > 1:
            pooled = tf.reduce_mean(tf.reshape(pooled, (self.frames, -1, self.channels)), axis=0)
        hidden = tf.nn.relu(tf.nn.bias_add(tf.matmul(pooled, squeeze), squeeze_bias))
        gate = tf.sigmoid(tf.nn.bias_add(tf.matmul(hidden, excite), excite_bias))
        return (gate if self.frames == 1 else tf.tile(gate, (self.frames, 1)))[:, None, None, :]


def folded_forward(model: X3D) -> Callable[[tf.Tensor], tf.Tensor]:
    """A network's forward pass, for use in a tf.function: clips (batch, frames, size, size, 3) of pixels to logits.

    The logits are of positions, (batch, positions, [frames,] classes), as those of expansion.network.model.forward.
    """
    layer, frames = model.get_layer, model.spec.frames
    space = np.asarray(layer("stem_space").kernel) / PIXEL_STD
    scale, shift = _fold(layer("stem_bn"))
    time = np.asarray(layer("stem_time").kernel) * scale[:, None]
    blocks = [_Block(block) for block in model.layers if isinstance(block, Bottleneck)]
    head_scale, head_shift = _fold(layer("head_bn"))
    head = np.asarray(layer("head_conv").kernel)[0, 0] * head_scale
    linear, last = np.asarray(layer("head_linear").kernel), layer("logits")
    last_kernel, last_bias = np.asarray(last.kernel), np.asarray(last.bias)

    def forward(clips):
        size, channels = clips.shape[2], clips.shape[-1]
        tensor = tf.cast(clips, tf.float32) - PIXEL_MEAN
        if frames > 1:
            tensor = tf.transpose(tensor, (1, 0, 2, 3, 4))
        tensor = tf.pad(tf.reshape(tensor, (-1, size, size, channels)), [[0, 0], [1, 1], [1, 1], [0, 0]])
        tensor = tf.nn.conv2d(tensor, space, 2, "VALID")
        tensor = tf.nn.relu(tf.nn.bias_add(channelwise_time(tensor, tf.constant(time), frames), shift))
        for block in blocks:
            tensor = block(tensor)
        tensor = layer("head_pool").call(tf.nn.relu(_pointwise(tensor, head, head_shift)))
        tensor = tf.nn.relu(tf.tensordot(tensor, linear, 1))
        logits = by_position(model, tf.tensordot(tensor, last_kernel, 1) + last_bias)
        return tf.reshape(logits, (-1, logits.shape[1] * logits.shape[2], *logits.shape[3:]))

    return forward
