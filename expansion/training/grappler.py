"""Training without grappler's passes over the graph, where they cost time and give none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

SWITCH = "disable_meta_optimizer"


@contextlib.contextmanager
def without_passes(model) -> Iterator[None]:
    """Within it, a training step of the model runs as it was traced; on a single CPU, elsewhere nothing is changed.

    Grappler takes a third of the time to a training's first step. A step of these networks has little for it to find:
    times with and without are equal within the noise of 1 % (benchmarks/README.md). On a GPU it determines the layout of tensors.
    """
    accelerators = [device for device in tf.config.list_logical_devices() if device.device_type != "CPU"]
    before = tf.config.optimizer.get_experimental_options()
    if accelerators or model.distribute_strategy.num_replicas_in_sync > 1:
        yield
        return
    tf.config.optimizer.set_experimental_options({SWITCH: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({SWITCH: before.get(SWITCH, False)})
