"""What a network costs, C(X): MACs, parameters, activation memory or latency. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from expansion.complexity import complexity
from expansion.spec import Spec

CostName = Literal["macs", "params", "memory", "latency"]
Cost = Callable[[Spec], float]

_UNITS = {
    "macs": (("G", 1e9), ("M", 1e6), ("k", 1e3)),
    "params": (("M", 1e6), ("k", 1e3)),
    "memory": (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)),
    "latency": (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)),
}


def cost_of(name: CostName, spec: Spec, classes: int, latency: Cost | None = None) -> float:
    """The cost of one clip at the training crop.

    Args:
        name: "macs": multiply-adds. "params": trained parameters, batch norm's included. "memory": bytes that a training
            step stores of one clip's activations for its backward pass, at four bytes a number; weights are not counted.
            "latency": seconds of a forward pass at batch 1.
        classes: outputs of the network.
        latency: measures it in seconds, such as latency.Latencies; needed for latency alone.
    """
    if name == "latency":
        if latency is None:
            raise ValueError("latency has to be measured: pass evaluation.latency.Latencies")
        return latency(spec)
    found = complexity(spec, classes)
    return {"macs": found.macs, "params": found.params, "memory": 4 * found.stored}[name]


def show_cost(name: CostName, value: float) -> str:
    """Three digits in the unit that suits: 1.96 G, 3.79 M, 1.2 GiB, 31.2 ms."""
    for unit, size in _UNITS[name]:
        if value >= size:
            return f"{value / size:.3g} {unit}"
    unit, size = _UNITS[name][-1]
    return f"{value / size:.3g} {unit}"


def in_macs(value: float) -> str:
    """The same with the name of what is counted: 1.96 GMACs."""
    return f"{show_cost('macs', value)}MACs"
