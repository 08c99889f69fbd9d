"""Constants that a graph takes in once, however often they are used."""

from __future__ import annotations

import functools

import tensorflow as tf


@functools.lru_cache(maxsize=4096, typed=True)
def constant(value: float | tuple[int, ...]) -> tf.Tensor:
    """A number (float32) or a tuple of whole numbers (int32: a shape, axes, a begin; () is float32) as a tensor.

    A tuple that is handed to an operation becomes a new constant in the graph; those were a third of a training step's
    operations, and each takes part in the time that a trial needs to start. An eager tensor becomes one a graph.
    """
    with tf.init_scope():
        return tf.constant(value)
