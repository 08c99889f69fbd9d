"""How a step is decided: the axis with the largest marginal gain.

Gain is (accuracy - parent's accuracy) / log2(cost / parent's cost): points won per doubling of the cost. Fed with the
accuracies of X3D's Figure 2 it picks the paper's axis in all 11 steps; accuracy / cost does so in 3. Plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from expansion.foundation.errors import InputError
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task

NOISE_LEVEL = 0.05  # two-sided p above which a winner is called "within noise"
CLEAR = "clear"  # beyond chance, of other videos and of other trainings
CLEAR_ON_VIDEOS = "clear on these videos"  # beyond chance of other videos; how much another training differs is not known


@dataclass(frozen=True)
class Scored:
    """A trained candidate: its score (called accuracy) as a share of 1, cost in any unit, and the evidence of the task."""

    axis: str
    accuracy: float
    cost: float
    params: int = 0
    evidence: tuple[bool, ...] | tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """The winner against one loser, on the same validation videos.

    Args:
        loser: index into the candidates; None for the network that they grew from.
        margin: winner's accuracy less the loser's, share of 1.
        p_value: the task's paired test; None where it cannot be made. Of repeated trainings that of repeats.judge, on gains.
        verdict: where the winner is the more accurate one beyond chance, "clear", or CLEAR_ON_VIDEOS for a test that does
            not know how much trainings differ, as the task's; else "within noise", also where the winner is the less
            accurate and won by its cost; "not tested" without paired videos.
    """

    loser: int | None
    margin: float
    p_value: float | None
    verdict: str


@dataclass(frozen=True)
class Decision:
    """The outcome of a step.

    Args:
        winner: index into the candidates.
        gains: marginal gain of each candidate, share of accuracy per doubling of the cost.
        runner_up: index of the second best; None with one candidate.
        margin: winner's accuracy less the runner-up's; None with one candidate.
        p_value: the task's paired test of winner against runner-up on the same videos; None where it cannot be made.
        verdict: the weakest of those in `against`; "unopposed" with one candidate;
            "others stopped" where a race left one;
            "not tested" without paired videos; "prescribed" where the winner was given and the accuracies had no say.
        against: the winner against each loser, the largest gain first.
        over_parent: the winner against the network that it grew from; None where that is not known.
    """

    winner: int
    gains: tuple[float, ...]
    runner_up: int | None
    margin: float | None
    p_value: float | None
    verdict: str
    against: tuple[Comparison, ...] = ()
    over_parent: Comparison | None = None

    def among(self, places: Sequence[int]) -> Decision:
        """The same, where candidate i of those compared has the place places[i] among all of the step."""
        return replace(
            self, winner=places[self.winner], runner_up=None if self.runner_up is None else places[self.runner_up],
            against=tuple(replace(comparison, loser=places[comparison.loser]) for comparison in self.against))


def marginal_gain(accuracy: float, cost: float, parent_accuracy: float, parent_cost: float) -> float:
    """Accuracy won per doubling of the cost.

    Raises:
        InputError: the cost is not above the parent's.
    """
    if not cost > parent_cost > 0:
        raise InputError(f"a candidate costs {cost:g}, not more than its parent's {parent_cost:g}")
    return (accuracy - parent_accuracy) / math.log2(cost / parent_cost)


def rank(candidates: Sequence[Scored], parent_accuracy: float, parent_cost: float) -> tuple[list[int], tuple[float, ...]]:
    """Candidates by marginal gain.

    Equal gains go to the cheaper one, then to fewer parameters, then to the earlier one. Gains that differ by less than
    1e-12 are equal, for the order of a sum must not decide.

    Returns:
        Their indices, the best first, and each one's gain, in the order of the candidates.

    Raises:
        InputError: one does not cost more than its parent.
    """
    gains = tuple(marginal_gain(c.accuracy, c.cost, parent_accuracy, parent_cost) for c in candidates)
    order = sorted(
        range(len(candidates)), key=lambda i: (-round(gains[i], 12), candidates[i].cost, candidates[i].params, i))
    return order, gains


def compare(winner: Scored, loser: Scored, index: int | None, p_value: float | None = None, level: float = NOISE_LEVEL,
            clear: str = CLEAR, task: Task = SINGLE_LABEL) -> Comparison:
    """A winner against the loser of that index, by the task's test on the videos or by the p-value of another test.

    Args:
        level, clear: of p below which the other test tells them apart, and its verdict then.
    """
    margin = winner.accuracy - loser.accuracy
    if p_value is not None:
        return Comparison(index, margin, p_value, clear if p_value < level else "within noise")
    if not winner.evidence or len(winner.evidence) != len(loser.evidence):
        return Comparison(index, margin, None, "not tested")
    p_value = task.p_value(winner.evidence, loser.evidence)
    return Comparison(index, margin, p_value, CLEAR_ON_VIDEOS if margin > 0 and p_value < NOISE_LEVEL else "within noise")


def decide(parent_accuracy: float, parent_cost: float, candidates: Sequence[Scored], prescribed: int | None = None,
           winner: int | None = None, p_values: Sequence[float] | None = None, level: float = NOISE_LEVEL,
           clear: str = CLEAR, task: Task = SINGLE_LABEL) -> Decision:
    """The candidate of largest marginal gain; see rank.

    Args:
        prescribed: index of a candidate to take whatever its gain; its margin, to the best of the others, may be negative.
        winner, p_values, level, clear: what repeats.judge found where candidates were trained several times; see compare.
        task: whose evidence the candidates have.

    Raises:
        InputError: there is no candidate.
    """
    if not candidates:
        raise InputError("a step has no completed candidate to choose from")
    order, gains = rank(candidates, parent_accuracy, parent_cost)
    first = prescribed if winner is None else winner
    if first is not None:
        order.remove(first)
        order.insert(0, first)
    winner, *losers = order
    against = tuple(compare(candidates[winner], candidates[index], index, p_values and p_values[index], level, clear, task)
                    for index in losers)
    if prescribed is not None:
        verdict = "prescribed"
    elif not against:
        verdict = "unopposed"
    else:  # the weakest of the verdicts
        found = {comparison.verdict for comparison in against}
        verdict = next(name for name in ("not tested", "within noise", CLEAR_ON_VIDEOS, CLEAR) if name in found)
    if not against:
        return Decision(winner, gains, None, None, None, verdict)
    nearest = against[0]
    return Decision(winner, gains, nearest.loser, nearest.margin, nearest.p_value, verdict, against)
