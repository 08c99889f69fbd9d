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
    """Lets a graph call a Python function until the interpreter ends."""

    def __init__(self, function, dtype):
        """`function` makes of an array one of its shape and of `dtype`."""
        self._function, self._dtype = function, dtype
        with tf.device("CPU:0"), tf.init_scope():
            self._open = tf.Variable(True, trainable=False)
        self._lock = threading.Lock()
        self.calls, self.used = 0, False
        _gates.add(self)

    def __call__(self, argument):
        """What the function makes of a tensor; empty values after the end."""
        return tf.cond(self._open, lambda: tf.numpy_function(self._counted, [argument], self._dtype, stateful=False),
                       lambda: tf.zeros(tf.shape(argument), self._dtype))

    def _counted(self, value):
        with self._lock:
            self.calls, self.used = self.calls + 1, True
        try:
            return self._function(value)
        finally:
            with self._lock:
                self.calls -= 1

    def close(self) -> None:
        """Lets no further calls begin."""
        self._open.assign(False)


_gates: weakref.WeakSet[ExitGate] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Waits for the calls under way when no further ones can begin."""
    gates = [gate for gate in _gates if gate.used]
    for gate in gates:
        gate.close()
    while gates:
        time.sleep(SETTLE_SECONDS)
        gates = [gate for gate in gates if gate.calls]
