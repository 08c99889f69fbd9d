"""Python functions in tf.data that do not keep the interpreter from ending.

A tf.data iterator that is alive at the end is waited for when it is destroyed. By then its threads get no more turn in
Python, so that one on its way into a Python function is waited for without end (Python 3.11 to 3.14 alike).
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref

import tensorflow as tf

SETTLE_SECONDS = 0.05  # for threads that are past the gate and not yet in Python


class ExitGate:
    """Lets a graph call Python functions until the interpreter ends; then waits for the calls under way.

    Whatever makes it is to be kept as long as the graph: it is what is closed in the end.
    """

    def __init__(self):
        with tf.device("CPU:0"), tf.init_scope():
            self._open = tf.Variable(True, trainable=False)
        self._lock, self._calls, self._used = threading.Lock(), 0, False
        close = weakref.WeakMethod(self._close)
        atexit.register(lambda: (close() or (lambda: None))())

    def call(self, function, argument, dtype):
        """What `function` makes of a tensor, a tensor of its shape and of `dtype`; empty values after the end."""
        def counted(value):
            with self._lock:
                self._calls, self._used = self._calls + 1, True
            try:
                return function(value)
            finally:
                with self._lock:
                    self._calls -= 1

        return tf.cond(self._open, lambda: tf.numpy_function(counted, [argument], dtype, stateful=False),
                       lambda: tf.zeros(tf.shape(argument), dtype))

    def _close(self) -> None:
        if not self._used:
            return
        self._open.assign(False)
        time.sleep(SETTLE_SECONDS)
        while self._calls:
            time.sleep(SETTLE_SECONDS)
