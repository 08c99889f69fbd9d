"""The search as a state machine: steps of candidates, what is known of each, and what comes next.

Plain Python, no TensorFlow and no Keras Tuner: the Oracle hands it results and asks for the next candidate. Its
dictionary form is the trace of the search, on disk as trace.json.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from pydantic import TypeAdapter

from expansion.complexity import complexity
from expansion.foundation.errors import InputError
from expansion.search import axes as axes_module
from expansion.search.axes import Candidate
from expansion.search.constraints import broken_constraint
from expansion.search.costs import Cost, CostName, cost_of
from expansion.search.decisions import decide_rung, decide_step, next_rung, reason_of
from expansion.search.probe import Probe
from expansion.search.settings import SearchSettings
from expansion.search.steps import CandidateState, Evidence, Rung, Step
from expansion.spec import Preserved, Spec, preserved
from expansion.tasks.registry import task_named

FORMAT_VERSION = 2
STEPS = TypeAdapter(list[Step])

Forecast = Callable[["SearchState", int, Sequence[int]], float | None]  # seconds of a step's candidates, by their MACs


class SearchState:
    """Decides what is trained next, and each step once its candidates are done.

    Args:
        settings: what to search for and when to end.
        made_with: what else its results depend on (data, recipe, clips, seed), as JSON; kept in the trace.
        latency: measures a spec, in seconds, where it is a cost or a constraint; see evaluation.latency.Latencies.
        forecast: tells how long a step will take, where there is a limit in hours.
        steps: those of a trace; by default the search begins with its seed.
        seed_keeps: what the seed keeps of the network that the search grows from, see spec.preserved; None from scratch.

    Attributes:
        probe: what a linear classifier on that network's features reached; None where there was none.
        threads: of one training on a CPU, which the order of its sums depends on; None where the process has all cores.
        onednn: whether trainings use oneDNN's kernels (foundation.kernels); None until one has begun.
        cpu: what it began on, in words.

    Raises:
        InputError: the seed does not fit the data or the constraints.
    """

    def __init__(self, settings: SearchSettings, made_with: dict | None = None, *, latency: Cost | None = None,
                 forecast: Forecast | None = None, steps: list[Step] | None = None,
                 seed_keeps: Preserved | None = None):
        self.settings = settings
        self.made_with = made_with or {}
        self.latency, self.forecast = latency, forecast
        self.steps = steps or []
        self.set_aside: list[Step] = []
        self.seed_keeps = seed_keeps
        self.threads: int | None = None
        self.onednn: bool | None = None
        self.cpu: str | None = None
        self.probe: Probe | None = None
        self.stopped_by: str | None = None
        if not self.steps:
            broken = settings.limits.broken_by(settings.start)
            if broken:
                raise InputError(f"search: the seed does not fit the data: {broken}")
            if broken := self.rejects(settings.start):
                raise InputError(f"search: the seed does not meet the constraints: {broken}")
            self._begin("seed", [self._candidate("seed", settings.start)])

    # Costs

    def cost(self, spec: Spec, name: CostName | None = None) -> float:
        """C(X) of a spec, or another of its costs."""
        return cost_of(name or self.settings.cost, spec, self.settings.classes, self.latency)

    def rejects(self, spec: Spec) -> str | None:
        """Which constraint a spec breaks, or None."""
        return broken_constraint(self.settings.constraints, lambda name: self.cost(spec, name))

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

    @property
    def all_steps(self) -> list[Step]:
        """The steps of the path, then those set aside."""
        return self.steps + self.set_aside

    @property
    def finished(self) -> bool:
        return self.stopped_by is not None

    @property
    def path(self) -> list[CandidateState]:
        """The winners so far, from the seed on."""
        return [step.winner for step in self.steps if step.winner]

    @property
    def chosen(self) -> CandidateState | None:
        """The network that it ends with, so far: the end of the path.

        From weights it is the most accurate of the path, of equals the first, so that it is no worse than what it grew from.
        """
        path = self.path
        if self.settings.weights is None or not path:
            return path[-1] if path else None
        return max(path, key=lambda winner: winner.accuracy)

    # How a step is decided and the next one is made

    def _candidate(self, axis: str, spec: Spec) -> Candidate:
        return Candidate(axis, spec, self.cost(spec))

    def _begin(self, kind, candidates: list[Candidate], saturated=()) -> None:
        step = Step(len(self.steps), kind, [], list(saturated), cost=self.settings.cost)
        parent = self.parent(step)
        for candidate in candidates:
            found = complexity(candidate.spec, self.settings.classes)
            kept = self.seed_keeps if kind == "seed" else None
            if parent and self.settings.warm_start:
                kept = preserved(parent.spec, candidate.spec)
            step.candidates.append(CandidateState(
                candidate.axis, candidate.spec, found.macs, found.params, found.params_without_bn, candidate.merged,
                cost=candidate.cost, warm_start=kept))
        self.steps.append(step)

    def parent(self, step: Step) -> CandidateState | None:
        """The network that a step's candidates grow from; a contraction reduces what grew from the one before."""
        back = {"seed": None, "expansion": 1, "contraction": 2}[step.kind]
        return self.steps[step.number - back].winner if back else None

    def _advance(self) -> Step | None:
        step = self.steps[-1]
        if step.decision or decide_rung(self.settings, step, self.parent(step)):
            return None
        if not all(training.done for training in step.trainings):
            return None
        if not decide_step(self.settings, step, self.parent(step)):
            return None
        self._plan_next()
        return step

    def _plan_next(self) -> None:
        step, settings = self.steps[-1], self.settings
        winner, target = step.winner, settings.target_gmacs
        if step.kind == "contraction":
            self.stopped_by = "target_gmacs"
        elif settings.target_accuracy is not None and winner.accuracy >= settings.target_accuracy:
            self.stopped_by = "target_accuracy"
        elif target is not None and winner.macs >= target * 1e9:
            self._contract(winner, step)
        elif step.number >= settings.steps:
            self.stopped_by = "steps"
        else:
            candidates, saturated = axes_module.propose(
                winner.spec, settings.axes, self.cost, settings.factor, settings.limits, self.rejects)
            ahead = settings.follow[step.number:step.number + 1]
            blocked = next((s for s in saturated if s.axis in ahead), None)
            if blocked:
                self.stopped_by = f"{blocked.axis} cannot move: {blocked.reason}"
            elif not candidates:
                self.stopped_by = "no axis can move"
            elif self._too_long(candidates):
                self.stopped_by = "hours"
            else:
                self._begin("expansion", candidates, saturated)

    def _too_long(self, candidates: list[Candidate]) -> bool:
        if self.settings.hours is None or self.forecast is None:
            return False
        spent = sum(t.metrics.get("seconds", 0.0) for step in self.all_steps for t in step.trainings)
        ahead = self.forecast(self, len(self.steps), [int(self.cost(c.spec, "macs")) for c in candidates])
        return ahead is not None and spent + ahead > 3600 * self.settings.hours

    def _contract(self, winner: CandidateState, step: Step) -> None:
        target = self.settings.target_gmacs * 1e9
        smaller = None
        if step.kind == "expansion" and winner.macs > target:
            parent = self.steps[step.number - 1].winner
            smaller = axes_module.contract(parent.spec, winner.spec, winner.axis, target,
                                           lambda spec: self.cost(spec, "macs"))
        if smaller is None:
            self.stopped_by = "target_gmacs"
            return
        before = next((old for old in self.set_aside
                       if (old.number, old.candidates[0].spec) == (len(self.steps), smaller)), None)
        if before is None:
            self._begin("contraction", [self._candidate(winner.axis, smaller)])
            return
        self.set_aside.remove(before)
        self.steps.append(before)
        if before.decision:
            self.stopped_by = "target_gmacs"

    def extend_budget(self, settings: SearchSettings) -> bool:
        """Adopts a new budget and continues from where the search stands; True if the budget changed.

        A step that is begun is brought to its end. A contraction met the old target only: it is set aside, and the
        search continues from the network that it made smaller.
        """
        if settings == self.settings:
            return False
        self.settings = settings
        if self.steps[-1].kind == "contraction":
            self.set_aside.append(self.steps.pop())
        if self.steps[-1].decision:
            self.stopped_by = None
            self._plan_next()
        return True

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
