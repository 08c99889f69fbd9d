"""A process of its own for trials, so that a crash or a leak in one cannot take the search down.

`python -m expansion.tuning.trial_process` reads folders of trials from standard input, a line of JSON each, runs their jobs
(expansion.trial) and writes what happens as lines of JSON to standard output; all that libraries print goes to standard
error. It ends when its input ends: a search that is killed leaves no process behind.
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

MEMORY_GROWTH = 512 << 20  # bytes that a worker may gain over its first trial before another takes its place


class TrialFailed(RuntimeError):
    """An attempt at a trial failed in a worker: one line why, and what is known beside it."""

    def __init__(self, reason: str, details: str = ""):
        super().__init__(reason)
        self.details = details


class _NeverBegan(RuntimeError):
    """The process ended before it took the trial up."""


class Worker:
    """Runs trials in a process that is started when it is needed, and replaced after a failure or when it has grown.

    Args:
        command: of the process.
        env: environment variables of the process, over those of this one.

    Attributes:
        memory: bytes that the process held after the last trial; None where that is not known.
    """

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "expansion.tuning.trial_process"),
                 env: dict[str, str] | None = None):
        self.command, self.env = command, env or {}
        self.memory: int | None = None
        self._process: subprocess.Popen | None = None
        self._abandoned = False
        self._first_memory: int | None = None

    def run(self, folder: str, on_epoch: Callable[[int, int, dict], None] | None = None) -> dict[str, float]:
        """Runs the job of a trial's folder. Returns its metrics.

        Raises:
            TrialFailed: it raised, or the process ended.
        """
        waiting, self._abandoned = self._process is not None, False
        self.start()
        try:
            return self._follow(self._process, folder, on_epoch)
        except _NeverBegan as ended:
            self.close()
            if not waiting or self._abandoned:
                raise TrialFailed(str(ended)) from None
            return self.run(folder, on_epoch)  # it died before, while it waited
        except BaseException:
            self.close()
            raise

    def abandon(self) -> None:
        """Ends the process while another thread waits in `run`, which raises TrialFailed then."""
        self._abandoned = True
        if process := self._process:
            process.kill()

    def close(self) -> None:
        """Ends the process; a trial that runs in it goes on from its last epoch when it is started again."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with contextlib.suppress(BrokenPipeError):  # what was written last may be unread
                self._process.stdin.close()
            self._process.stdout.close()
        self._process = self._first_memory = None

    def start(self) -> None:
        """Starts the process, if there is none, so that it is ready when the first trial comes."""
        if self._process is not None:
            return
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                         encoding="utf-8", bufsize=1, env=os.environ | {"PYTHONPATH": path} | self.env)

    def _follow(self, process: subprocess.Popen, folder: str, on_epoch) -> dict[str, float]:
        try:
            process.stdin.write(json.dumps(folder) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended; its output ends as well
        began = False
        for line in process.stdout:
            event, began = json.loads(line), True
            if event["event"] == "epoch" and on_epoch:
                on_epoch(event["epoch"], event["epochs"], event["logs"])
            elif event["event"] == "failed":
                raise TrialFailed(event["reason"], event["details"])
            elif event["event"] == "done":
                self._weigh(event["memory"])
                return event["metrics"]
        raise (TrialFailed if began else _NeverBegan)(how_it_ended(process.wait()))

    def _weigh(self, memory: int | None) -> None:
        self.memory = memory
        if self._first_memory is None:
            self._first_memory = memory
        if memory is None or memory > self._first_memory + MEMORY_GROWTH:
            self.close()


def how_it_ended(code: int) -> str:
    """A process's exit code in words."""
    if code >= 0:
        return f"the worker process ended with code {code}"
    name = {signal.SIGKILL: "perhaps out of memory"}.get(-code) or (signal.strsignal(-code) or "unknown").lower()
    return f"the worker process was killed (signal {-code}, {name})"


def memory_in_use() -> int | None:
    """Bytes of memory that this process holds; None where the system does not tell (it does on Linux)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


# In the process


def _load() -> ModuleType:
    import_keras()
    return importlib.import_module("expansion.tuning.trial")


def main(load: Callable[[], ModuleType] = _load) -> None:
    """Serves folders until the input ends.

    Args:
        load: imports what runs the trials: a module with `run_job` and `read_job` as those of expansion.tuning.trial. It is called
            before the first trial comes, and again at each trial until it has not raised.
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
        trial = load()
        metrics = trial.run_job(folder, trial.read_job(folder), on_epoch=lambda epoch, epochs, logs: tell(
            event="epoch", epoch=epoch, epochs=epochs, logs={name: float(value) for name, value in logs.items()}))
    except Exception as error:
        tell(event="failed", reason=reason_for(error), details=traceback.format_exc())
    else:
        tell(event="done", metrics=metrics, memory=memory_in_use())


def reason_for(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, TrialFailed):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


if __name__ == "__main__":
    main()
