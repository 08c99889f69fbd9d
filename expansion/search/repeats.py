"""Adaptive repeats: which candidates of a step are trained again, and when the step is decided. Imports no TensorFlow.

A step with one training of each candidate is often within noise: the videos are a sample, and a second training of the
same network ends elsewhere. Further trainings go only to the candidates that cannot be told from the best, until they
can or the budget is spent; then a stated tie-break decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from expansion.foundation.settings import Settings
from expansion.search.selection import NOISE_LEVEL, Scored, rank
from expansion.search.variance import CLEAR_LEVEL, TrainingVariance, p_value, pooled
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task


class RepeatSettings(Settings):
    """How far ties are followed up.

    Args:
        extra: further trainings a step at most; 0 for one training of each candidate, as in the paper.
        std: standard deviation of a candidate's accuracy between trainings, on endless videos (share of 1), where that is
            known. By default it is measured from the repeats of this step and of those before, once there are four.
        tie_break: what decides among candidates still tied: the largest mean gain, the lowest cost, or the fewest
            parameters.
    """

    extra: int = Field(0, ge=0)
    std: float | None = Field(None, ge=0, le=0.5)
    tie_break: Literal["gain", "cost", "params"] = "gain"

    def variance(self, networks: Iterable[Sequence[Sequence[float]]],
                 task: Task = SINGLE_LABEL) -> TrainingVariance | float | None:
        """Between trainings: as assumed, else as measured on networks' trainings; None where they are too few."""
        return pooled(networks, task) if self.std is None else self.std**2


@dataclass(frozen=True)
class Runs:
    """What is known of a candidate: cost in any unit, and the evidence of each training by the task.

    Args:
        evidence: (trainings, videos) of which were right, or what else the task pairs networks by.
    """

    axis: str
    cost: float
    params: int
    evidence: Sequence[Sequence[bool]] | Sequence[Sequence[float]] | np.ndarray

    @property
    def trainings(self) -> int:
        return len(self.evidence)


@dataclass(frozen=True)
class RepeatsOutcome:
    """What to do in a step.

    Args:
        winner: index of the candidate to take; None while more is to be trained.
        more: indices of the candidates to train once more.
        tied: indices that cannot be told from the leader, the leader first; the leader alone where it is clear.
        p_values: of each candidate's gain against the leader's, or against the winner's where there is one.
        reason: "clear", "more repeats", or "tie-break".
        level: of p below which one is told from another.
        knows_trainings: whether the p-values know how much trainings differ; else they know the videos alone.
    """

    winner: int | None
    more: tuple[int, ...]
    tied: tuple[int, ...]
    p_values: tuple[float, ...]
    reason: Literal["clear", "more repeats", "tie-break"]
    level: float = NOISE_LEVEL
    knows_trainings: bool = True


def judge(parent_accuracy: float, parent_cost: float, candidates: Sequence[Runs], settings: RepeatSettings,
          before: Sequence[Sequence[Sequence[float]]] = (), task: Task = SINGLE_LABEL) -> RepeatsOutcome:
    """Decides a step, or says what to train again.

    Two candidates are told apart where the test of search.variance on the difference of their mean gains has a p below
    CLEAR_LEVEL, or, with an assumed std, below NOISE_LEVEL. The parent's own noise is common to all candidates and left out.
    Until the variance between trainings is known, the leader and the second are trained again. Called again with more
    results it continues from there.

    Args:
        parent_accuracy: share of 1.
        candidates: all completed ones, with the same videos in the same order.
        settings: the budget counts trainings beyond the first of each candidate.
        before: of networks of earlier steps, the evidence of each training.
        task: whose evidence the candidates have.
    """
    doublings = [math.log2(candidate.cost / parent_cost) for candidate in candidates]
    order, gains = rank([Scored(c.axis, task.score_of(np.asarray(c.evidence)), c.cost, c.params) for c in candidates],
                        parent_accuracy, parent_cost)
    variance = settings.variance([*before, *(candidate.evidence for candidate in candidates)], task)
    level = CLEAR_LEVEL if settings.std is None else NOISE_LEVEL

    def outcome(winner: int | None, more: Sequence[int], reason) -> RepeatsOutcome:
        shown = found if winner in (None, leader) else p_values(winner)
        return RepeatsOutcome(winner, tuple(more), tied, shown, reason, level, variance is not None)

    def p_values(one: int) -> tuple[float, ...]:
        return tuple(1.0 if index == one else difference(candidates[one], candidates[index], variance, parent_accuracy,
                                                         doublings[one], doublings[index], task)
                     for index in range(len(candidates)))

    leader = order[0]
    found = p_values(leader)
    tied = tuple(index for index in order if found[index] >= level)
    if len(tied) == 1 and (variance is not None or len(candidates) == 1):
        return outcome(leader, (), "clear")
    left = settings.extra - sum(candidate.trainings - 1 for candidate in candidates)
    if left > 0:
        # The leader before the others, and whoever has been trained least before both.
        again = tied if len(tied) > 1 else order[:2]
        return outcome(None, sorted(again, key=lambda i: candidates[i].trainings)[:left], "more repeats")
    keys = {"gain": lambda i: (), "cost": lambda i: (candidates[i].cost, candidates[i].params),
            "params": lambda i: (candidates[i].params, candidates[i].cost)}
    return outcome(min(tied, key=lambda i: (*keys[settings.tie_break](i), order.index(i))), (), "tie-break")


def difference(one: Runs, other: Runs, variance: TrainingVariance | float | None, base: float = 0.0, one_scale: float = 1.0,
               other_scale: float = 1.0, task: Task = SINGLE_LABEL) -> float:
    """Two-sided p of the difference of two candidates' mean scores over a base, each divided by its scale.

    Args:
        variance: as of variance.p_value; None where it is not known: by the videos alone.
    """
    first, second = (np.asarray(runs.evidence, np.float32).mean(axis=0) / scale
                     for runs, scale in ((one, one_scale), (other, other_scale)))
    weight = 1 / one.trainings / one_scale**2 + 1 / other.trainings / other_scale**2
    return p_value(first - second, weight, variance or 0.0, task, base * (1 / one_scale - 1 / other_scale))
