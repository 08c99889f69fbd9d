"""Networks of random weights for tests of equality, and how two results of them are compared.

Two ways to compute the same (folded or not, one kernel or another, a machine with AVX-512 or without) add up in other
orders. Their results then differ by rounding of the largest values that were added, so that is what errors are
measured against: a small value among large ones has no relative precision of its own.
"""

import keras
import numpy as np

from expansion.network.model import build_model

ROUNDING = 1e-5  # float32 through a small network: about 1e-6 is seen, a wrong weight gives 1e-2 and more


def awake(model, seed: int = 1):
    """The model with a value in every weight, so that all of it counts (the last batch norm of a block begins at zero).

    Kernels keep a signal's size, and a block adds a fraction to the trunk, so logits stay near one at any depth.
    """
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name == "kernel":
            weight.assign(rng.normal(0, np.sqrt(2 / fan_in(weight.shape)), weight.shape))
        elif weight.name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.6, 1.4, weight.shape) * (0.5 if weight.path.endswith("c_bn/gamma") else 1))
        else:
            weight.assign(rng.normal(0, 0.2, weight.shape))
    return model


def opinionated(spec, class_names, seed: int = 3):
    """A network whose answers depend on the video, without training.

    Its kernels are as at the start, its batch norms random, and its last layer is large enough to prefer some classes.
    """
    keras.utils.set_random_seed(0)
    model = build_model(spec, len(class_names), class_names=class_names)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name in ("gamma", "beta"):
            weight.assign(rng.normal(0.5, 0.3, weight.shape))
    last = model.get_layer("logits")
    last.set_weights([30 * weight for weight in last.get_weights()])
    return model


def clips(spec, batch: int = 2, seed: int = 0):
    """Clips of noise for a network: (batch, frames, size, size, 3), pixels 0 to 255."""
    shape = (batch, spec.frames, spec.size, spec.size, 3)
    return np.random.default_rng(seed).integers(0, 256, shape).astype("float32")


def fan_in(shape) -> int:
    """Values that are added up for one output of a dense layer, a convolution, or (.., channels, 1) a channel-wise one."""
    return int(np.prod(shape[:-2] if len(shape) > 2 and shape[-1] == 1 else shape[:-1]))


def difference(found, expected) -> float:
    """The largest difference over the largest expected value; plain where all that is expected are zeros."""
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / (np.abs(expected).max() or 1))


def assert_equal_but_for_rounding(found, expected, tolerance: float = ROUNDING) -> None:
    """Raises AssertionError where two arrays of a shape differ by more than `tolerance` of the largest expected value."""
    assert difference(found, expected) < tolerance
