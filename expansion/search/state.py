"""The search as a state machine: steps of candidates, what is known of each, and what comes next.

Plain Python, no TensorFlow and no Keras Tuner: the Oracle hands it results and asks for the next candidate. Its
dictionary form is the trace of the search, on disk as trace.json.
"""

from __future__ import annotations

import dataclasses

from pydantic import TypeAdapter

from expansion.foundation.errors import InputError
from expansion.search.costs import Cost
from expansion.search.decisions import decide_rung, decide_step, next_rung, reason_of
from expansion.search.path import Forecast, SearchPath
from expansion.search.probe import Probe
from expansion.search.settings import SearchSettings
from expansion.search.steps import CandidateState, Evidence, Rung, Step
from expansion.spec import Preserved
from expansion.tasks.registry import task_named

FORMAT_VERSION = 2
STEPS = TypeAdapter(list[Step])


class SearchState(SearchPath):
    """Decides what is trained next, and each step once its candidates are done.

    Args:
        settings, latency, forecast, steps, seed_keeps: as of SearchPath.
        made_with: what else its results depend on (data, recipe, clips, seed), as JSON; kept in the trace.

    Attributes:
        probe: what a linear classifier on that network's features reached; None where there was none.
        threads: of one training on a CPU, which the order of its sums depends on; None where the process has all cores.
        onednn: whether trainings use oneDNN's kernels (foundation.kernels); None until one has begun.
        cpu: what it began on, in words.

    Raises:
        InputError: the seed does not fit the data or the constraints.
    """

    def __init__(self, settings: SearchSettings, made_with: dict | None = None, *, latency: Cost | None = None,
                 forecast: Forecast | None = None, steps: list[Step] | None = None, seed_keeps: Preserved | None = None):
        super().__init__(settings, latency=latency, forecast=forecast, steps=steps, seed_keeps=seed_keeps)
        self.made_with = made_with or {}
        self.threads: int | None = None
        self.onednn: bool | None = None
        self.cpu: str | None = None
        self.probe: Probe | None = None

    # What is trained, and its results

    def start_all(self) -> list[tuple[Step, CandidateState]]:
        """The trainings that can start now, in the order of their trials; they count as running from then on."""
        found = []
        while proposal := self.next():
            step, training = proposal
            self.started(training, f"{sum(t.trial_id is not None for s in self.all_steps for t in s.trainings):04d}")
            found.append(proposal)
        for step in self.steps[-1:]:
            for training in step.trainings:
                if training.status == "waiting":  # it paused at a rung and is to continue, or its process was stopped
                    training.status = "running"
                    found.append((step, training))
        return sorted(found, key=lambda pair: pair[1].trial_id)

    def resume(self) -> None:
        """The process that had things run is gone: what ran waits again.

        Where a step could not be decided for want of those that failed, they run once more. Where one was decided, and the
        process was stopped before it planned the next one, that is planned now.
        """
        step = self.steps[-1]
        if step.decision and not self.finished:
            self._plan_next()
        undecided = step.decision is None and all(training.done for training in step.trainings)
        for training in step.trainings:
            if training.status == "running" or (undecided and training.status == "failed"):
                training.status = "waiting"

    def next(self) -> tuple[Step, CandidateState] | None:
        """A candidate that waits to be trained, or None: wait for running ones, or, if `finished`, stop."""
        if self.finished:
            return None
        step = self.steps[-1]
        return next(((step, training) for training in step.trainings
                     if training.status == "waiting" and training.trial_id is None), None)

    def rung(self, trial_id: str) -> int | None:
        """Index of the rung that a trial pauses at next; None where it trains to its end."""
        return next_rung(self.settings, *self.find(trial_id))

    def started(self, candidate: CandidateState, trial_id: str) -> None:
        candidate.status, candidate.trial_id = "running", trial_id

    def completed(self, trial_id: str, accuracy: float, metrics: dict[str, float] | None = None,
                  evidence: Evidence = ()) -> Step | None:
        """Records a result. Returns the step if this one decided it."""
        step, training = self.find(trial_id)
        task = task_named(self.settings.task)
        training.record(accuracy, metrics or {}, evidence, task)
        step.owner(training).average(task)
        return self._advance()

    def paused(self, trial_id: str, rung: Rung, metrics: dict[str, float] | None = None) -> Step | None:
        """Records that a trial has come to its next rung. Returns the step if this decided it."""
        training = self.find(trial_id)[1]
        training.status, training.rungs, training.metrics = "paused", (*training.rungs, rung), dict(metrics or {})
        return self._advance()

    def worker_lost(self, trial_id: str) -> None:
        """Records that a trial's worker was lost; the trial itself has not failed."""
        self.find(trial_id)[1].lost += 1

    def attempt_failed(self, trial_id: str, message: str) -> None:
        """Records that an attempt at a candidate failed; it is tried again."""
        _, candidate = self.find(trial_id)
        candidate.failures, candidate.message = (*candidate.failures, reason_of(message)), message

    def failed(self, trial_id: str, message: str) -> Step | None:
        """Records a failure that is not tried again, with its reason. Returns the step if this one decided it.

        Raises:
            NoCandidate: it was the step's last hope.
        """
        self.attempt_failed(trial_id, message)
        self.find(trial_id)[1].status = "failed"
        return self._advance()

    def find(self, trial_id: str) -> tuple[Step, CandidateState]:
        """The training that a trial is, and its step.

        Raises:
            KeyError: there is none.
        """
        for step in self.all_steps:
            for training in step.trainings:
                if training.trial_id == trial_id:
                    return step, training
        raise KeyError(trial_id)

    def _advance(self) -> Step | None:
        step = self.steps[-1]
        if step.decision or decide_rung(self.settings, step, self.parent(step)):
            return None
        if not all(training.done for training in step.trainings):
            return None
        if not decide_step(self.settings, step, self.parent(step), self.all_steps):
            return None
        self._plan_next()
        return step

    # As JSON

    def as_dict(self) -> dict:
        """The trace: settings, steps with all candidates and decisions, and where the path stands."""
        return self.head() | {"steps": STEPS.dump_python(self.steps), "set_aside": STEPS.dump_python(self.set_aside)}

    def head(self) -> dict:
        """The trace without the steps."""
        return {
            "format_version": FORMAT_VERSION,
            "settings": self.settings.model_dump(mode="json"),
            "made_with": self.made_with,
            "threads": self.threads, "onednn": self.onednn, "cpu": self.cpu,
            "probe": self.probe and dataclasses.asdict(self.probe),
            "status": "finished" if self.finished else "running",
            "stopped_by": self.stopped_by,
            "path": [{"axis": c.axis, "spec": c.spec.as_dict(), "macs": c.macs, "accuracy": c.accuracy}
                     for c in self.path],
        }

    @classmethod
    def from_dict(cls, trace: dict, **means) -> SearchState:
        """A search as it was when as_dict was called.

        Args:
            means: latency and forecast of SearchState, which a trace does not hold.

        Raises:
            InputError: the trace is of another version.
            ValueError: it is damaged.
        """
        if trace.get("format_version") != FORMAT_VERSION:
            raise InputError(f"trace: it was written by another version (format {trace.get('format_version')!r}; this one reads "
                             f"{FORMAT_VERSION})")
        search = cls(SearchSettings.model_validate(trace["settings"]), trace["made_with"],
                     steps=STEPS.validate_python(trace["steps"]), **means)
        search.stopped_by, search.threads = trace["stopped_by"], trace["threads"]
        search.onednn, search.cpu = trace.get("onednn"), trace.get("cpu")
        search.probe = Probe(**trace["probe"]) if trace.get("probe") else None
        search.set_aside = STEPS.validate_python(trace["set_aside"])
        return search
