"""What an engine is: it trains the trials that it is given, and tells what happens to them. Plain Python.

An engine works on folders: a trial's holds its job, and what is made of it is left there (tuning.folders). What passes
between an engine and the deciding process is paths and JSON. It retries a trial whose worker is lost, killed from
outside or with its machine, by itself; whether a trial that failed is tried again is the search's decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

LOST_RETRIES = 3  # workers that may be lost in a row at one trial before the trial is to blame


@dataclass(frozen=True)
class Began:
    """An attempt at a trial has begun; `worker` says where, `cpu` on what, if that may be another machine's."""

    trial: str
    worker: str = ""
    cpu: str = ""


@dataclass(frozen=True)
class Epoch:
    """An epoch, counted from 1, of so many has ended, with Keras' logs of it."""

    trial: str
    epoch: int
    epochs: int
    logs: dict[str, float]


@dataclass(frozen=True)
class Done:
    """A trial came to its end, or to the rung that its job names. `attempt` is the folder to commit; None: it was before."""

    trial: str
    metrics: dict[str, float]
    attempt: str | None = None


@dataclass(frozen=True)
class Failed:
    """An attempt failed: one line why, and further details."""

    trial: str
    reason: str
    details: str = ""


@dataclass(frozen=True)
class Lost:
    """The worker of a trial is lost, which is no failed attempt; the engine has dispatched the trial again."""

    trial: str
    reason: str


Event = Began | Epoch | Done | Failed | Lost


class Engine(Protocol):
    """Trains trials. Not for use by two threads at once.

    Attributes:
        parallel: how many trials train at the same time, as far as that is known; at least 1.
    """

    parallel: int

    def start(self) -> None:
        """Gets ready to train.

        Raises:
            InputError: it cannot; one line says why.
        """

    def submit(self, trial: str, folder: str) -> None:
        """Queues a trial, whose folder holds its job."""

    def poll(self, tell: Callable[[Event], None]) -> None:
        """Tells of each event since the last call. Where there is none it waits, about a second at the most.

        Raises:
            InputError: no trial can be trained any more; one line says why.
        """

    def close(self) -> None:
        """Ends what runs. A trial that is interrupted resumes from its last epoch when it is submitted again."""
