"""The loop of a search: has an engine train what the state asks for, and tells the state what came of it.

This process alone decides and commits. Everything is on disk before it counts: a search that is killed at any moment
resumes from its trace, and its trials from their last epoch. Plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from expansion.foundation import files
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Rung, Step
from expansion.search.trace import TraceText, write_trace_text
from expansion.tuning.engines.engine import Began, Done, Engine, Epoch, Event, Failed, Lost
from expansion.tuning.folders import SearchFolder, TrialFolder
from expansion.tuning.jobs import TrialJob, objective, write_job


class Watcher(Protocol):
    """Where the loop tells how things stand."""

    def began(self, trial: str) -> None: ...

    def epoch(self, trial: str, epoch: int, epochs: int, logs: dict) -> None: ...

    def ended(self, trial: str, metrics: dict | None, reason: str | None) -> None: ...

    def lost(self, trial: str, reason: str) -> None: ...

    def decided(self, step: Step) -> None: ...


class SearchLoop:
    """Runs a search to its end.

    Args:
        state: of the search.
        folder: where it lies.
        engine: trains.
        job: what a training is to do.
        retries: how often a training that failed is tried again.
        watcher: where to tell how it goes.
    """

    def __init__(self, state: SearchState, folder: SearchFolder, engine: Engine, job: Callable[[Step, CandidateState], TrialJob],
                 retries: int, watcher: Watcher):
        self.state, self.folder, self.engine = state, folder, engine
        self._job, self._retries, self._watcher = job, retries, watcher
        self._text = TraceText()

    def run(self) -> None:
        """Until the search has ended.

        Raises:
            NoCandidate: no candidate of a step completed.
            InputError: the engine cannot train.
        """
        self.state.resume()
        self.save()
        if self.state.finished:
            return
        try:
            self.engine.start()
            self._submit()
            while not self.state.finished:
                self.engine.poll(self.handle)
        finally:
            self.engine.close()

    def save(self) -> None:
        """Writes the trace."""
        write_trace_text(self.folder.path, self._text(self.state))

    def _submit(self) -> None:
        """Has all trained that can be at present; saved once, for a save takes the longer the more there are."""
        startable = self.state.start_all()
        if startable:
            self.save()
        for step, training in startable:
            self._submit_one(step, training)

    def _submit_one(self, step: Step, training: CandidateState) -> None:
        folder = self.folder.trial(training.trial_id)
        write_job(folder, self._job(step, training))
        self.engine.submit(training.trial_id, files.absolute(folder.path))

    def handle(self, event: Event) -> None:
        """Takes note of an event of the engine."""
        if isinstance(event, Began):
            self._watcher.began(event.trial, event.cpu)
        elif isinstance(event, Epoch):
            self._watcher.epoch(event.trial, event.epoch, event.epochs, event.logs)
        elif isinstance(event, Lost):
            self.state.worker_lost(event.trial)
            self.save()
            self._watcher.lost(event.trial, event.reason)
        elif isinstance(event, Failed):
            self._failed(event)
        else:
            self._done(event)

    def _failed(self, event: Failed) -> None:
        self._watcher.ended(event.trial, None, event.reason)
        message = f"{event.reason}\n\n{event.details}".strip()
        step, training = self.state.find(event.trial)
        # A search that was started again after all of a step failed has its retries again.
        if len(training.failures) % (self._retries + 1) < self._retries:
            self.state.attempt_failed(event.trial, message)
            self.save()
            self._submit_one(step, training)
            return
        try:
            decided = self.state.failed(event.trial, message)
        finally:
            self.save()
        self._went_on(decided)

    def _done(self, event: Done) -> None:
        rung, folder = self.state.rung(event.trial), self.folder.trial(event.trial)
        folder.commit(TrialFolder(event.attempt) if event.attempt else None, rung)
        result = folder.read_result(rung)
        score = objective(self.state.settings.task)
        accuracy = event.metrics[score]
        metrics = {name: value for name, value in event.metrics.items() if name != score}
        evidence = tuple(result.get("evidence", ())) if result else ()
        self._watcher.ended(event.trial, event.metrics, None)
        if rung is None:
            decided = self.state.completed(event.trial, accuracy, metrics, evidence)
        else:
            decided = self.state.paused(
                event.trial, Rung(result["epoch"], accuracy, evidence, tuple(result.get("curve", ()))), metrics)
        self.save()
        self._went_on(decided)

    def _went_on(self, decided: Step | None) -> None:
        if decided:
            for candidate in decided.candidates:
                if candidate.status == "stopped":
                    files.remove_folder(self.folder.trial(candidate.trial_id).checkpoint)
            self._watcher.decided(decided)
        if not self.state.finished:
            self._submit()
