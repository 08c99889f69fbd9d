"""Racing: which candidates of a step go on at a rung, and which stop. Curves in, decision and evidence out.

All candidates of a step train to the first rung, a share of their epochs. There they are evaluated, the worst stop, and
the others go on from where they are to the next rung: successive halving (Jamieson and Talwalkar, arXiv 1502.07943;
within a bracket of Hyperband, arXiv 1603.06560), or, with the rule "bound", a race that stops only those that are clearly
behind (Maron and Moore, 1994). It is the same whether candidates train one after another or side by side. Plain Python
and NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from expansion.foundation.errors import InputError
from expansion.foundation.settings import Settings
from expansion.recipe import Recipe
from expansion.recipe.multigrid import part_starts, phases
from expansion.recipe.schedule import Schedule
from expansion.search.selection import Scored, rank
from expansion.spec import Spec
from expansion.tasks.single_label import SINGLE_LABEL, Z_95
from expansion.tasks.task import Task


class RaceSettings(Settings):
    """Whether candidates of a step stop early, and when. `race: on` alone takes the defaults.

    Args:
        on: whether there are races at all.
        rungs: where candidates are compared, as shares of their epochs.
        rule: "halving": at every rung the best go on; "bound": all but those whose gain is below the leader's with 95 %
            confidence, by the validation videos.
        keep: with "halving", the share of a rung's candidates that continues, rounded up.
        views: clips a video in the evaluation at a rung, at most those of the settings of clips.
    """

    on: bool = False
    rungs: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.3,), min_length=1)
    rule: Literal["halving", "bound"] = "halving"
    keep: float = Field(0.5, gt=0, lt=1)
    views: int = Field(2, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _switch(cls, value):
        if isinstance(value, dict) and True in value:  # YAML reads the key `on` as true
            value = {"on" if key is True else key: entry for key, entry in value.items()}
        return {"on": value} if isinstance(value, bool) else value

    @field_validator("rungs")
    @classmethod
    def _ascending(cls, rungs):
        if list(rungs) != sorted(set(rungs)):
            raise ValueError(f"rungs: {', '.join(f'{rung:g}' for rung in rungs)} do not rise")
        return rungs


@dataclass(frozen=True)
class Standing:
    """How a candidate stands at a rung.

    Args:
        gain: share of accuracy per doubling of the cost, over the parent.
        behind: the leader's gain less its own.
        bound: upper end of the 95 % interval of its gain less the leader's, by the validation videos both saw; it is
            clearly behind where that is below 0. None where the videos cannot be paired.
        survives: whether it trains further.
    """

    gain: float
    behind: float
    bound: float | None
    survives: bool


def rung_epoch(share: float, epochs: float) -> int:
    """The epoch, from 1, after which a rung lies."""
    return max(1, round(share * math.ceil(epochs)))


def rung_of(share: float, spec: Spec, recipe: Recipe, videos: int) -> int:
    """The epoch, from 1, after which a rung lies in the training of a network.

    A long cycle starts again coarse, and accuracy falls there. So with one a rung is at the end of a cycle, of the same one
    for all candidates, whose cycles may differ in epochs.
    """
    if recipe.multigrid not in ("long", "both"):
        return rung_epoch(share, len(Schedule(spec, recipe, videos).epochs) if recipe.multigrid else recipe.epochs)
    return Schedule(spec, recipe, videos).part_end(_cycle(share, recipe) - 1)


def race_with(settings: RaceSettings, recipe: Recipe) -> RaceSettings:
    """A race whose rungs are where those of a recipe's trainings lie, as shares of their steps."""
    if recipe.multigrid not in ("long", "both"):
        return settings
    ends = part_starts(recipe)[1:]
    return settings.model_copy(update={"rungs": tuple(ends[_cycle(rung, recipe) - 1] for rung in settings.rungs)})


def _cycle(share: float, recipe: Recipe) -> int:
    """The long cycle, from 1, whose end is next to a share of the epochs."""
    ends = part_starts(recipe)[1:]
    return 1 + min(range(len(ends)), key=lambda cycle: abs(ends[cycle] - share))


def check_multigrid(start: Spec, settings: RaceSettings, recipe: Recipe) -> None:
    """Whether a search that begins with a network can train by a recipe, and race.

    Raises:
        InputError: a crop would be too small; two rungs would be at the end of the same long cycle.
    """
    phases(start, recipe)
    if settings.on and recipe.multigrid in ("long", "both"):
        cycles = [_cycle(rung, recipe) for rung in settings.rungs]
        if len(set(cycles)) < len(cycles):
            ends = ", ".join(f"{end:g}" for end in part_starts(recipe)[1:])
            raise InputError(f"search.race.rungs {', '.join(f'{rung:g}' for rung in settings.rungs)}: with recipe.multigrid "
                             f"{recipe.multigrid!r} one rung at the end of each long cycle is allowed, at {ends} of the epochs")


def race(parent_accuracy: float, parent_cost: float, runners: Sequence[Scored],
         settings: RaceSettings, task: Task = SINGLE_LABEL) -> tuple[Standing, ...]:
    """Decides a rung. The leader always continues.

    Args:
        parent_accuracy: of the parent at the same rung, where it is known, so that unfinished trainings are compared with
            an unfinished one.
        runners: all that came to the rung, with their accuracy there.
        task: whose evidence the runners have.
    """
    doublings = [math.log2(runner.cost / parent_cost) for runner in runners]
    order, gains = rank(runners, parent_accuracy, parent_cost)
    leader = order[0]
    bounds = [_bound(runners, doublings, gains, index, leader, task) for index in range(len(runners))]
    if settings.rule == "halving":
        going = set(order[:math.ceil(settings.keep * len(runners) - 1e-9)])
    else:
        going = {index for index in order if bounds[index] is None or bounds[index] >= 0}
    return tuple(Standing(gains[i], gains[leader] - gains[i], bounds[i], i in going) for i in range(len(runners)))


def _bound(runners: Sequence[Scored], doublings: list[float], gains: Sequence[float], index: int, leader: int,
           task: Task) -> float | None:
    if index == leader:
        return 0.0
    own, best = runners[index].evidence, runners[leader].evidence
    if not own or len(own) != len(best):
        return None
    differences = np.asarray(own, float) / doublings[index] - np.asarray(best, float) / doublings[leader]
    return gains[index] - gains[leader] + Z_95 * math.sqrt(task.variance(differences))
