"""The process of a search that decides: posts the Oracle's trials, watches their turns, takes in what comes of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from keras_tuner.engine import trial as trial_module

from expansion.crew.board import Board, read_board, trial_folder, write_board
from expansion.crew.member import CHECKPOINT, JOB
from expansion.crew.settings import WorkerSettings
from expansion.crew.turns import Entry, Turns
from expansion.foundation import files
from expansion.search.trace import OUTCOME
from expansion.tuning.oracle import ExpansionOracle

CHIEF = "chief"  # what the names of its own members begin with


class Shown(Protocol):
    """Where the chief tells how trials stand."""

    def began(self, trial: str) -> None: ...

    def epoch(self, trial: str, epoch: int, epochs: int, logs: dict) -> None: ...

    def ended(self, trial: str, metrics: dict | None, reason: str | None) -> None: ...


class Chief:
    """Has an Oracle's trials done by whoever takes them.

    Args:
        folder: of the search.
        oracle: on that folder; only one chief at a time has it.
        data: folder of the records.
        settings: how workers are waited for.
        write_job: writes a trial's job into its folder; returns what tells one job from another.
        on_trial_end: called with a trial of which status, metrics and message are set.
        shown: where to tell how trials stand.
    """

    def __init__(self, folder: str, oracle: ExpansionOracle, data: str, settings: WorkerSettings,
                 write_job: Callable[[trial_module.Trial], str],
                 on_trial_end: Callable[[trial_module.Trial], None] | None = None, shown: Shown | None = None):
        self.folder, self.oracle = folder, oracle
        self._write_job, self._on_trial_end, self._shown = write_job, on_trial_end or oracle.end_trial, shown
        self._me = CHIEF
        self._running: dict[str, trial_module.Trial] = {}
        self._turns: dict[str, Turns] = {}
        self._told: dict[str, tuple[int, int]] = {}
        before = read_board(folder)
        threads = before.threads if before and settings.threads is None else settings.threads_each
        self.board = Board(folder=folder, data=data, threads=threads, lost_after=settings.lost_after)

    def begin(self) -> None:
        """Posts what is to be done first."""
        self._hand_out()

    def step(self) -> bool:
        """Takes in what has ended, and posts what follows from it. False when the search has ended."""
        ended = [trial for trial in list(self._running) if self._look(trial)]
        if ended:
            self._hand_out()
        return bool(self._running)

    def close(self) -> None:
        """Tells the workers that the search has ended."""
        self.board = self.board.model_copy(update={"finished": True, "trials": ()})
        write_board(self.folder, self.board)

    def _hand_out(self) -> None:
        for trial in self.oracle.create_trials():
            self._post(trial)
        # In the order of their ids they are trained as by one process.
        trials = tuple(sorted(self._running))
        if trials != self.board.trials:
            self.board = self.board.model_copy(update={"trials": trials})
            write_board(self.folder, self.board)

    def _post(self, trial: trial_module.Trial) -> None:
        name = trial.trial_id
        _, candidate = self.oracle.search.place(name)
        posting = f"{self._write_job(trial)} attempt {len(candidate.failures) + 1}"
        turns = self._turns.setdefault(name, Turns(trial_folder(self.folder, name), self._me))
        while True:
            last = turns.refresh()
            begun = last is not None and last.posting == posting
            # A chief's members end with it, so no one has to wait until they count as lost.
            orphaned = begun and last.kind == "taken" and last.by.startswith(CHIEF)
            if (begun and not orphaned) or turns.add("open", posting):
                break
        self._running[name] = trial

    def _look(self, name: str) -> bool:
        """Shows how a trial stands; True if it has ended and is taken in."""
        turns = self._turns[name]
        last = turns.refresh()
        if last.kind == "taken":
            self._tell(name, turns, last)
            return False
        if last.kind == "open":
            return False
        trial = self._running.pop(name)
        if last.kind == "done":
            self._take_in(trial, turns, last)
        else:
            said = last.said
            trial.status = trial_module.TrialStatus.INVALID
            trial.message = f"{said['reason']}\n\n{said.get('details', '')}".strip()
        if self._shown:
            self._shown.ended(name, last.said.get("metrics"), last.said.get("reason"))
        self._on_trial_end(trial)
        return True

    def _tell(self, name: str, turns: Turns, last: Entry) -> None:
        if not self._shown:
            return
        number, epoch = self._told.get(name, (0, 0))
        if number != last.number:
            self._shown.began(name)
            epoch = 0
        beat = turns.beat(last.number)
        if beat.get("epoch", 0) > epoch:
            epoch = beat["epoch"]
            self._shown.epoch(name, epoch, beat["epochs"], beat["logs"])
        self._told[name] = last.number, epoch

    def _take_in(self, trial: trial_module.Trial, turns: Turns, last: Entry) -> None:
        """Puts the work of the turn in the trial's place, and its metrics into the Oracle; may be done again."""
        work, folder = turns.work(last.number - 1), turns.folder
        if files.exists(work) and not files.exists(os.path.join(work, CHECKPOINT)):
            files.remove_folder(os.path.join(folder, CHECKPOINT))
        files.move_into(work, folder, OUTCOME, leave=(JOB,))
        for number in range(1, last.number):
            files.remove_folder(turns.work(number))
        self.oracle.update_trial(trial.trial_id, last.said["metrics"])
        trial.status = trial_module.TrialStatus.COMPLETED
