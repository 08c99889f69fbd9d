"""The errors that libav logs: of some cut-off files it says so nowhere else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import av

_lock = threading.Lock()
_listeners = 0
_usual_level: int | None = None


@contextlib.contextmanager
def libav_errors(messages: list[str]) -> Iterator[None]:
    """Adds the errors that libav logs in this thread within the block to `messages`.

    The log level is the whole process's, so the last listener of all threads restores it. The block must not contain a
    yield: what PyAV captures is a stack for each thread, and a generator that is left early would take another's.
    """
    global _listeners, _usual_level
    with _lock:
        if not _listeners:
            _usual_level = av.logging.get_level()
            av.logging.set_level(av.logging.ERROR)
            av.logging.set_skip_repeated(False)
        _listeners += 1
    try:
        with av.logging.Capture() as logged:
            yield
        messages += [message for _, _, message in logged]
    finally:
        with _lock:
            _listeners -= 1
            if not _listeners:
                av.logging.set_level(_usual_level)
