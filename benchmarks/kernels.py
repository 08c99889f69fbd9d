"""This project's network with TensorFlow's own CPU kernels and with those of oneDNN, by size: what foundation.kernels knows."""

from __future__ import annotations

from benchmarks.harness import Case, Contender
from expansion.foundation.kernels import ONEDNN

SIZES = {  # network, batch
    "tiny": ("frames=1,stride=8,size=32", 32),
    "demo": ("frames=4,stride=4,size=32", 32),
    "small": ("frames=4,stride=4,size=56", 16),
    "x2d": ("frames=1,stride=20,size=112", 16),
    "xs": ("XS", 8),
}


def _case(name: str, mode: str) -> Case:
    network, batch = SIZES[name]
    return Case(f"{mode}-{name}-kernels", f"{mode}, {network}, batch {batch}: oneDNN on and off", tuple(
        Contender(f"oneDNN {text}", "benchmarks.network_ours", {"network": network, "mode": mode, "batch": batch},
                  group="" if value == "1" else "off", environment={ONEDNN: value})
        for text, value in (("on", "1"), ("off", "0"))), seconds=1.0)


CASES = tuple(_case(name, mode) for name in SIZES for mode in ("train", "infer"))
