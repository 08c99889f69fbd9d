"""The folded layers compute what plain 3D convolutions do, forward and backward."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.network.layers import BatchNorm, ChannelwiseConv3D, ClipGate, ClipPool, DropConnect, FoldTime
from tests.expansion.networks import assert_equal_but_for_rounding


def fold(clip):
    """(batch, frames, h, w, c) to (frames * batch, h, w, c)."""
    return tf.reshape(tf.transpose(clip, (1, 0, 2, 3, 4)), (-1, *clip.shape[2:]))


def unfold(tensor, frames):
    return tf.transpose(tf.reshape(tensor, (frames, -1, *tensor.shape[1:])), (1, 0, 2, 3, 4))


def dense_conv3d(clip, kernel, stride):
    """The same convolution as one dense Conv3D whose kernel is diagonal in the channels."""
    reach = [size // 2 for size in kernel.shape[:3]]
    padded = tf.pad(clip, [[0, 0], *[[side, side] for side in reach], [0, 0]])
    weights = kernel * tf.eye(kernel.shape[3])  # (t, h, w, c, 1) * (c, c)
    return tf.nn.conv3d(padded, weights, [1, 1, stride, stride, 1], "VALID")


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [6, 7])
def test_channelwise_3x3x3_and_its_gradients_equal_conv3d(frames, stride, size):
    layer = ChannelwiseConv3D(frames, stride=stride)
    clip = tf.random.stateless_normal((2, frames, size, size, 3), (1, 2))
    layer.build((None, size, size, 3))
    _assert_equal(layer, clip, lambda clip, kernel: dense_conv3d(clip, kernel, stride), frames)


@pytest.mark.parametrize("frames", [1, 2, 4, 9])
def test_channelwise_in_time_and_its_gradients_equal_conv3d(frames):
    layer = ChannelwiseConv3D(frames, kernel_frames=5, kernel_size=1)
    clip = tf.random.stateless_normal((2, frames, 4, 3, 6), (1, 2))
    layer.build((None, 4, 3, 6))
    _assert_equal(layer, clip, lambda clip, kernel: dense_conv3d(clip, kernel, 1), frames)


def _assert_equal(layer, clip, reference, frames):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(clip)
        ours = unfold(layer(fold(clip)), frames)
        plain = reference(clip, layer.kernel.value)
        weights = tf.random.stateless_normal(plain.shape, (3, 4))
        losses = [tf.reduce_sum(result * weights) for result in (ours, plain)]
    assert_equal_but_for_rounding(ours, plain)
    variables = [clip, layer.kernel.value]
    for ours, plain in zip(*(tape.gradient(loss, variables) for loss in losses)):
        assert_equal_but_for_rounding(ours, plain)


def test_batch_norm_equals_keras_and_keeps_the_unbiased_variance():
    ours, plain = BatchNorm(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    inputs = tf.random.stateless_normal((4, 3, 3, 5), (1, 2)) * 3 + 1
    assert_equal_but_for_rounding(ours(inputs, training=True), plain(inputs, training=True))
    assert_equal_but_for_rounding(ours.moving_mean, plain.moving_mean)
    count = 4 * 3 * 3
    unbiased = np.var(inputs, axis=(0, 1, 2)) * count / (count - 1)
    assert_equal_but_for_rounding(ours.moving_variance, 0.9 + 0.1 * unbiased)
    plain.moving_variance.assign(ours.moving_variance)
    assert_equal_but_for_rounding(ours(inputs, training=False), plain(inputs, training=False))


def test_fold_pool_and_gate_keep_clips_apart():
    clips = tf.random.stateless_uniform((3, 4, 5, 6, 3), (1, 2), maxval=255)
    folded = FoldTime()(clips)
    assert_equal_but_for_rounding(folded, fold((clips - 0.45 * 255) / (0.225 * 255)))
    assert_equal_but_for_rounding(ClipPool(4)(folded), tf.reduce_mean(unfold(folded, 4), (1, 2, 3)))
    gate = tf.reshape(tf.range(9.0), (3, 3))
    assert_equal_but_for_rounding(
        unfold(ClipGate(4)([folded, gate]), 4), unfold(folded, 4) * gate[:, None, None, None, :])


def test_drop_connect_drops_whole_clips_and_keeps_the_mean():
    layer = DropConnect(3, 0.5)
    inputs = tf.ones((3 * 400, 1, 1, 1))
    assert np.array_equal(layer(inputs, training=False), inputs)
    dropped = np.asarray(unfold(layer(inputs, training=True), 3))[:, :, 0, 0, 0]
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert (dropped == dropped[:, :1]).all()
    assert 0.8 < dropped.mean() < 1.2
