"""Latency of a spec's network on this machine, measured once and kept. TensorFlow is imported when something is measured."""

from __future__ import annotations

import os
import platform

from expansion.foundation import files
from expansion.foundation.machine import cores
from expansion.spec import Spec

LATENCIES = "latency.json"  # in a search's folder
CALLS, SECONDS = 30, 3.0  # calls of which the median is taken; fewer where they take longer than this together


def measure_latency(spec: Spec, classes: int) -> float:
    """Seconds of one clip: the median of calls of a freshly initialised network's forward pass at batch 1.

    What runs is the function that evaluation and export run. Clips are pixels in memory; decoding is not in it.
    """
    from expansion.evaluation.networks import keras_network
    from expansion.network.model import build_model

    return keras_network(build_model(spec, classes)).latency(calls=CALLS, at_most=SECONDS)


class Latencies:
    """Measures specs when asked, each once.

    Args:
        classes: outputs of the networks.
        folder: where latency.json is kept; None to keep nothing. What another machine wrote there is not used.
    """

    def __init__(self, classes: int, folder: str | os.PathLike | None = None):
        self.classes = classes
        self._path = None if folder is None else os.path.join(folder, LATENCIES)
        self._known: dict[str, float] | None = None
        self._machine = f"{platform.node()}, {platform.machine()}, {cores()} cores"

    def __call__(self, spec: Spec) -> float:
        """Seconds of one clip at batch 1. The stride has no part in it."""
        if self._known is None:
            self._known = self._read()
        key = f"{spec.replace(stride=1)}, {self.classes} classes"
        if key not in self._known:
            self._known[key] = measure_latency(spec, self.classes)
            if self._path is not None:
                files.write_json(self._path, {"machine": self._machine, "seconds": self._known})
        return self._known[key]

    def _read(self) -> dict[str, float]:
        if self._path is None or not files.exists(self._path):
            return {}
        kept = files.read_json(self._path)
        return kept["seconds"] if kept["machine"] == self._machine else {}
