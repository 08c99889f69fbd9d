"""The search as a state machine: steps of candidates, what is known of each, and what comes next.

Plain Python, no TensorFlow and no Keras Tuner: the Oracle hands it results and asks for the next candidate. Its
dictionary form is the trace of the search, on disk as trace.json.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from expansion import axes as axes_module
from expansion.axes import AXES, Candidate, Limits
from expansion.complexity import complexity
from expansion.errors import InputError
from expansion.selection import Decision, Scored, decide
from expansion.settings import Settings
from expansion.spec import X2D, Spec, parse_spec

FORMAT_VERSION = 1
Axis = Literal["fast", "temporal", "spatial", "depth", "width", "bottleneck"]
Status = Literal["waiting", "running", "completed", "failed"]


class NoCandidate(RuntimeError):
    """Every candidate of a step failed, so the search cannot go on."""


def reason_of(message: str | None) -> str:
    """One line of a failure's message: the last of a traceback, else the first."""
    lines = (message or "").strip().splitlines() or ["no reason given"]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def _to_spec(value):
    if isinstance(value, str):
        return parse_spec(value)
    if isinstance(value, dict):
        unknown = [key for key in value if key not in X2D.as_dict()]
        if unknown:
            raise InputError(f"spec: unknown key {unknown[0]!r}; allowed are {', '.join(X2D.as_dict())}")
        return Spec(**value)
    return value


SpecSetting = Annotated[Spec, BeforeValidator(_to_spec)]  # a spec, its settings, or a name


class SearchSettings(Settings):
    """What a search looks for and when it ends.

    Args:
        seed: where it starts: a spec, its settings, or a name.
        classes: outputs of the networks (they count in the MACs).
        axes: axes to try, of axes.AXES.
        factor: cost of a candidate over its parent's.
        steps: expansions at most; with 0 the seed alone is trained.
        target_gmacs: end when a winner reaches this cost; one above it is contracted to it.
        target_accuracy: end when a winner reaches this accuracy (share of 1).
        follow: axes to take in steps 1, 2, ... whatever the accuracies say; the search ends where one cannot move.
        limits: what the data allows.

    Raises:
        pydantic.ValidationError: a key is unknown or a value is not allowed.
    """

    seed: SpecSetting = X2D
    classes: int = Field(400, ge=2)
    axes: tuple[Axis, ...] = Field(AXES, min_length=1)
    factor: float = Field(2.0, gt=1)
    steps: int = Field(11, ge=0)
    target_gmacs: float | None = Field(None, gt=0)
    target_accuracy: float | None = Field(None, gt=0, le=1)
    follow: tuple[Axis, ...] = ()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _follow_is_tried(self):
        for axis in self.follow:
            if axis not in self.axes:
                raise ValueError(f"follow: {axis!r} is not among the axes {', '.join(self.axes)}")
        return self

    def cost(self, spec: Spec) -> int:
        """C(X): MACs of one clip."""
        return complexity(spec, self.classes).macs


@dataclass
class CandidateState:
    """A candidate and what is known of it. accuracy is a share of 1, seconds of wall time, cost in MACs.

    `failures` has a line for each attempt that failed, also of candidates that completed at last; `message` is all that
    is known of the last one.
    """

    axis: str
    spec: Spec
    macs: int
    params: int
    params_without_bn: int
    merged: tuple[str, ...] = ()
    status: Status = "waiting"
    trial_id: str | None = None
    accuracy: float | None = None
    gain: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    correct: tuple[bool, ...] = ()
    failures: tuple[str, ...] = ()
    message: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The axes that propose it."""
        return (self.axis, *self.merged)

    @property
    def done(self) -> bool:
        return self.status in ("completed", "failed")


@dataclass
class Step:
    """One step: the parent's place, its candidates, the axes that could not move, and the decision."""

    step: int
    kind: Literal["seed", "expansion", "contraction"]
    candidates: list[CandidateState]
    saturated: list[axes_module.Saturated] = field(default_factory=list)
    decision: Decision | None = None

    @property
    def winner(self) -> CandidateState | None:
        return self.candidates[self.decision.winner] if self.decision else None


class Search:
    """Decides what is trained next, and each step once its candidates are done.

    Args:
        settings: what to search for and when to end.
        made_with: what else its results depend on (data, recipe, clips, seed), as JSON; kept in the trace.
    """

    def __init__(self, settings: SearchSettings, made_with: dict | None = None):
        broken = settings.limits.broken_by(settings.seed)
        if broken:
            raise InputError(f"search: the seed does not fit the data: {broken}")
        self.settings = settings
        self.made_with = made_with or {}
        self.steps: list[Step] = []
        self.set_aside: list[Step] = []
        self.stopped_by: str | None = None
        self._begin("seed", [Candidate("seed", settings.seed, settings.cost(settings.seed))])

    # What the Oracle calls

    def next(self) -> tuple[Step, CandidateState] | None:
        """A candidate that waits to be trained, or None: wait for running ones, or, if `finished`, stop."""
        if self.finished:
            return None
        step = self.steps[-1]
        return next(((step, candidate) for candidate in step.candidates if candidate.status == "waiting"), None)

    def started(self, candidate: CandidateState, trial_id: str) -> None:
        candidate.status, candidate.trial_id = "running", trial_id

    def completed(self, trial_id: str, accuracy: float, metrics: dict[str, float] | None = None,
                  correct: tuple[bool, ...] = ()) -> Step | None:
        """Records a result. Returns the step if this one decided it."""
        candidate = self.find(trial_id)
        candidate.status, candidate.accuracy = "completed", float(accuracy)
        candidate.metrics, candidate.correct = dict(metrics or {}), tuple(correct)
        return self._advance()

    def attempt_failed(self, trial_id: str, message: str) -> None:
        """Records that an attempt at a candidate failed; it is tried again."""
        candidate = self.find(trial_id)
        candidate.failures, candidate.message = (*candidate.failures, reason_of(message)), message

    def failed(self, trial_id: str, message: str) -> Step | None:
        """Records a failure that is not tried again, with its reason. Returns the step if this one decided it.

        Raises:
            NoCandidate: it was the step's last hope.
        """
        self.attempt_failed(trial_id, message)
        self.find(trial_id).status = "failed"
        return self._advance()

    def find(self, trial_id: str) -> CandidateState:
        return next(c for step in self.all_steps for c in step.candidates if c.trial_id == trial_id)

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

    # How a step is decided and the next one is made

    def _begin(self, kind, candidates: list[Candidate], saturated=()) -> None:
        states = []
        for candidate in candidates:
            cost = complexity(candidate.spec, self.settings.classes)
            states.append(CandidateState(candidate.axis, candidate.spec, cost.macs, cost.params,
                                         cost.params_without_bn, candidate.merged))
        self.steps.append(Step(len(self.steps), kind, states, list(saturated)))

    def _advance(self) -> Step | None:
        step = self.steps[-1]
        if step.decision or not all(candidate.done for candidate in step.candidates):
            return None
        self._decide(step)
        self._plan_next()
        return step

    def _decide(self, step: Step) -> None:
        places = [i for i, candidate in enumerate(step.candidates) if candidate.status == "completed"]
        if not places:
            reasons = "; ".join(f"{c.axis}: {reason_of(c.message)}" for c in step.candidates)
            raise NoCandidate(f"step {step.step}: no candidate completed ({reasons})")
        if step.kind != "expansion":
            step.decision = Decision(places[0], (), None, None, None, "unopposed")
            return
        parent = self.steps[step.step - 1].winner
        scored = [Scored(c.axis, c.accuracy, c.macs, c.params, c.correct) for c in (step.candidates[i] for i in places)]
        decision = decide(parent.accuracy, parent.macs, scored, self._prescribed(step, places))
        for place, gain in zip(places, decision.gains):
            step.candidates[place].gain = gain
        step.decision = decision.among(places)

    def _prescribed(self, step: Step, places: list[int]) -> int | None:
        """Which of the completed candidates `follow` names; None where it names none."""
        if step.step > len(self.settings.follow):
            return None
        axis = self.settings.follow[step.step - 1]
        found = next((i for i, place in enumerate(places) if axis in step.candidates[place].names), None)
        if found is None:
            raise NoCandidate(f"step {step.step}: {axis!r}, which the search is to follow, did not complete")
        return found

    def _plan_next(self) -> None:
        step, settings = self.steps[-1], self.settings
        winner, target = step.winner, settings.target_gmacs
        if step.kind == "contraction":
            self.stopped_by = "target_gmacs"
        elif settings.target_accuracy is not None and winner.accuracy >= settings.target_accuracy:
            self.stopped_by = "target_accuracy"
        elif target is not None and winner.macs >= target * 1e9:
            self._contract(winner, step)
        elif step.step >= settings.steps:
            self.stopped_by = "steps"
        else:
            candidates, saturated = axes_module.propose(
                winner.spec, settings.axes, settings.cost, settings.factor, settings.limits)
            ahead = settings.follow[step.step:step.step + 1]
            blocked = next((s for s in saturated if s.axis in ahead), None)
            if blocked:
                self.stopped_by = f"{blocked.axis} cannot move: {blocked.reason}"
            elif candidates:
                self._begin("expansion", candidates, saturated)
            else:
                self.stopped_by = "no axis can move"

    def _contract(self, winner: CandidateState, step: Step) -> None:
        target = self.settings.target_gmacs * 1e9
        smaller = None
        if step.kind == "expansion" and winner.macs > target:
            parent = self.steps[step.step - 1].winner
            smaller = axes_module.contract(parent.spec, winner.spec, winner.axis, target, self.settings.cost)
        if smaller is None:
            self.stopped_by = "target_gmacs"
            return
        before = next((old for old in self.set_aside
                       if (old.step, old.candidates[0].spec) == (len(self.steps), smaller)), None)
        if before is None:
            self._begin("contraction", [Candidate(winner.axis, smaller, self.settings.cost(smaller))])
            return
        self.set_aside.remove(before)
        self.steps.append(before)
        if before.decision:
            self.stopped_by = "target_gmacs"

    def continue_to(self, settings: SearchSettings) -> bool:
        """Takes over a new budget and goes on from where the search stands; True if the budget changed.

        A step that is begun is brought to its end. A contraction met the old target only: it is set aside, and the
        search goes on from the network that it made smaller.
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

    def try_again(self) -> None:
        """Where a step could not be decided for want of those that failed, they run once more: it was started again."""
        step = self.steps[-1]
        if step.decision is None and all(candidate.done for candidate in step.candidates):
            for candidate in step.candidates:
                if candidate.status == "failed":
                    candidate.status = "running"

    # On disk

    def as_dict(self) -> dict:
        """The trace: settings, steps with all candidates and decisions, and where the path stands."""
        return {
            "format_version": FORMAT_VERSION,
            "settings": self.settings.model_dump(mode="json"),
            "made_with": self.made_with,
            "status": "finished" if self.finished else "running",
            "stopped_by": self.stopped_by,
            "steps": [dataclasses.asdict(step) for step in self.steps],
            "set_aside": [dataclasses.asdict(step) for step in self.set_aside],
            "path": [{"axis": c.axis, "spec": c.spec.as_dict(), "macs": c.macs, "accuracy": c.accuracy}
                     for c in self.path],
        }

    @classmethod
    def from_dict(cls, trace: dict) -> Search:
        """A search as it was when as_dict was called.

        Raises:
            InputError: the trace is of another format.
        """
        if trace.get("format_version") != FORMAT_VERSION:
            raise InputError(f"trace: format {trace.get('format_version')!r} is not known; {FORMAT_VERSION} is allowed")
        search = cls(SearchSettings.model_validate(trace["settings"]), trace.get("made_with"))
        search.stopped_by = trace["stopped_by"]
        search.steps = [_read_step(step) for step in trace["steps"]]
        search.set_aside = [_read_step(step) for step in trace.get("set_aside", [])]
        return search


def _read_step(step: dict) -> Step:
    candidates = [
        CandidateState(**c | {"spec": Spec(**c["spec"])} | {
            name: tuple(c.get(name, ())) for name in ("merged", "correct", "failures")})
        for c in step["candidates"]]
    decision = Decision.from_dict(step["decision"]) if step["decision"] else None
    return Step(step["step"], step["kind"], candidates, [axes_module.Saturated(**s) for s in step["saturated"]], decision)
