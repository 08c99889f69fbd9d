"""Which kernels TensorFlow computes with on a CPU: its own, compiled for the oldest CPUs, or oneDNN's, made for the CPU at hand.

The switch is an environment variable, which TensorFlow reads once in a process. Without it, it takes oneDNN's only on CPUs
with vector products of 8 or 16 bits. What is chosen here instead was measured (`python -m benchmarks kernels`, and with
`--cpu avx2`; docs/explanation/speed.md), so that a search does not depend on a measurement of its own. Plain Python.
"""

from __future__ import annotations

import os
import platform
import sys

from expansion.foundation.cpu import TENSORFLOW_WANTS, Cpu, this_cpu

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
# Pixels of a clip from which oneDNN trains faster on AVX2. Time of TensorFlow's own kernels over that of oneDNN's, training:
# 0.72 at 4,096 pixels, 1.06 and 1.16 at 12,544, 1.2 to 1.7 at 102,400 (XS).
AVX2_PIXELS = 8_000

_chosen: list[bool] = []  # what `choose` set in this process; empty where the environment came with it, or has none


def _given() -> bool | None:
    """What the environment says, as TensorFlow reads it."""
    return {"0": False, "false": False, "1": True, "true": True}.get(os.environ.get(ONEDNN, "").lower())


def given() -> bool | None:
    """What the user asked for by the environment variable; None where he did not."""
    return None if _chosen else _given()


def onednn_in_use() -> bool:
    """Whether TensorFlow uses oneDNN's kernels in this process, by the environment and by its own rule."""
    found = _given()
    return by_tensorflow(this_cpu()) if found is None else found


def by_tensorflow(cpu: Cpu) -> bool:
    """What TensorFlow does by itself."""
    return platform.system() == "Linux" and not TENSORFLOW_WANTS.isdisjoint(cpu.features)


def onednn_for(pixels: int | None = None, cpu: Cpu | None = None) -> bool:
    """Whether to use oneDNN's kernels.

    Args:
        pixels: of a clip that is trained on, frames * size * size; of a search, its seed's. None for inference alone, in
            which oneDNN's lose at most a tenth, at 1,024 pixels.
        cpu: by default this machine's.
    """
    cpu = cpu or this_cpu()
    measured = {"avx512": True, "avx2": pixels is None or pixels >= AVX2_PIXELS}
    return measured.get(cpu.vectors, by_tensorflow(cpu))


def choose(onednn: bool) -> None:
    """Sets the switch for this process and what it starts, unless the user has, or TensorFlow is imported already."""
    if given() is None and "tensorflow" not in sys.modules:
        _chosen[:] = [onednn]
        os.environ[ONEDNN] = variables(onednn)[ONEDNN]


def variables(onednn: bool) -> dict[str, str]:
    """The environment variable for another process."""
    return {ONEDNN: str(int(onednn))}


def in_words(onednn: bool) -> str:
    return f"oneDNN {'on' if onednn else 'off'}"
