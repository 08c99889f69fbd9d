"""A step of a search and its candidates: what is known of each. Plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal

from expansion.search.axes import Saturated
from expansion.search.costs import CostName
from expansion.search.racing import Standing
from expansion.search.selection import Decision
from expansion.spec import Spec
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task

Evidence = tuple[bool, ...] | tuple[float, ...]  # see tasks.task.Task.evidence
Status = Literal["waiting", "running", "paused", "stopped", "completed", "failed"]


@dataclass(frozen=True)
class Rung:
    """What a race knows of a candidate at a rung.

    Args:
        epoch: epochs trained by then.
        accuracy: the task's score on the validation videos, of a training whose schedule is unfinished; share of 1.
        evidence: what the task pairs networks by: which of the videos were right, or mAP on resampled ones.
        curve: accuracy on training clips after each epoch.
        standing: how it compared with the others; None until all have reached the rung.
    """

    epoch: int
    accuracy: float
    evidence: Evidence = ()
    curve: tuple[float, ...] = ()
    standing: Standing | None = None


@dataclass
class CandidateState:
    """A candidate and what is known of it. accuracy is the task's score, a share of 1; seconds are of wall time.

    Args:
        cost: C(X), in the unit of the search's cost; MACs by default.
        repeat: which training of the candidate this is, from 0.
        accuracy: mean over the candidate's trainings.
        accuracies: of each completed training, the first one's first. All else here is the first training's.
        interval: 95 % confidence interval of the accuracy for the number of validation videos; None where that is not
            known.
        failures: a line for each attempt that failed, also of candidates that completed at last.
        message: all that is known of the last failure.
        lost: workers that were lost while they trained it, which are no failures of its own.
        warm_start: which function of the parent it began with, see spec.preserved; None from scratch.
        rungs: where it paused in a race; the last one says why it stopped, where its status is "stopped".
        repeats: further trainings with other seeds, each in the form of a candidate.
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
    evidence: Evidence = ()
    failures: tuple[str, ...] = ()
    message: str | None = None
    lost: int = 0
    cost: float | None = None
    repeat: int = 0
    accuracies: tuple[float, ...] = ()
    interval: tuple[float, float] | None = None
    warm_start: str | None = None
    rungs: tuple[Rung, ...] = ()
    repeats: list[CandidateState] = field(default_factory=list)

    def __post_init__(self):
        self.cost = self.macs if self.cost is None else self.cost

    @property
    def names(self) -> tuple[str, ...]:
        """The axes that propose it."""
        return (self.axis, *self.merged)

    @property
    def done(self) -> bool:
        return self.status in ("completed", "failed", "stopped")

    @property
    def trainings(self) -> list[CandidateState]:
        """Itself, then its further trainings."""
        return [self, *self.repeats]

    @property
    def all_evidence(self) -> list[Evidence]:
        """The evidence of each completed training."""
        return [training.evidence for training in self.trainings if training.status == "completed"]

    def record(self, accuracy: float, metrics: dict[str, float], evidence: Evidence, task: Task = SINGLE_LABEL) -> None:
        """Records the result of this training."""
        self.status, self.accuracies = "completed", (float(accuracy),)
        self.metrics, self.evidence = dict(metrics), tuple(evidence)
        self.average(task)

    def average(self, task: Task = SINGLE_LABEL) -> None:
        """Computes accuracy and interval from all completed trainings."""
        further = (training.accuracies[0] for training in self.repeats if training.status == "completed")
        self.accuracies = (self.accuracies[0], *further)
        self.accuracy = fmean(self.accuracies)
        self.interval = task.interval(self.accuracy, self.evidence) if self.evidence else None

    def add_repeat(self) -> CandidateState:
        """A further training of the same, which waits to be run."""
        repeat = len(self.repeats) + 1
        self.repeats.append(CandidateState(self.axis, self.spec, self.macs, self.params, self.params_without_bn, self.merged,
                                           cost=self.cost, repeat=repeat, warm_start=self.warm_start))
        return self.repeats[-1]


@dataclass
class Step:
    """One step: its candidates, the axes that could not move, and the decision.

    Args:
        number: 0 for the seed, then one after the other.
        cost: what the candidates' costs and gains are counted in.
        score: what their accuracies are, in a word: "accuracy", or "mAP".
    """

    number: int
    kind: Literal["seed", "expansion", "contraction"]
    candidates: list[CandidateState]
    saturated: list[Saturated] = field(default_factory=list)
    decision: Decision | None = None
    cost: CostName = "macs"
    score: str = "accuracy"

    @property
    def winner(self) -> CandidateState | None:
        return self.candidates[self.decision.winner] if self.decision else None

    @property
    def gained(self) -> bool:
        """Whether the winner is more accurate than the network that it grew from; true where none was to grow."""
        return self.kind != "expansion" or self.winner is None or round(self.winner.gain, 12) > 0

    @property
    def trainings(self) -> Iterator[CandidateState]:
        """Of all candidates, further trainings last."""
        yield from self.candidates
        for candidate in self.candidates:
            yield from candidate.repeats

    def owner(self, training: CandidateState) -> CandidateState:
        """The candidate that a training is of."""
        return next(c for c in self.candidates if any(training is other for other in c.trainings))
