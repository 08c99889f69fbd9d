"""The bottleneck block and its squeeze-excite, as layers on a folded clip.

A block is one layer of the network, so that the network's graph is as deep as it has blocks: Keras walks it by
recursion, and XXL has 114.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from expansion.network.convolutions import pad_channels, vector_channels
from expansion.network.fused import norm_gate_swish_pointwise, pointwise_norm_relu_channelwise
from expansion.network.layers import (
    BatchNorm,
    ChannelwiseConv3D,
    ClipGate,
    ClipPool,
    DropConnect,
    Pointwise,
    msra,
    register,
)
from expansion.spec import Block


@register
class SqueezeExcite(keras.layers.Layer):
    """Scales each channel of a clip by a gate that sees the mean of all of them."""

    def __init__(self, frames: int, channels: int, squeeze: int, **kwargs):
        super().__init__(**kwargs)
        self.pool = ClipPool(frames, name="pool")
        self.squeeze = keras.layers.Dense(squeeze, "relu", kernel_initializer=msra(), name="squeeze")
        self.excite = keras.layers.Dense(channels, "sigmoid", kernel_initializer=msra(), name="excite")
        self.gate = ClipGate(frames, name="gate")

    def build(self, shape):
        self.squeeze.build((None, shape[-1]))
        self.excite.build((None, self.squeeze.units))

    def call(self, inputs):
        return self.gate([inputs, self.excite(self.squeeze(self.pool(inputs)))])


@register
class Bottleneck(keras.layers.Layer):
    """1x1x1, BN, ReLU; 3x3x3 channel-wise, BN, squeeze-excite, swish; 1x1x1, BN; plus the shortcut, ReLU.

    Args:
        block: the block, or the dictionary of one.
        frames: frames folded into the batch axis.
        drop_connect: rate at which the residual branch is dropped in training.
    """

    def __init__(self, block: Block | dict, frames: int, drop_connect: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        block = block if isinstance(block, Block) else Block(**block)
        self.block, self.frames = block, frames
        self.a, self.a_bn = Pointwise(block.inner, name="a"), BatchNorm(name="a_bn")
        self.b, self.b_bn = ChannelwiseConv3D(frames, stride=block.spatial_stride, name="b"), BatchNorm(name="b_bn")
        self.se = SqueezeExcite(frames, block.inner, block.squeeze, name="se") if block.squeeze else None
        # Zero at the start: a fresh block passes its shortcut on.
        self.c, self.c_bn = Pointwise(block.outputs, name="c"), BatchNorm(zero=True, name="c_bn")
        self.drop = DropConnect(frames, drop_connect, name="drop") if drop_connect else None
        if block.project:
            self.shortcut = Pointwise(block.outputs, block.spatial_stride, name="shortcut")
            self.shortcut_bn = BatchNorm(name="shortcut_bn")

    def build(self, shape):
        inner, outer = (*shape[:-1], self.block.inner), (*shape[:-1], self.block.outputs)
        for layer, seen in ((self.a, shape), (self.a_bn, inner), (self.b, inner), (self.b_bn, inner), (self.se, inner),
                            (self.c, inner), (self.c_bn, outer)):
            if layer is not None:
                layer.build(seen)
        if self.block.project:
            self.shortcut.build(shape)
            self.shortcut_bn.build(outer)

    def call(self, inputs, training=False, frames=None, splits=1):
        fused = training and self.a_bn.trainable and self.b_bn.trainable
        if splits > 1 and not fused:
            raise ValueError("splits are for training with batch norms that are trained")
        branch = self._fused_branch(inputs, frames or self.frames, splits) if fused else self._branch(inputs, training)
        branch = self.c_bn(branch, training=training, splits=splits)
        if self.drop is not None:
            branch = self.drop(branch, training=training, frames=frames, splits=splits)
        if self.block.project:
            inputs = self.shortcut_bn(self.shortcut(inputs, training=training), training=training, splits=splits)
        return keras.ops.relu(inputs + branch)

    def _branch(self, inputs, training):
        branch = keras.ops.relu(self.a_bn(self.a(inputs, training=training), training=training))
        branch = self.b_bn(self.b(branch), training=training)
        if self.se is not None:
            branch = self.se(branch)
        return self.c(keras.ops.silu(branch), training=training)

    def _fused_branch(self, inputs, frames, splits):
        """The same in training, with fewer passes over memory and on channels that fill vector registers."""
        def values(*variables):
            return (tf.convert_to_tensor(variable.value) for variable in variables)

        (kernel,) = values(self.a.kernel)
        branch, *moments = pointwise_norm_relu_channelwise(
            inputs, pad_channels(kernel, *kernel.shape[:3], vector_channels(self.block.inner)),
            *values(self.a_bn.gamma, self.a_bn.beta, self.b.kernel), frames, self.block.spatial_stride,
            self.a_bn.epsilon)
        self.a_bn.update(*moments, splits)
        excitation = () if self.se is None else tuple(values(
            self.se.squeeze.kernel, self.se.squeeze.bias, self.se.excite.kernel, self.se.excite.bias))
        gamma, beta, kernel = values(self.b_bn.gamma, self.b_bn.beta, self.c.kernel)
        branch, *moments = norm_gate_swish_pointwise(
            branch, gamma, beta, excitation, kernel, frames, self.b_bn.epsilon, splits)
        self.b_bn.update(*moments, splits)
        return branch

    def compute_output_shape(self, shape):
        stride = self.block.spatial_stride
        return (shape[0], *((side - 1) // stride + 1 for side in shape[1:3]), self.block.outputs)
