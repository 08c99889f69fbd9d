"""A process of its own for trials, so that a crash or a leak in one cannot take the search down.

`python -m expansion.tuning.trial_process` reads folders of trials from standard input, one line of JSON each, runs their
jobs (expansion.tuning.trial) and writes what happens as lines of JSON to standard output; all that libraries print goes
to standard error. It ends when its input ends: a search that is killed leaves no process behind.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from types import ModuleType

from expansion.foundation.imports import import_keras

COMMAND = (sys.executable, "-m", "expansion.tuning.trial_process")
MEMORY_GROWTH = 512 << 20  # bytes that a process may gain over its first trial before another takes its place
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}  # what a fault of its own ends it by


class TrialProcess:
    """The side of the search: starts the process, gives it one trial at a time and reads what it tells.

    Args:
        command: of the process.
        env: environment variables of the process, over those of this one.

    Attributes:
        trial: what it works on, by the name given with it; None while it waits.
        began: whether it has taken that up.
    """

    def __init__(self, command: tuple[str, ...] = COMMAND, env: dict[str, str] | None = None):
        self.command, self.env = command, env or {}
        self.trial: str | None = None
        self.began = False
        self._process: subprocess.Popen | None = None
        self._unread = b""
        self._first_memory: int | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the process, if there is none, so that it is ready when the first trial comes."""
        if self._process is not None:
            return
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                         env=os.environ | {"PYTHONPATH": path} | self.env)

    def send(self, trial: str, folder: str) -> None:
        """Gives it a trial."""
        self.start()
        self.trial, self.began = trial, False
        with contextlib.suppress(BrokenPipeError):  # it has ended; so does its output
            self._process.stdin.write(json.dumps(folder).encode() + b"\n")

    def fileno(self) -> int:
        """What can be waited for with `select`: it is ready when `read` has something."""
        return self._process.stdout.fileno()

    def read(self) -> tuple[list[dict], int | None]:
        """What it has told since the last call, and its exit code if it has ended. Blocks where there is nothing."""
        found = os.read(self.fileno(), 1 << 16)
        if not found:
            code = self._process.wait()
            self.close()
            return [], code
        *lines, self._unread = (self._unread + found).split(b"\n")
        events = [json.loads(line) for line in lines]
        self.began = self.began or bool(events)
        return events, None

    def done(self, memory: int | None) -> None:
        """The trial is over; a process that has grown, or whose size is not known, is ended.

        Args:
            memory: bytes that it holds.
        """
        self.trial = None
        self._first_memory = self._first_memory or memory
        if memory is None or memory > self._first_memory + MEMORY_GROWTH:
            self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                pipe.close()
        self._process = self._first_memory = self.trial = None
        self._unread = b""


def is_crash(code: int) -> bool:
    """Whether a process that was at work ended by a fault of its own; else it was killed from outside, or for want of memory."""
    return code >= 0 or -code in CRASHES


def exit_reason(code: int) -> str:
    """A process's exit code in words."""
    if code >= 0:
        return f"the worker process ended with code {code}"
    name = {signal.SIGKILL: "perhaps out of memory"}.get(-code) or (signal.strsignal(-code) or "unknown").lower()
    return f"the worker process was killed (signal {-code}, {name})"


def reason_for(error: BaseException) -> str:
    """An exception in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def failure(error: BaseException) -> dict[str, str]:
    """What is known of an exception, in its handler: one line why, and its traceback."""
    return {"reason": reason_for(error), "details": traceback.format_exc()}


def memory_in_use() -> int | None:
    """Bytes of memory that this process holds; None where the system does not tell (it does on Linux)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


# In the process


def load_trials() -> ModuleType:
    """Imports what runs trials, expansion.tuning.trial, with TensorFlow and Keras."""
    import_keras()
    return importlib.import_module("expansion.tuning.trial")


def main(load: Callable[[], ModuleType] = load_trials) -> None:
    """Serves folders until the input ends.

    Args:
        load: imports what runs the trials: a module with `run_attempt` as that of expansion.tuning.trial. It is called before
            the first trial comes, and again at each trial until it has not raised.
    """
    output = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    # An interrupt at the terminal reaches this process too; the search decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    folders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(folders,), daemon=True).start()
    with contextlib.suppress(Exception):  # the first trial will tell
        load()
    gc.freeze()  # a trial's collection of garbage then does not go through all that TensorFlow and Keras are made of
    while True:
        _serve(load, folders.get(), lambda **event: output.write(json.dumps(event) + "\n"))


def _listen(folders: queue.Queue) -> None:
    for line in sys.stdin:
        folders.put(json.loads(line))
    os._exit(0)


def _serve(load: Callable[[], ModuleType], folder: str, tell: Callable[..., object]) -> None:
    tell(event="began")
    try:
        metrics, attempt = load().run_attempt(folder, lambda epoch, epochs, logs: tell(
            event="epoch", epoch=epoch, epochs=epochs, logs={name: float(value) for name, value in logs.items()}))
    except Exception as error:
        tell(event="failed", **failure(error))
    else:
        tell(event="done", metrics=metrics, attempt=attempt, memory=memory_in_use())


if __name__ == "__main__":
    main()
