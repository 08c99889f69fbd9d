"""The path of a search: its steps, what they cost, and which one comes after a step that is decided. Plain Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from expansion.complexity import complexity
from expansion.foundation.errors import InputError
from expansion.search import axes as axes_module
from expansion.search.axes import Candidate
from expansion.search.constraints import broken_constraint
from expansion.search.costs import Cost, CostName, cost_of
from expansion.search.settings import SearchSettings
from expansion.search.steps import CandidateState, Step
from expansion.spec import Preserved, Spec, preserved
from expansion.tasks.registry import task_named

Forecast = Callable[["SearchPath", int, Sequence[int]], float | None]  # seconds of a step's candidates, by their MACs
NO_GAIN = "no gain"  # why a search ended: its last step gained nothing


class SearchPath:
    """The steps so far and, once the last one is decided, the next.

    Args:
        settings: what to search for and when to end.
        latency: measures a spec, in seconds, where it is a cost or a constraint; see evaluation.latency.Latencies.
        forecast: tells how long a step will take, where there is a limit in hours.
        steps: those of a trace; by default the search begins with its seed.
        seed_keeps: what the seed keeps of the network that the search grows from, see spec.preserved; None from scratch.

    Attributes:
        set_aside: contractions that met an earlier target.
        stopped_by: why the search has ended; None where it has not.

    Raises:
        InputError: the seed does not fit the data or the constraints.
    """

    def __init__(self, settings: SearchSettings, *, latency: Cost | None = None, forecast: Forecast | None = None,
                 steps: list[Step] | None = None, seed_keeps: Preserved | None = None):
        self.settings = settings
        self.latency, self.forecast = latency, forecast
        self.steps = steps or []
        self.set_aside: list[Step] = []
        self.seed_keeps = seed_keeps
        self.stopped_by: str | None = None
        if not self.steps:
            broken = settings.limits.broken_by(settings.start)
            if broken:
                raise InputError(f"search: the seed does not fit the data: {broken}")
            if broken := self.rejects(settings.start):
                raise InputError(f"search: the seed does not meet the constraints: {broken}")
            self._begin("seed", [self._candidate("seed", settings.start)])

    def cost(self, spec: Spec, name: CostName | None = None) -> float:
        """C(X) of a spec, or another of its costs."""
        return cost_of(name or self.settings.cost, spec, self.settings.classes, self.latency)

    def rejects(self, spec: Spec) -> str | None:
        """Which constraint a spec breaks, or None."""
        return broken_constraint(self.settings.constraints, lambda name: self.cost(spec, name))

    @property
    def all_steps(self) -> list[Step]:
        """The steps of the path, then those set aside."""
        return self.steps + self.set_aside

    @property
    def finished(self) -> bool:
        return self.stopped_by is not None

    @property
    def taken(self) -> list[Step]:
        """The steps that are decided, without a last one that gained nothing and ended the search."""
        steps = self.steps[:-1] if self.stopped_by == NO_GAIN else self.steps
        return [step for step in steps if step.winner]

    @property
    def path(self) -> list[CandidateState]:
        """The winners of the steps taken, from the seed on; the last one is what the search found."""
        return [step.winner for step in self.taken]

    def _candidate(self, axis: str, spec: Spec) -> Candidate:
        return Candidate(axis, spec, self.cost(spec))

    def _begin(self, kind, candidates: list[Candidate], saturated=()) -> None:
        step = Step(len(self.steps), kind, [], list(saturated), cost=self.settings.cost,
                    score=task_named(self.settings.task).noun)
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

    def _plan_next(self) -> None:
        step, settings = self.steps[-1], self.settings
        winner, target = step.winner, settings.target_gmacs
        if step.kind == "contraction":
            self.stopped_by = "target_gmacs"
        elif not step.gained and settings.without_gain == "stop" and step.number > len(settings.follow):
            self.stopped_by = NO_GAIN
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

        A step that is begun is brought to its end. One that gained nothing is taken where the new budget is to continue
        without gain. A contraction met the old target only: it is set aside, and the
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
