"""`x3d worker`: trains candidates of a search that another process decides. Imports no TensorFlow itself."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

from rich.console import Console

from expansion.crew.board import BOARD
from expansion.crew.local import Crew, make_members
from expansion.crew.member import JOB
from expansion.display.console import noise_to
from expansion.foundation import files
from expansion.foundation.errors import InputError
from pipeline.runs.folder import RunFolder

KIND = "worker"
POLL = 1.0  # seconds between looks at what is posted


def work(run: str, runs: str, *, workers: int = 1, threads: int | None = None, records: str | None = None,
         verbose: bool = False) -> None:
    """Trains until the search has ended.

    Args:
        run: name or folder of a run, or the folder of a search. One that is not there yet is waited for.

    Raises:
        InputError: fewer than one worker or thread, or what is posted cannot be read.
    """
    for name, value in (("--workers", workers), ("--threads", threads)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; at least 1 is allowed")
    search = _once_there(run, runs)
    with tempfile.TemporaryDirectory() as elsewhere:
        folder = elsewhere if "://" in search() else os.path.join(files.absolute(search()), "workers")
        with noise_to(os.path.join(folder, f"{os.uname().nodename}-{os.getpid()}.log"), verbose) as console:
            _work(search, console, workers, threads, records)


def _once_there(run: str, runs: str) -> Callable[[], str]:
    """Waits for a search; returns what finds its folder, each time anew, for the run may begin another."""
    while (found := search_folder(run, runs)) is None:
        time.sleep(POLL)
    return lambda: search_folder(run, runs) or found


def search_folder(run: str, runs: str) -> str | None:
    """The folder of the search that a run is at, or that is named itself; None where workers find none yet."""
    named = [run] if "://" in run else [run, *(RunFolder(path).search_folder for path in (run, os.path.join(runs, run)))]
    return next((path for path in named if files.exists(os.path.join(path, BOARD))), None)


def _work(search, console: Console, workers: int, threads: int | None, records: str | None) -> None:
    console.print(f"joined {search()}", markup=False, soft_wrap=True)
    crew = Crew(make_members(search, KIND, workers, threads, data=records, poll=POLL, show=_Lines(console)))
    crew.start()
    try:
        crew.wait()
    finally:
        crew.close()
    done = sum(member.done for member in crew.members)
    console.print(f"the search has ended; {done} trial{'' if done == 1 else 's'} done here")


class _Lines:
    """A line for each trial that begins or ends."""

    def __init__(self, console: Console):
        self._console = console

    def took(self, trial: str, folder: str) -> None:
        job = files.read_json(os.path.join(folder, JOB))
        self._console.print(f"trial {trial}: step {job['step']} {job['axis']}", markup=False)

    def ended(self, trial: str, result: str) -> None:
        self._console.print(f"trial {trial}: {result}", markup=False)
