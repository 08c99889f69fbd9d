"""What a block computes in training, in two parts whose gradients are written out.

Each keeps one tensor for its gradient and computes the rest again when that is due, which saves memory and, since memory
is what a step waits for, time: batch norm with known moments is one pass. The results are those of the layers one by
one. Tensors are folded clips, (frames * batch, height, width, channels), or split ones as in convolutions.py; weights may have
fewer channels.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from expansion.network.convolutions import (
    Channelwise3D,
    crop_channels,
    pad_channels,
    pointwise,
    repeat_channels,
    sum_splits,
)
from expansion.network.graph_constants import constant


class Moments(NamedTuple):
    """Of a batch norm in training: mean and unbiased variance (splits * channels,), and what its gradient takes."""

    mean: tf.Tensor
    variance: tf.Tensor
    reserve: tuple


def normalise(inputs, gamma, beta, epsilon: float):
    """Batch norm by the batch's own moments: (outputs, Moments)."""
    none = constant(())
    outputs, mean, variance, *reserve = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=gamma, offset=beta, mean=none, variance=none, epsilon=epsilon,
        exponential_avg_factor=1.0, is_training=True)
    return outputs, Moments(mean, variance, tuple(reserve))


def _again(inputs, gamma, beta, moments: Moments, epsilon: float):
    """The outputs of `normalise`, in one pass."""
    one_by_rows = constant(float(inputs.shape[-1])) / tf.cast(tf.size(inputs), tf.float32)
    biased = moments.variance - moments.variance * one_by_rows
    return tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=gamma, offset=beta, mean=moments.mean, variance=biased, epsilon=epsilon, is_training=False)[0]


def _normalise_gradients(upstream, inputs, gamma, moments: Moments, epsilon: float):
    """Of inputs, gamma and beta."""
    first, second, third = moments.reserve
    return tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=upstream, x=inputs, scale=gamma, reserve_space_1=first, reserve_space_2=second,
        reserve_space_3=third, epsilon=epsilon, is_training=True)[:3]


def _pointwise_gradients(inputs, kernel, upstream):
    """Of the inputs and the kernel of `pointwise`."""
    rows = tf.reshape(upstream, constant((-1, kernel.shape[3])))
    of_kernel = tf.matmul(tf.reshape(inputs, constant((-1, kernel.shape[2]))), rows, transpose_a=True)
    below = tf.matmul(rows, tf.squeeze(kernel, (0, 1)), transpose_b=True)
    return tf.reshape(below, constant((-1, *inputs.shape[1:]))), tf.reshape(of_kernel, constant(tuple(kernel.shape)))


def pointwise_norm_relu_channelwise(inputs, widen, gamma, beta, kernel, frames: int, stride: int, epsilon: float):
    """1x1x1 convolution, batch norm, ReLU, 3x3x3 channel-wise convolution; keeps `inputs`.

    With a stride of 2 the first convolution's outputs are the largest tensor of their stage, and are computed again.

    Args:
        widen: kernel of the first, (1, 1, channels, inner); the second's is (3, 3, 3, inner, 1), or of fewer channels.

    Returns:
        (outputs, mean, variance) of the second convolution and of the batch norm.
    """
    inner, splits = widen.shape[3], inputs.shape[3] // widen.shape[2]
    convolution = Channelwise3D((*inputs.shape[:3], splits * inner), frames, stride)
    shapes = (inner,), (inner,), (*kernel.shape[:3], inner, 1)

    @tf.custom_gradient
    def forward(inputs, widen, *weights):
        gamma, beta, kernel = (repeat_channels(pad_channels(w, *shape), splits) for w, shape in zip(weights, shapes))
        widened = pointwise(inputs, widen)
        outputs, moments = normalise(widened, gamma, beta, epsilon)
        kernels = tf.unstack(kernel)

        def gradient(upstream, *_):
            with tf.control_dependencies([upstream]):  # not before it is due
                wide = pointwise(inputs, widen) if stride > 1 else widened
                active = tf.nn.relu(_again(wide, gamma, beta, moments, epsilon))
            below, of_kernel = convolution.gradients(active, kernels, upstream)
            below = tf.raw_ops.ReluGrad(gradients=below, features=active)
            below, *of_norm = _normalise_gradients(below, wide, gamma, moments, epsilon)
            below, of_widen = _pointwise_gradients(inputs, widen, below)
            own = (sum_splits(of_weight, splits) for of_weight in (*of_norm, of_kernel))
            return (below, of_widen, *map(crop_channels, own, weights))

        return (convolution(tf.nn.relu(outputs), kernels), moments.mean, moments.variance), gradient

    return forward(inputs, widen, gamma, beta, kernel)


class Excitation(NamedTuple):
    """Weights of a squeeze-excite: (channels, squeeze), (squeeze,), (squeeze, channels), (channels,)."""

    squeeze: tf.Tensor
    squeeze_bias: tf.Tensor
    excite: tf.Tensor
    excite_bias: tf.Tensor


def _gate(pooled, weights: Excitation):
    hidden = tf.nn.relu(tf.matmul(pooled, weights.squeeze) + weights.squeeze_bias)
    return hidden, tf.sigmoid(tf.matmul(hidden, weights.excite) + weights.excite_bias)


def _gate_gradients(pooled, hidden, gate, weights: Excitation, upstream):
    """Of the pooled tensor, and of the weights."""
    outer = tf.raw_ops.SigmoidGrad(y=gate, dy=upstream)
    inner = tf.raw_ops.ReluGrad(gradients=tf.matmul(outer, weights.excite, transpose_b=True), features=hidden)
    of_weights = Excitation(
        tf.matmul(pooled, inner, transpose_a=True), tf.reduce_sum(inner, constant((0,))),
        tf.matmul(hidden, outer, transpose_a=True), tf.reduce_sum(outer, constant((0,))))
    return tf.matmul(inner, weights.squeeze, transpose_b=True), of_weights


def norm_gate_swish_pointwise(inputs, gamma, beta, excitation: tuple, kernel, frames: int, epsilon: float,
                              splits: int = 1):
    """Batch norm, squeeze-excite if it has weights, swish, 1x1x1 convolution; keeps `inputs`.

    Args:
        excitation: the weights of an Excitation; () for none.
        kernel: (1, 1, channels, outputs).

    Returns:
        (outputs, mean, variance) of the convolution and of the batch norm.
    """
    height, width, folded = inputs.shape[1:]
    channels = folded // splits
    squeezed = excitation[1].shape[0] if excitation else 0
    shapes = ((channels,), (channels,), (1, 1, channels, kernel.shape[3]),
              (channels, squeezed), (squeezed,), (squeezed, channels), (channels,))

    def per_clip(tensor, reduce):  # a folded tensor to (batch, channels)
        found = reduce(tensor, axis=constant((1, 2)))
        found = found if frames == 1 else reduce(tf.reshape(found, constant((frames, -1, folded))), axis=constant((0,)))
        return found if splits == 1 else tf.reshape(found, constant((-1, channels)))

    def everywhere(rows):
        rows = rows if splits == 1 else tf.reshape(rows, constant((-1, folded)))
        return tf.reshape(rows if frames == 1 else tf.tile(rows, constant((frames, 1))), constant((-1, 1, 1, folded)))

    @tf.custom_gradient
    def forward(inputs, *weights):
        gamma, beta, kernel, *gating = (pad_channels(w, *shape) for w, shape in zip(weights, shapes))
        gamma, beta = repeat_channels(gamma, splits), repeat_channels(beta, splits)
        normal, moments = normalise(inputs, gamma, beta, epsilon)
        if gating:
            pooled = per_clip(normal, tf.reduce_mean)
            hidden, gate = _gate(pooled, Excitation(*gating))
        outputs = pointwise(tf.nn.silu(normal * everywhere(gate) if gating else normal), kernel)

        def gradient(upstream, *_):
            with tf.control_dependencies([upstream]):  # not before it is due
                again = _again(inputs, gamma, beta, moments, epsilon)
            gated = again * everywhere(gate) if gating else again
            sigmoid = tf.sigmoid(gated)
            active = gated * sigmoid
            below, of_kernel = _pointwise_gradients(active, kernel, upstream)
            # d swish = sigmoid + swish * (1 - sigmoid)
            below = below * sigmoid + active * (below - below * sigmoid)
            of_gating = ()
            if gating:
                of_gate = per_clip(below * again, tf.reduce_sum)
                of_pooled, of_gating = _gate_gradients(pooled, hidden, gate, Excitation(*gating), of_gate)
                below = below * everywhere(gate) + everywhere(of_pooled / (frames * height * width))
            below, *of_norm = _normalise_gradients(below, inputs, gamma, moments, epsilon)
            of_norm = (sum_splits(of_weight, splits) for of_weight in of_norm)
            return (below, *map(crop_channels, (*of_norm, of_kernel, *of_gating), weights))

        return (outputs, moments.mean, moments.variance), gradient

    return forward(inputs, gamma, beta, kernel, *excitation)
