"""Trains in the process that decides, one trial after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from expansion.tuning.engines.engine import Began, Done, Epoch, Event, Failed
from expansion.tuning.trial import run_attempt
from expansion.tuning.trial_process import failure


class InProcess:
    """The engine without child processes: the simplest to debug; a crash ends the search, which then resumes."""

    parallel = 1

    def __init__(self):
        self._queue: deque[tuple[str, str]] = deque()

    def start(self) -> None:
        """Nothing to do."""

    def submit(self, trial: str, folder: str) -> None:
        self._queue.append((trial, folder))

    def poll(self, tell: Callable[[Event], None]) -> None:
        """Trains the next trial to its end."""
        if not self._queue:
            return
        trial, folder = self._queue.popleft()
        faults_of_search: list[Exception] = []

        def epoch_ended(epoch: int, epochs: int, logs: dict) -> None:
            try:
                tell(Epoch(trial, epoch, epochs, logs))
            except Exception as error:
                faults_of_search.append(error)
                raise

        tell(Began(trial))
        try:
            metrics, attempt = run_attempt(folder, epoch_ended)
        except Exception as error:
            if faults_of_search:
                raise
            tell(Failed(trial, **failure(error)))
        else:
            tell(Done(trial, metrics, attempt))

    def close(self) -> None:
        self._queue.clear()
