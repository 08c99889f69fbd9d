"""Searches through the real loop, folders and state, with trials that train nothing."""

import os
import time
from collections.abc import Callable

from expansion.foundation import files
from expansion.recipe import ClipSettings, Recipe
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.search.trace import continue_search, has_trace, read_trace
from expansion.tuning.engines.engine import Began, Done, Epoch, Failed
from expansion.tuning.folders import SearchFolder, TrialFolder
from expansion.tuning.jobs import TrialJob, objective, read_job
from expansion.tuning.loop import SearchLoop
from expansion.tuning.trial_process import reason_for


class Killed(BaseException):
    """Stands for whatever ends a process."""


def outcome(accuracy: float, evidence=(), **more) -> dict:
    """What a trial leaves."""
    return {"metrics": {objective(): accuracy, "seconds": 1.0}, "evidence": list(evidence), **more}


def events(engine, *trials, folder="a"):
    """All that an engine tells until these trials have ended; each does what its name says."""
    found, ends = [], time.monotonic() + 600
    for trial in trials:
        engine.submit(trial, os.path.join(folder, trial))
    while sum(isinstance(event, (Done, Failed)) for event in found) < len(trials):
        engine.poll(found.append)
        assert time.monotonic() < ends, found
    return found


class FakeEngine:
    """Trains nothing: `train` makes the outcome of a job, or raises. It leaves what a real trial leaves.

    Args:
        pick: which of the queue ends next: 0 the first one, -1 the last one.
        killed_at: the number of the event at which this process ends, before it is told.
    """

    parallel = 1

    def __init__(self, train: Callable[[TrialJob], dict], pick: int = 0, killed_at: int | None = None):
        self.train, self.pick, self.killed_at = train, pick, killed_at
        self.queue: list[tuple[str, str]] = []
        self.trained: list[TrialJob] = []
        self.events = 0
        self.closed = False

    def start(self) -> None:
        pass

    def submit(self, trial: str, folder: str) -> None:
        self.queue.append((trial, folder))

    def poll(self, tell) -> None:
        trial, folder = self.queue.pop(self.pick)
        place = TrialFolder(folder)
        job = read_job(place)
        self._tell(tell, Began(trial))
        if found := place.read_result(job.rung):
            return self._tell(tell, Done(trial, found["metrics"]))
        for earlier in place.attempts():
            if found := earlier.read_result(job.rung):
                return self._tell(tell, Done(trial, found["metrics"], earlier.path))
        self.trained.append(job)
        try:
            found = self.train(job)
        except Exception as error:
            return self._tell(tell, Failed(trial, reason_for(error), "and more about it"))
        attempt = place.begin_attempt()
        files.write_text(attempt.model, "model")
        self._tell(tell, Epoch(trial, 1, 2, {"accuracy": 0.5}))
        files.write_json(attempt.result(job.rung), found)
        self._tell(tell, Done(trial, found["metrics"], attempt.path))

    def _tell(self, tell, event) -> None:
        self.events += 1
        if self.events == self.killed_at:
            raise Killed
        tell(event)

    def close(self) -> None:
        self.closed = True


class Told:
    """A watcher that remembers what it was told."""

    def __init__(self):
        self.calls: list[tuple] = []

    def __getattr__(self, name):
        return lambda *args: self.calls.append((name, *args))

    def of(self, name: str) -> list[tuple]:
        return [call[1:] for call in self.calls if call[0] == name]


def job_of(state: SearchState):
    def job(step: Step, training: CandidateState) -> TrialJob:
        rung = state.rung(training.trial_id)
        return TrialJob(data="records", step=step.number, kind=step.kind, axis=training.axis, spec=training.spec.as_dict(),
                        recipe=Recipe(), clips=ClipSettings(), seed=training.repeat, rung=rung, logs="logs")

    return job


def state_on(folder, settings: SearchSettings, made_with: dict | None = None) -> SearchState:
    """The search of a folder, begun or continued."""
    path = str(folder)
    if not has_trace(path):
        return SearchState(settings, made_with)
    state = read_trace(path)
    continue_search(state, settings, made_with or {}, path)
    return state


def run_loop(folder, settings: SearchSettings, engine, retries: int = 1, watcher=None) -> SearchState:
    """Runs, or resumes, the search of a folder to its end."""
    state = state_on(folder, settings)
    SearchLoop(state, SearchFolder(str(folder)), engine, job_of(state), retries, watcher or Told()).run()
    return state
