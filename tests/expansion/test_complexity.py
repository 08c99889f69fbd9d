"""Closed-form costs: the paper's figures to the digit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expansion.complexity import complexity, halve
from expansion.spec import NAMED, X2D, Spec
from tests.expansion.paper import SPECS, golden_spec


@pytest.mark.parametrize("name", SPECS)
def test_macs_and_parameters(name):
    found, golden = complexity(golden_spec(name)), SPECS[name]
    assert found.macs == golden["macs"]
    assert found.params == golden["params"]
    assert found.params_without_bn == golden["params_without_bn"]


def test_only_the_last_layer_depends_on_the_classes():
    many, few = complexity(X2D, 400), complexity(X2D, 8)
    assert many.macs - few.macs == 392 * 2048
    assert many.params - few.params == 392 * 2049


@given(st.integers(1, 4096))
def test_halving_is_symmetric_padding(pixels):
    assert halve(pixels) == (pixels + 2 - 3) // 2 + 1


@settings(max_examples=50)
@given(st.sampled_from(sorted(NAMED)), st.integers(1, 4), st.integers(1, 4))
def test_cost_is_linear_in_frames_but_for_the_layers_after_pooling(name, frames, more):
    spec = NAMED[name]
    one, two, three = (complexity(spec.replace(frames=n)).macs for n in (frames, frames + more, frames + 2 * more))
    assert three - two == two - one
    assert complexity(spec.replace(frames=frames)).params == complexity(spec).params


def test_memory_grows_with_the_batch():
    found = complexity(Spec(size=40), 8)
    assert found.memory(16) - found.memory(8) == 8 * 4 * found.stored
    assert found.memory(0) == 4 * 3 * found.params
