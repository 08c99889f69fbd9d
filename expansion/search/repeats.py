"""Adaptive repeats: which candidates of a step are trained again, and when the step is decided. Imports no TensorFlow.

A step with one training of each candidate is often within noise: the videos are a sample, and a second training of the
same network ends elsewhere. Further trainings go only to the candidates that cannot be told from the best, until they
can or the budget is spent; then a stated tie-break decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from expansion.foundation.settings import Settings
from expansion.search.selection import NOISE_LEVEL, Scored, rank
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task


class RepeatSettings(Settings):
    """How far ties are followed up.

    Args:
        extra: further trainings a step at most; 0 for one training of each candidate, as in the paper.
        std: standard deviation of a candidate's accuracy between trainings, on endless videos (share of 1). What
            trainings differ by on the validation videos at hand is measured from the videos and need not be in it.
        tie_break: what decides among candidates still tied: the largest mean gain, the lowest cost, or the fewest
            parameters.
    """

    extra: int = Field(0, ge=0)
    std: float = Field(0.001, ge=0, le=0.5)
    tie_break: Literal["gain", "cost", "params"] = "gain"


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
    """

    winner: int | None
    more: tuple[int, ...]
    tied: tuple[int, ...]
    p_values: tuple[float, ...]
    reason: Literal["clear", "more repeats", "tie-break"]


def judge(parent_accuracy: float, parent_cost: float, candidates: Sequence[Runs], settings: RepeatSettings,
          task: Task = SINGLE_LABEL) -> RepeatsOutcome:
    """Decides a step, or says what to train again.

    Two candidates are tied where the difference of their mean gains lies within its 95 % interval. Its variance is that
    of the paired difference over the videos, and std squared over each one's number of trainings. The parent's own
    noise is common to all candidates and left out. Called again with more results it continues from there.

    Args:
        parent_accuracy: share of 1.
        candidates: all completed ones, with the same videos in the same order.
        settings: the budget counts trainings beyond the first of each candidate.
        task: whose evidence the candidates have.
    """
    doublings = [math.log2(candidate.cost / parent_cost) for candidate in candidates]
    evidence = [np.asarray(c.evidence, dtype=np.float32).mean(axis=0) / d for c, d in zip(candidates, doublings)]
    order, gains = rank([Scored(c.axis, task.score_of(np.asarray(c.evidence)), c.cost, c.params) for c in candidates],
                        parent_accuracy, parent_cost)

    def p_values(one: int) -> tuple[float, ...]:
        def against(other: int) -> float:
            training = sum(settings.std**2 / candidates[i].trainings / doublings[i]**2 for i in (one, other))
            return _p_value(task.variance(evidence[one] - evidence[other]), gains[one] - gains[other], training)

        return tuple(1.0 if index == one else against(index) for index in range(len(candidates)))

    leader = order[0]
    found = p_values(leader)
    tied = tuple(index for index in order if found[index] >= NOISE_LEVEL)
    if len(tied) == 1:
        return RepeatsOutcome(leader, (), tied, found, "clear")
    left = settings.extra - sum(candidate.trainings - 1 for candidate in candidates)
    if left > 0:
        # The leader before the others, and whoever has been trained least before both.
        again = sorted(tied, key=lambda i: candidates[i].trainings)[:left]
        return RepeatsOutcome(None, tuple(again), tied, found, "more repeats")
    keys = {"gain": lambda i: (), "cost": lambda i: (candidates[i].cost, candidates[i].params),
            "params": lambda i: (candidates[i].params, candidates[i].cost)}
    winner = min(tied, key=lambda i: (*keys[settings.tie_break](i), order.index(i)))
    return RepeatsOutcome(winner, (), tied, p_values(winner), "tie-break")


def _p_value(sampling_variance: float, difference: float, training_variance: float) -> float:
    """Two-sided p of a difference of gains, by the normal distribution."""
    spread = math.sqrt(sampling_variance + training_variance)
    if spread == 0:
        return 1.0 if difference == 0 else 0.0
    return math.erfc(abs(difference) / spread / math.sqrt(2))
