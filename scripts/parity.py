"""Holds the Keras networks to PyTorch's: the same random weights and clip through both, in both dialects.

    python scripts/parity.py reference OUT.npz [XS S M L]   with PyTorch: what the reference networks say
    python scripts/parity.py compare IN.npz [XS S M L]      without it: how far this project's networks are from that

All parameters and running statistics are drawn by numpy from the names, so that neither side needs the other's files.
docs/guides/weights.md says what to install for the first. CI compares with tests/expansion/weights/files/parity.npz.
"""

import os
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from expansion.spec import NAMED, Spec  # noqa: E402
from expansion.weights.naming import DIALECTS, Dialect, entries  # noqa: E402
from expansion.weights.torch_file import write_torch_file  # noqa: E402

CLASSES = 400
TEST_CROPS = {"XS": 182, "S": 182, "M": 256, "L": 356}  # of PySlowFast's 30-view evaluation
TOLERANCE = 1e-4
_SCALES = {"gamma": (0.6, 1.4), "moving_variance": (0.5, 1.5)}


def _generator(*names: str) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(name.encode()) for name in names])


def random_state(spec: Spec, dialect: Dialect) -> dict[str, np.ndarray]:
    """Every tensor of a checkpoint at random: kernels keep a signal's size, branches add a fraction to the trunk."""
    state = {}
    for entry in entries(spec, CLASSES, dialect):
        random = _generator(entry.layer, entry.weight)
        if entry.weight in _SCALES:
            value = random.uniform(*_SCALES[entry.weight], entry.shape)
            value = 0.2 * value if entry.layer.endswith(".c_bn") and entry.weight == "gamma" else value
        elif entry.weight == "kernel":
            value = random.normal(0, np.sqrt(2 / np.prod(entry.shape[1:])), entry.shape)
        else:
            value = random.normal(0, 0.2, entry.shape)
        state[entry.name] = value.astype("float32")
    return state


def random_clip(spec: Spec, size: int) -> np.ndarray:
    """Pixels of 0 to 255 with coarse and fine structure, (1, frames, size, size, 3)."""
    random = _generator("clip")
    coarse = random.uniform(0, 200, (spec.frames, -(-size // 32), -(-size // 32), 3))
    coarse = coarse.repeat(32, axis=1).repeat(32, axis=2)[:, :size, :size]
    return np.round(coarse + random.uniform(0, 55, coarse.shape)).astype("float32")[None]


def cases(names: list[str]):
    """(key, spec, crop, dialect) of each comparison."""
    for name in names:
        for crop, size in (("train", NAMED[name].size), ("test", TEST_CROPS[name])):
            for dialect in DIALECTS.values():
                yield f"{name}_{crop}_{dialect.name}", NAMED[name], size, dialect


def reference(path: str, names: list[str]) -> None:
    """Writes the reference networks' logits of every place, (rows, columns, classes), one array a case."""
    from parity_torch import reference_logits

    found = {}
    for key, spec, size, dialect in cases(names):
        began = time.perf_counter()
        found[key] = reference_logits(spec, CLASSES, dialect.name, random_state(spec, dialect), random_clip(spec, size))
        print(f"{key:24} places {found[key].shape[0]}x{found[key].shape[1]}, largest logit "
              f"{np.abs(found[key]).max():.3g}, {time.perf_counter() - began:.1f} s", flush=True)
    np.savez_compressed(path, **found)


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    highest = values.max(axis=axis, keepdims=True)
    return highest + np.log(np.exp(values - highest).sum(axis=axis, keepdims=True))


def log_mean_softmax(logits: np.ndarray) -> np.ndarray:
    """What evaluation makes of the places: the logarithm of their mean softmax, (classes,)."""
    places = logits.reshape(-1, logits.shape[-1]).astype("float64")
    shares = places - _log_sum(places, axis=1)
    return _log_sum(shares, axis=0)[0] - np.log(len(places))


def difference(spec: Spec, size: int, dialect: Dialect, expected: np.ndarray, folder: str) -> tuple[float, float]:
    """The largest difference over the largest reference value: of the places' logits, and of the network's output.

    The weights go the user's way: into a checkpoint file, and by load_weights into a network at this crop.
    """
    import keras

    from expansion.network.model import X3D
    from expansion.weights.checkpoints import load_weights

    path = os.path.join(folder, "random.pyth")
    write_torch_file(path, random_state(spec, dialect))
    model = load_weights(X3D(spec, CLASSES, size=size), path)
    both = keras.Model(model.input, [model.get_layer("logits").output, model.output])
    logits, output = (found.numpy() for found in both(random_clip(spec, size), training=False))
    logits, output = logits.reshape(expected.shape), log_mean_softmax(output)
    target = log_mean_softmax(expected)
    return (float(np.abs(logits - expected).max() / np.abs(expected).max()),
            float(np.abs(output - target).max() / np.abs(target).max()))


def compare(path: str, names: list[str]) -> bool:
    """Prints both differences of each case; whether all are within the tolerance."""
    worst = 0.0
    with np.load(path) as stored, tempfile.TemporaryDirectory() as folder:
        for key, spec, size, dialect in cases(names):
            began = time.perf_counter()
            found = difference(spec, size, dialect, stored[key], folder)
            worst = max(worst, *found)
            print(f"{key:24} {size} px: logits {found[0]:.1e}, log of the mean softmax {found[1]:.1e}, "
                  f"{time.perf_counter() - began:.1f} s", flush=True)
    print(f"largest {worst:.1e}, allowed {TOLERANCE:g}")
    return worst <= TOLERANCE


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("reference", "compare"):
        sys.exit(__doc__)
    chosen = sys.argv[3:] or list(TEST_CROPS)
    if sys.argv[1] == "reference":
        reference(sys.argv[2], chosen)
    else:
        sys.exit(not compare(sys.argv[2], chosen))
