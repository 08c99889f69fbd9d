"""Training on other shapes with the same weights, and batch norm split among clips: equal to plain ones that do the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.network.blocks import Bottleneck
from expansion.network.convolutions import repeat_channels, split_clips, sum_splits
from expansion.network.layers import BatchNorm, DropConnect
from expansion.network.model import build_model
from expansion.network.shapes import training_logits
from expansion.spec import Spec
from tests.expansion.networks import assert_equal_but_for_rounding, awake
from tests.expansion.networks import clips as noise

SPEC = Spec(frames=4, stride=2, size=32, width=0.5, depth=0.4, bottleneck=2.25)  # channels that are filled up, squeeze-excite


def test_the_worked_example_of_split_batch_norm():
    """Clips 1, 2, 3, 4 in two splits, {1, 3} and {2, 4}: PySlowFast's SubBatchNorm3d by hand."""
    norm = BatchNorm(epsilon=0.0)
    norm.build((None, 1, 1, 1))
    clips = tf.reshape(tf.constant([1.0, 2.0, 3.0, 4.0]), (4, 1, 1, 1))
    outputs = norm(split_clips(clips, 2), training=True, splits=2)
    np.testing.assert_allclose(tf.reshape(outputs, [-1]), [-1, -1, 1, 1], atol=1e-6)  # means 2 and 3, biased variances 1
    np.testing.assert_allclose(norm.moving_mean, [0.25], rtol=1e-6)  # of 0.2 and 0.3
    np.testing.assert_allclose(norm.moving_variance, [1.1025], rtol=1e-6)  # 1.1 and 1.1, and the variance of 0.2 and 0.3


def plain_logits(model, clips, splits):
    """The same by plain layers, whose batch norms are replaced: each split is taken out, normalised and put back."""
    frames, batch = clips.shape[1], clips.shape[0]

    def normalise(norm, tensor):
        grid = tf.reshape(tensor, (frames, batch, *tensor.shape[1:]))
        parts = [grid[:, split::splits] for split in range(splits)]
        outputs = []
        for part in parts:
            mean, variance = tf.nn.moments(part, (0, 1, 2, 3))
            outputs.append((part - mean) * tf.math.rsqrt(variance + norm.epsilon) * norm.gamma + norm.beta)
        return tf.reshape(tf.reshape(tf.stack(outputs, 2), grid.shape), tensor.shape)

    def block_of(block, tensor):
        branch = tf.nn.relu(normalise(block.a_bn, block.a(tensor)))
        branch = normalise(block.b_bn, block.b(branch, frames=frames))
        if block.se is not None:
            pooled = block.se.pool(branch, frames=frames)
            gate = block.se.excite(block.se.squeeze(pooled))
            branch *= tf.tile(gate, (frames, 1))[:, None, None, :]
        branch = normalise(block.c_bn, block.c(tf.nn.silu(branch)))
        if block.block.project:
            tensor = normalise(block.shortcut_bn, block.shortcut(tensor))
        return tf.nn.relu(tensor + branch)

    layer = model.get_layer
    tensor = layer("stem_time")(layer("stem_space")(layer("stem_pad")(layer("fold")(clips))), frames=frames)
    tensor = tf.nn.relu(normalise(layer("stem_bn"), tensor))
    for block in model.layers:
        if isinstance(block, Bottleneck):
            tensor = block_of(block, tensor)
    tensor = tf.nn.relu(normalise(layer("head_bn"), layer("head_conv")(tensor)))
    return layer("logits")(layer("head_linear")(layer("head_pool")(tensor, frames=frames)))


@pytest.mark.slow
@pytest.mark.parametrize("frames, size, splits", [(4, 32, 2), (2, 48, 3), (1, 40, 6)])
def test_a_split_network_equals_a_plain_one_that_normalises_each_split(frames, size, splits):
    model = awake(build_model(SPEC, 5, dropout=0.0))
    clips = tf.constant(noise(SPEC.replace(frames=frames, size=size), 6))
    results = []
    for logits_of in (training_logits, plain_logits):
        with tf.GradientTape() as tape:
            logits = logits_of(model, clips, splits)
            loss = tf.reduce_sum(tf.nn.log_softmax(logits)[:, 1])
        results.append((logits, tape.gradient(loss, [w.value for w in model.trainable_weights])))
    (logits, gradients), (expected, expected_gradients) = results
    assert_equal_but_for_rounding(logits, expected, 1e-4)
    for weight, found, wanted in zip(model.trainable_weights, gradients, expected_gradients, strict=True):
        assert np.abs(found - wanted).max() < 2e-3 * np.abs(wanted).max() + 1e-5, weight.path


@pytest.mark.slow
def test_without_splits_at_its_own_shape_it_is_the_network_to_the_bit():
    clips, results = noise(SPEC, 4), []
    for logits_of in (training_logits, lambda model, clips: model(clips, training=True)):
        keras.utils.set_random_seed(1)
        model = awake(build_model(SPEC, 5, dropout=0.3, drop_connect=0.3))
        results.append([logits_of(model, clips), *model.get_weights()])
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.slow
def test_another_shape_is_what_a_network_of_that_shape_gives():
    model, other = awake(build_model(SPEC, 5, dropout=0.0)), SPEC.replace(frames=2, size=48)
    own = build_model(other, 5, dropout=0.0)
    own.set_weights(model.get_weights())
    clips = noise(other, 4)
    assert np.array_equal(training_logits(model, clips), own(clips, training=True))
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), own.get_weights(), strict=True))


def test_drop_connect_drops_the_same_clips_whatever_the_splits():
    clips, found = tf.random.normal((3 * 8, 2, 2, 5)), []
    for splits in (1, 4):
        keras.utils.set_random_seed(2)
        dropped = DropConnect(3, 0.5)(split_clips(clips, splits), training=True, splits=splits)
        found.append(dropped)
    np.testing.assert_array_equal(split_clips(found[0], 4), found[1])


@pytest.mark.parametrize("shape", [(3,), (3, 3, 3, 4, 1)])
def test_gradient_of_repeated_channels(shape):
    weights = tf.random.normal(shape)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        repeated = repeat_channels(weights, 3)
        loss = tf.reduce_sum(repeated * tf.cast(tf.reshape(tf.range(tf.size(repeated)), repeated.shape), tf.float32))
    upstream = tf.cast(tf.reshape(tf.range(tf.size(repeated)), repeated.shape), tf.float32)
    np.testing.assert_allclose(sum_splits(upstream, 3), tape.gradient(loss, weights), rtol=1e-6)


def test_frozen_batch_norms_have_no_splits():
    model = build_model(SPEC, 5)
    for block in model.layers:
        if isinstance(block, Bottleneck):
            block.a_bn.trainable = False
    with pytest.raises(ValueError, match="splits are for training"):
        training_logits(model, tf.constant(noise(SPEC, 2)), 2)
