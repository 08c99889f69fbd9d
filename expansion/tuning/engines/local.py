"""Trains in child processes of this machine. What crashes, leaks or runs out of memory there ends one attempt and no more."""

from __future__ import annotations

import os
import select
from collections import Counter, deque
from collections.abc import Callable, Sequence

from expansion.foundation.kernels import variables
from expansion.tuning.engines.engine import LOST_RETRIES, Began, Done, Epoch, Event, Failed, Lost
from expansion.tuning.trial_process import COMMAND, TrialProcess, exit_reason, is_crash

WAIT = 1.0  # seconds at the most that a call of `poll` waits
NVIDIA = "/proc/driver/nvidia/gpus"  # a folder for each GPU, where there is the driver


class Local:
    """The engine of child processes. They start with the search and serve trial after trial.

    Args:
        workers: processes that train at the same time; they share the GPUs.
        threads: of one training.
        onednn: whether they use oneDNN's kernels.
        command: of a process.

    Attributes:
        memory: bytes that a process held after its trial, the last one that has ended; None where that is not known.
    """

    def __init__(self, workers: int, threads: int, onednn: bool, command: tuple[str, ...] = COMMAND):
        self.parallel = workers
        self.memory: int | None = None
        self._processes = [TrialProcess(command, {"TF_NUM_INTRAOP_THREADS": str(threads)} | variables(onednn) | share)
                           for share in gpu_shares(workers, _gpus())]
        self._queue: deque[tuple[str, str]] = deque()
        self._folders: dict[str, str] = {}
        self._lost: Counter[str] = Counter()  # workers lost in a row at a trial, without an epoch between

    def start(self) -> None:
        for process in self._processes:
            process.start()

    def submit(self, trial: str, folder: str) -> None:
        self._folders[trial] = folder
        self._queue.append((trial, folder))
        self._dispatch()

    def _dispatch(self) -> None:
        for process in self._processes:
            if self._queue and process.trial is None:
                process.send(*self._queue.popleft())

    def poll(self, tell: Callable[[Event], None]) -> None:
        busy = [process for process in self._processes if process.trial is not None]
        ready, _, _ = select.select(busy, (), (), WAIT)
        for process in ready:
            trial = process.trial
            events, code = process.read()
            for event in events:
                self._tell(process, trial, event, tell)
            if code is not None:
                self._ended(trial, process.began, code, tell)
        self._dispatch()

    def _tell(self, process: TrialProcess, trial: str, event: dict, tell: Callable[[Event], None]) -> None:
        kind = event["event"]
        if kind == "began":
            tell(Began(trial, f"process {process.pid}"))
        elif kind == "epoch":
            self._lost[trial] = 0
            tell(Epoch(trial, event["epoch"], event["epochs"], event["logs"]))
        elif kind == "failed":
            process.close()  # what failed may have left anything behind
            tell(Failed(trial, event["reason"], event["details"]))
        else:
            self.memory = event["memory"]
            process.done(self.memory)
            tell(Done(trial, event["metrics"], event["attempt"]))

    def _ended(self, trial: str, began: bool, code: int, tell: Callable[[Event], None]) -> None:
        """A process has ended at its trial, or on its way there."""
        reason = exit_reason(code)
        crashed = began and is_crash(code)
        self._lost[trial] = 0 if crashed else self._lost[trial] + 1
        if crashed:
            tell(Failed(trial, reason))
        elif self._lost[trial] > LOST_RETRIES:
            self._lost[trial] = 0
            tell(Failed(trial, f"{LOST_RETRIES + 1} workers in a row were lost at it; of the last one: {reason}"))
        else:
            self._queue.appendleft((trial, self._folders[trial]))
            tell(Lost(trial, reason))

    def close(self) -> None:
        for process in self._processes:
            process.close()
        self._queue.clear()


def _gpus() -> list[str]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name]
    return [str(number) for number in range(len(os.listdir(NVIDIA)))] if os.path.isdir(NVIDIA) else []


def gpu_shares(workers: int, gpus: Sequence[str]) -> list[dict[str, str]]:
    """Environment variables that give each of several workers its GPUs: their own, or one that they share."""
    if workers < 2 or not gpus:
        return [{} for _ in range(workers)]
    if len(gpus) >= workers:
        return [{"CUDA_VISIBLE_DEVICES": ",".join(gpus[number::workers])} for number in range(workers)]
    return [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)], "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
            for number in range(workers)]
