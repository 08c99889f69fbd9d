"""How long training waits for its input: measured where a batch is handed over, inside tf.data."""

from __future__ import annotations

import tensorflow as tf


class InputWait:
    """Seconds that whoever reads a dataset waits for its elements, on one device.

    What is prefetched costs no waiting. It begins with the first element, so that filling a cache or a shuffle counts.
    """

    def __init__(self):
        with tf.device("CPU:0"):
            self._seconds = tf.Variable(0.0, trainable=False, dtype=tf.float64)

    def measured(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """The same elements; taking one adds the seconds that it took."""
        clock = tf.data.Dataset.range(tf.int64.max).map(lambda _: tf.timestamp())

        def add(before, element, after):
            with tf.control_dependencies([self._seconds.assign_add(after - before)]):
                return tf.nest.map_structure(tf.identity, element)

        # zip takes from its datasets one after the other: the time before, the element, the time after.
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False  # it would take elements before they are asked for
        return tf.data.Dataset.zip((clock, dataset, clock)).map(add).with_options(options)

    @property
    def seconds(self) -> float:
        """Waited since `take` was last called."""
        return float(self._seconds.numpy())

    def take(self) -> float:
        """Seconds waited since the last call."""
        seconds = self.seconds
        self._seconds.assign(0.0)
        return seconds
