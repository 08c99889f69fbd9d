"""The shapes and phases of multigrid training (Wu et al., arXiv 1912.00998), as PySlowFast lays them out.

A batch has the same number of pixels in every shape: with fewer frames or a smaller crop it has more clips. The long cycle
goes from few frames and a small crop to the network's own; the short cycle changes the crop from step to step. Factors,
rounding and the lengths of phases are those of PySlowFast's defaults and schedule (slowfast/utils/multigrid.py at 287ec007).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from statistics import fmean

from expansion.foundation.errors import InputError
from expansion.recipe.settings import Recipe
from expansion.spec import MIN_SIZE, Spec

LONG_CYCLE = ((1 / 4, math.sqrt(1 / 2)), (1 / 2, math.sqrt(1 / 2)), (1 / 2, 1.0), (1.0, 1.0))  # of frames and of the crop
SHORT_CYCLE = (1 / 2, math.sqrt(1 / 2))  # of the crop; the third is the long cycle's own


@dataclass(frozen=True)
class Shape:
    """Of a batch.

    Args:
        frames, size: of a clip; size is the crop in pixels.
        factor: clips, as a multiple of the recipe's batch.
    """

    frames: int
    size: int
    factor: int

    def __str__(self) -> str:
        return f"{self.frames} frames of {self.size} pixels, {self.factor} times the batch"


@dataclass(frozen=True)
class Phase:
    """A stretch of a training with one shape of the long cycle.

    Args:
        part: which part of the training it is in, from 0; the rate falls from one to the next, unless it is a half-cosine.
        shape: of the long cycle. The rate is multiplied with its factor; that of the short cycle does not count.
        cycle: shapes of successive steps, from the first step on again and again.
        first, end: epochs from 0; `end` is not in it.
    """

    part: int
    shape: Shape
    cycle: tuple[Shape, ...]
    first: int
    end: int

    @property
    def factor(self) -> float:
        """Clips of a step, as a multiple of the recipe's batch, on average."""
        return fmean(shape.factor for shape in self.cycle)


def strides(spec: Spec, frames: int) -> tuple[int, int]:
    """Least and largest stride of a clip of fewer frames: the largest covers about what the network's own clip does."""
    return spec.stride, spec.stride * max(1, spec.frames // frames)


def long_cycle(spec: Spec, on: bool = True) -> list[Shape]:
    """Shapes from coarse to fine. At few frames, of which there is at least one, equal shapes are one; off, the last alone."""
    factors = LONG_CYCLE if on else LONG_CYCLE[-1:]
    sides = [(max(1, round(frames * spec.frames)), round(size * spec.size)) for frames, size in factors]
    return [Shape(frames, size, _factor(spec, frames, size)) for frames, size in dict.fromkeys(sides)]


def short_cycle(spec: Spec, shape: Shape, on: bool = True) -> tuple[Shape, ...]:
    """Shapes of successive steps: the smaller crops, then the shape itself; off, that alone."""
    smaller = [Shape(shape.frames, round(factor * spec.size), shape.factor * round((shape.size / (factor * spec.size)) ** 2))
               for factor in (SHORT_CYCLE if on else ())]
    return (*smaller, shape)


def phases(spec: Spec, recipe: Recipe) -> list[Phase]:
    """The phases of a training, without those of no epochs; the last has one at least.

    With a long cycle, each part of the training but the last is one whole cycle, in which every shape has the same number
    of steps; the last part is at the network's own shape. Between the parts the rate falls (`decays`); a half-cosine has
    `long_cycles` + 1 equal ones. Without a long cycle every part is at the network's own shape. The short cycle goes on
    throughout.

    Raises:
        InputError: a crop would be smaller than 16 pixels.
    """
    long, short = recipe.multigrid in ("long", "both"), recipe.multigrid in ("short", "both")
    _check_crops(spec, recipe.multigrid, long, short)
    shapes, lengthened = long_cycle(spec, long), recipe.multigrid_epochs if recipe.multigrid else 1.0
    starts = [share * recipe.epochs for share in part_starts(recipe)]
    if long:
        parts = _stretched(spec, shapes, starts, recipe.epochs, lengthened, short)
    else:
        whole = math.floor if recipe.multigrid else math.ceil  # as PySlowFast, and as a recipe counts epochs
        parts = [(part, shapes[0], whole(round(lengthened * end, 6))) for part, end in enumerate((*starts[1:], recipe.epochs))]
    found, first = [], 0
    for number, (part, shape, end) in enumerate(parts, start=1):
        if number == len(parts):
            end = max(end, first + 1)
        if end > first:
            found.append(Phase(part, shape, short_cycle(spec, shape, short), first, end))
            first = end
    return found


def part_starts(recipe: Recipe) -> list[float]:
    """Where the parts of a training begin, as shares of its epochs before it is lengthened."""
    if recipe.decays:
        return [0.0, *recipe.decays]
    parts = recipe.long_cycles + 1 if recipe.multigrid in ("long", "both") else 1
    return [part / parts for part in range(parts)]


def _stretched(spec: Spec, shapes: Sequence[Shape], starts: Sequence[float], epochs: float, factor: float,
               short: bool) -> list[tuple[int, Shape, int]]:
    """(part, shape, end epoch) of all phases: equal steps within a part, and the last part saves as many as the others."""
    means = [_mean_factor(spec, shape, short) for shape in shapes]
    lengths = [(part, shape, (after - start) * mean / _total(means))
               for part, (start, after) in enumerate(zip(starts, starts[1:])) for shape, mean in zip(shapes, means)]
    lengths.append((len(starts) - 1, shapes[-1], (epochs - starts[-1]) * means[-1] / fmean(means)))
    stretch = epochs * factor / _total(length for *_, length in lengths)
    totals = accumulate(length * stretch for *_, length in lengths)
    return [(part, shape, round(total)) for (part, shape, _), total in zip(lengths, totals)]


def _total(values: Iterable[float]) -> float:
    """Added from left to right. From Python 3.12 on `sum` is more exact than PySlowFast's was, and rounds a half otherwise."""
    return reduce(operator.add, values)


def _mean_factor(spec: Spec, shape: Shape, short: bool) -> float:
    """Of the short cycle's batches, where PySlowFast rounds each on its own, from crops that are no whole pixels."""
    smaller = [_factor(spec, shape.frames, factor * spec.size) for factor in SHORT_CYCLE] if short else []
    return fmean([*smaller, shape.factor])


def _factor(spec: Spec, frames: int, size: float) -> int:
    return round(spec.frames * spec.size**2 / (frames * size**2))


def _check_crops(spec: Spec, multigrid, long: bool, short: bool) -> None:
    factors = [*(SHORT_CYCLE if short else ()), *(size for _, size in LONG_CYCLE if long)]
    smallest = min((round(factor * spec.size) for factor in factors), default=spec.size)
    if smallest < MIN_SIZE:
        raise InputError(f"recipe.multigrid is {multigrid!r}: at a crop of {spec.size} pixels it has batches of {smallest}; "
                         f"at least {MIN_SIZE} pixels are allowed")
