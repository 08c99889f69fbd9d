"""The folded forward pass answers as the network does."""

import numpy as np
import pytest
import tensorflow as tf

from expansion.network.frozen import folded_forward
from expansion.network.model import at_size, build_model, forward
from expansion.spec import Spec
from tests.expansion.network.test_model import clips
from tests.expansion.networks import assert_equal_but_for_rounding, awake


@pytest.mark.slow
@pytest.mark.parametrize("spec, size", [
    (Spec(frames=3, stride=2, size=32, width=0.5, depth=1.2, bottleneck=1.5), 32),
    (Spec(frames=1, size=33, width=0.34, bottleneck=2.25), 33),
    (Spec(frames=2, stride=2, size=32, width=0.34), 64),  # several places
])
def test_folding_changes_nothing_but_rounding(spec, size):
    model = at_size(awake(build_model(spec, 5)), size)
    pixels = tf.constant(clips(spec.replace(size=size), 3), tf.uint8)
    plain, folded = forward(model)(pixels), folded_forward(model)(pixels)
    assert folded.shape == plain.shape
    assert_equal_but_for_rounding(folded, plain)


def test_it_keeps_the_weights_of_its_making():
    spec = Spec(size=32, width=0.34)
    model = awake(build_model(spec, 5))
    folded = folded_forward(model)
    pixels = tf.constant(clips(spec), tf.uint8)
    before = folded(pixels).numpy()
    model.set_weights([0 * weight for weight in model.get_weights()])
    np.testing.assert_array_equal(folded(pixels), before)
