"""A member of a search's crew: takes posted trials one by one, has each done by its worker process, hands it in."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from typing import Protocol

from expansion.crew.board import Board, read_board, trial_folder
from expansion.crew.turns import BEATS, Lease, LeaseLost, Turns, Watch
from expansion.foundation import files
from expansion.tuning.trial_process import TrialFailed, Worker, reason_for

CHECKPOINT = "checkpoint"  # of the training, in the folder that it works in
JOB = "job.json"
LEAST_BEAT = 1.0  # seconds between signs of life at the end of epochs


def name_of(kind: str, number: int = 0) -> str:
    """A name for a member that no other has; begins with its kind."""
    return f"{kind} {platform.node()}:{os.getpid()}.{number} {uuid.uuid4().hex[:8]}"


class Show(Protocol):
    """Where a member tells what it does."""

    def took(self, trial: str, folder: str) -> None: ...

    def ended(self, trial: str, result: str) -> None: ...


class Member:
    """Does trials until the search has ended or it is stopped.

    Args:
        folder: finds the search's folder each time, for another may begin.
        name: of name_of.
        make_worker: makes the process, given the threads of a trial.
        data: folder of the records, where it is another here than for the chief.
        poll: seconds between looks at what is posted.
        show: where to tell.
    """

    def __init__(self, folder: Callable[[], str], name: str, make_worker: Callable[[int], Worker], *,
                 data: str | None = None, poll: float = 1.0, show: Show | None = None):
        self._find, self.name, self._make_worker, self._data = folder, name, make_worker, data
        self._poll, self._show = poll, show
        self._stop = threading.Event()
        self._worker: Worker | None = None
        self._watch: Watch | None = None
        self._turns: dict[str, Turns] = {}
        self.done = 0

    def run(self) -> None:
        """Does trials. It returns when the search has ended, or after `stop`.

        Raises:
            InputError: the board cannot be read.
        """
        try:
            while not self._stop.is_set():
                folder = self._find()
                board = read_board(folder)
                if board and board.finished:
                    return
                taken = self._take(folder, board) if board else None
                if taken is None:
                    self._stop.wait(self._poll)
                else:
                    self._do(*taken, folder, board)
        finally:
            self.close()

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._worker:
            self._worker.close()

    def stop(self) -> None:
        """Makes `run` give back what it has and return; from another thread."""
        self._stop.set()
        if self._worker:
            self._worker.abandon()

    def ready(self, threads: int) -> None:
        """Starts the process, so that it loads what it needs before there is a trial."""
        self._worker = self._make_worker(threads)
        self._worker.start()

    def _take(self, folder: str, board: Board) -> tuple[str, Lease] | None:
        if self._watch is None or self._watch.lost_after != board.lost_after:
            self._watch = Watch(board.lost_after)
        for trial in board.trials:
            path = trial_folder(folder, trial)
            turns = self._turns.setdefault(path, Turns(path, self.name))
            if lease := self._watch.take(turns):
                return trial, lease
        return None

    def _do(self, trial: str, lease: Lease, folder: str, board: Board) -> None:
        if self._worker is None:
            self.ready(board.threads)
        if self._show:
            self._show.took(trial, lease.turns.folder)
        try:
            with self._heart(lease, board.lost_after / BEATS) as beat:
                work = self._prepare(lease, folder, board)
                metrics = self._worker.run(work, beat)
        except TrialFailed as error:
            if self._stop.is_set():
                self._end(trial, lease, "open", None, "given back")
            else:
                self._end(trial, lease, "failed", {"reason": reason_for(error), "details": error.details},
                          f"failed: {reason_for(error)}")
        except BaseException:
            with contextlib.suppress(LeaseLost, OSError):
                lease.end("open")
            raise
        else:
            self._end(trial, lease, "done", {"metrics": metrics}, f"done in {metrics.get('seconds', 0):.0f} s")

    def _end(self, trial: str, lease: Lease, kind, said: dict | None, result: str) -> None:
        try:
            lease.end(kind, said)
            self.done += kind == "done"
        except LeaseLost:
            result = "taken over by another: this worker was thought to be lost"
            files.remove_folder(lease.turns.work(lease.number))
        if self._show:
            self._show.ended(trial, result)

    def _prepare(self, lease: Lease, folder: str, board: Board) -> str:
        """The turn's folder, with the job as it reads here and the last checkpoint of who had the trial before."""
        turns, work = lease.turns, lease.turns.work(lease.number)
        before = [turns.work(number) for number in range(lease.number - 1, 0, -1)]
        found = next((path for path in (os.path.join(place, CHECKPOINT) for place in [*before, turns.folder])
                      if files.exists(path)), None)
        if found:
            files.copy_folder(found, os.path.join(work, CHECKPOINT))
        job = files.read_json(os.path.join(turns.folder, JOB))
        files.write_json(os.path.join(work, JOB), _here(job, folder, board, self._data))
        return work

    @contextlib.contextmanager
    def _heart(self, lease: Lease, seconds: float):
        """Shows that the trial is in work, until the block ends; ends the process when another has taken it."""
        over, lock, shown = threading.Event(), threading.Lock(), [0.0]

        def renew(progress: dict | None = None) -> None:
            with lock, contextlib.suppress(OSError):  # a file system that does not answer may do so later
                try:
                    lease.renew(progress)
                    shown[0] = time.monotonic()
                except LeaseLost:
                    over.set()
                    self._worker.abandon()

        def pulse() -> None:
            while not over.wait(seconds):
                renew()

        def epoch(number: int, epochs: int, logs: dict) -> None:
            if time.monotonic() - shown[0] >= LEAST_BEAT or number == epochs:
                renew({"epoch": number, "epochs": epochs, "logs": logs})

        renew()
        thread = threading.Thread(target=pulse, daemon=True)
        thread.start()
        try:
            yield epoch
        finally:
            over.set()
            thread.join()


def _here(job: dict, folder: str, board: Board, data: str | None) -> dict:
    """A job with the paths that hold on this machine."""
    folder = files.absolute(folder)

    def moved(path: str | None) -> str | None:
        inside = path is not None and path.startswith(board.folder)
        return folder + path.removeprefix(board.folder) if inside else path

    return job | {"data": data or job["data"], "parent": moved(job["parent"]), "logs": moved(job["logs"])}
