"""What a block computes in training, in fused parts with gradients of our own, against its layers one by one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.network.blocks import Bottleneck
from expansion.network.model import build_model
from expansion.spec import Block, Spec
from tests.expansion.networks import assert_equal_but_for_rounding, awake, clips

PLAIN = {  # of every kind: stride, projection, squeeze-excite or none, one frame, odd sides, channels filled up to 16 or 64
    "strided, squeeze-excite": (Block(2, 0, 8, 18, 12, 2, 8), 3, 9),
    "strided, without": (Block(3, 0, 8, 18, 12, 2, 0), 3, 8),
    "residual, squeeze-excite": (Block(2, 2, 12, 30, 12, 1, 8), 4, 5),
    "residual, without": (Block(2, 1, 12, 54, 12, 1, 0), 2, 5),
    "one frame": (Block(2, 0, 8, 14, 12, 2, 8), 1, 9),
}


def nearest_kink(block: Bottleneck, inputs) -> float:
    """How near a ReLU inside comes to zero, relative to the largest value that it sees.

    There a gradient jumps, and two orders of summation may stand on either side of it.
    """
    seen = [block.a_bn(block.a(inputs), training=True)]
    if block.se is not None:
        pooled = block.se.pool(block.b_bn(block.b(keras.ops.relu(seen[0])), training=True))
        seen.append(pooled @ block.se.squeeze.kernel + block.se.squeeze.bias)
    return min(float(tf.reduce_min(abs(values)) / tf.reduce_max(abs(values))) for values in seen)


@pytest.mark.parametrize("case", PLAIN)
def test_a_block_and_its_gradients_equal_its_layers(case):
    block, frames, side = PLAIN[case]
    for seed in range(50):  # until one keeps off the kinks
        layer = Bottleneck(block, frames)
        rng = np.random.default_rng(seed)
        inputs = tf.constant(rng.normal(size=(2 * frames, side, side, block.inputs)), tf.float32)
        layer.build(inputs.shape)
        awake(layer, seed)
        before = layer.get_weights()
        if nearest_kink(layer, inputs) > 3e-5:
            break
    else:
        raise AssertionError("every seed is near a kink")

    def run(branch):
        layer.set_weights(before)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = branch(inputs)
            loss = tf.reduce_sum(outputs * tf.random.stateless_normal(outputs.shape, (1, 2)))
        sources = {"inputs": inputs} | {weight.path: weight for weight in layer.trainable_variables}
        gradients = dict(zip(sources, tape.gradient(loss, list(sources.values()))))
        used = {name: gradient for name, gradient in gradients.items() if gradient is not None}  # the others come after
        return outputs, used, [np.array(statistic) for statistic in layer.non_trainable_variables]

    outputs, gradients, moments = run(lambda inputs: layer._fused_branch(inputs, layer.frames, 1))
    expected, of_layers, moments_of_layers = run(lambda values: layer._branch(values, True))
    assert gradients.keys() == of_layers.keys() and len(gradients) == (12 if block.squeeze else 8)
    assert_equal_but_for_rounding(outputs, expected)
    for name, gradient in gradients.items():
        assert_equal_but_for_rounding(gradient, of_layers[name], 1e-4)
    for found, plain in zip(moments, moments_of_layers, strict=True):
        assert_equal_but_for_rounding(found, plain)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [Spec(frames=3, stride=2, size=32, width=0.5, depth=1.2, bottleneck=1.5),
                                  Spec(frames=1, size=33, width=0.5, bottleneck=2.25)])
def test_a_network_in_training_gives_what_its_layers_give(spec, monkeypatch):
    def run():
        model = awake(build_model(spec, 5, dropout=0.0))
        return [model(tf.constant(clips(spec, 3)), training=True), *model.non_trainable_variables]

    fused = run()
    monkeypatch.setattr(Bottleneck, "_fused_branch", lambda self, inputs, *_: self._branch(inputs, True))
    for ours, plain in zip(fused, run(), strict=True):
        assert_equal_but_for_rounding(ours, plain, 1e-4)
