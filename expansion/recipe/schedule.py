"""The schedule of a training: from a network, a recipe and a number of videos to every step's shape and rate.

Input and optimiser ask the same schedule, and it counts nothing, so they cannot drift apart, and a training that was stopped
resumes as if it had not been.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from expansion.foundation.errors import InputError
from expansion.recipe.multigrid import Phase, Shape, phases
from expansion.recipe.settings import Recipe
from expansion.spec import Spec

WARMUP_FROM = 0.01  # share of the rate that a warm-up begins with


@dataclass(frozen=True)
class Epoch:
    """What a checkpoint is written after: an epoch, or, where a step takes several, as many as that.

    Args:
        phase: that it is in.
        first: its first step, of the whole training; `steps` follow each other.
        shapes: of the phase's cycle, from the one of its first step on.
        begin, end: in epochs of the schedule.
    """

    phase: Phase
    first: int
    steps: int
    shapes: tuple[Shape, ...]
    begin: int
    end: int

    def shape(self, step: int) -> Shape:
        """Of a step of this epoch, from 0."""
        return self.shapes[step % len(self.shapes)]

    @property
    def factor(self) -> int:
        """Clips of all its steps, as a multiple of the recipe's batch."""
        whole, rest = divmod(self.steps, len(self.shapes))
        return whole * sum(s.factor for s in self.shapes) + sum(s.factor for s in self.shapes[:rest])


class Schedule:
    """Of one training.

    Args:
        spec: the network, whose clip is the full shape.
        recipe: how it is trained.
        videos: for training.
        warmup_from: share of the rate that the warm-up begins with.

    Attributes:
        phases: those of multigrid.phases.
        epochs: what the training consists of.
        steps: in all.

    Raises:
        InputError: a shape is not allowed.
    """

    def __init__(self, spec: Spec, recipe: Recipe, videos: int, warmup_from: float = WARMUP_FROM):
        self.spec, self.recipe, self.videos = spec, recipe, videos
        self.phases = tuple(phases(spec, recipe))
        self.epochs = tuple(self._epochs() if recipe.multigrid else self._plain_epochs())
        self.steps = self.epochs[-1].first + self.epochs[-1].steps
        self._falls = self._rates()
        self._firsts = [epoch.first for epoch in self.epochs]
        self._warmup = min(recipe.warmup_epochs, self.epochs[-1].end / 2)
        self._warmup_from = warmup_from

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """All different shapes, in the order in which they come; a step is traced once for each."""
        return tuple(dict.fromkeys(shape for epoch in self.epochs for shape in epoch.shapes[:epoch.steps]))

    def clips_by_shape(self, until: int | None = None) -> dict[Shape, int]:
        """How many clips of each shape all epochs have, or the first ones up to `until`, from 1."""
        found: dict[Shape, int] = {}
        for epoch in self.epochs[:until]:
            turns, rest = divmod(epoch.steps, len(epoch.shapes))
            for place, shape in enumerate(epoch.shapes):
                found[shape] = found.get(shape, 0) + self.recipe.batch * shape.factor * (turns + (place < rest))
        return found

    def part_end(self, part: int) -> int:
        """The epoch, from 1, after which a part of the training is at its end (multigrid.phases)."""
        end = max((phase.end for phase in self.phases if phase.part <= part), default=0)
        return max(1, sum(epoch.begin < end for epoch in self.epochs))

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0 in the whole training.

        It is scaled linearly with the batch of the long cycle. A half-cosine is counted in steps, a warm-up and decays in
        epochs, as a stepwise schedule of PySlowFast is. The warm-up is linear, to the rate that is due at its end.
        """
        if step >= self.steps:
            return self._due(self.epochs[-1].end, step)
        epoch = self.epochs[bisect.bisect_right(self._firsts, step) - 1]
        at = epoch.begin + (epoch.end - epoch.begin) * (step - epoch.first) / epoch.steps
        return self.rate_at(at, step)

    def rate_at(self, at: float, step: float | None = None) -> float:
        """The learning rate at a fraction of an epoch; `step` is where that is, for a half-cosine."""
        if at >= self._warmup:
            return self._due(at, step)
        first = self._warmup_from * self.recipe.scaled_rate
        return first + (self._due(self._warmup, None) - first) * at / self._warmup

    def _due(self, at: float, step: float | None) -> float:
        """The rate at a fraction of an epoch without a warm-up."""
        if self.recipe.decays:
            ends, rates = self._falls
            return self.recipe.scaled_rate * rates[min(bisect.bisect_right(ends, at), len(rates) - 1)]
        phase = next((phase for phase in self.phases if at < phase.end), self.phases[-1])
        progress = (self._step_at(at) if step is None else step) / self.steps
        return phase.shape.factor * self.recipe.scaled_rate * (1 + math.cos(math.pi * min(progress, 1.0))) / 2

    def _step_at(self, at: float) -> float:
        epoch = next((epoch for epoch in self.epochs if at < epoch.end), self.epochs[-1])
        return epoch.first + epoch.steps * (at - epoch.begin) / (epoch.end - epoch.begin)

    def _rates(self) -> tuple[Sequence[float], Sequence[float]]:
        """(epochs at which the rate changes, rates before them and after the last), as multiples of the recipe's.

        With a long cycle the last phase keeps the rate before it for its first half, as PySlowFast has it.
        """
        ends = [phase.end for phase in self.phases]
        rates = [self.recipe.decay**phase.part * phase.shape.factor for phase in self.phases]
        if self.recipe.multigrid in ("long", "both") and len(ends) > 1:
            ends[-1:] = [(ends[-2] + ends[-1]) // 2, ends[-1]]
            rates.insert(-1, self.recipe.decay ** (self.phases[-1].part - 1) * self.phases[-1].shape.factor)
        return ends, rates

    def _plain_epochs(self) -> Iterator[Epoch]:
        """As the recipe counts steps: all videos in each."""
        per_epoch, total = self.recipe.steps(self.videos)
        (shape,), count = {phase.shape for phase in self.phases}, math.ceil(total / per_epoch)
        for number in range(count):
            phase = next((phase for phase in self.phases if number < phase.end), self.phases[-1])
            yield Epoch(phase, number * per_epoch, per_epoch, (shape,), number, number + 1)

    def _epochs(self) -> Iterator[Epoch]:
        """An epoch's steps take as many clips as there are videos, on average over its phase."""
        step = 0
        for phase in self.phases:
            per_epoch = self.videos / (self.recipe.batch * phase.factor)
            done, begin = 0, phase.first
            for end in range(phase.first + 1, phase.end + 1):
                until = round((end - phase.first) * per_epoch)
                if phase is self.phases[-1] and end == phase.end:
                    until = max(until, 1)
                if until > done:
                    turn = done % len(phase.cycle)
                    yield Epoch(phase, step, until - done, phase.cycle[turn:] + phase.cycle[:turn], begin, end)
                    step, done, begin = step + until - done, until, end


def schedule_of(spec: Spec, recipe: Recipe, videos: int) -> Schedule | None:
    """The schedule of a training; None for a half-cosine at one shape, which Keras' fit does by itself."""
    return Schedule(spec, recipe, videos) if recipe.scheduled else None


def epochs_in(spec: Spec, recipe: Recipe, videos: int) -> float:
    """Epochs that a training has, of which each may end in a checkpoint."""
    return len(Schedule(spec, recipe, videos).epochs) if recipe.scheduled else recipe.epochs


def traces(spec: Spec, recipe: Recipe, videos: int) -> int:
    """How many shapes a training's step is traced for."""
    return len(Schedule(spec, recipe, videos).shapes) if recipe.multigrid else 1


# How devices share a step


def splits(clips: int, of_statistic: int) -> int:
    """How many statistics of batch norm so many clips of a device have.

    As many as leave each `of_statistic` clips; where that does not divide the clips, the next smaller number that does, so
    that each has a few more. Clip i is in statistic i modulo this number.
    """
    return next(count for count in range(max(1, clips // of_statistic), 0, -1) if clips % count == 0)


def statistic_clips(recipe: Recipe, devices: int) -> int:
    """Clips of one statistic of batch norm, at least, on so many devices.

    Raises:
        InputError: the devices cannot share a batch equally, or have fewer clips than a statistic needs.
    """
    if recipe.batch % devices:
        raise InputError(f"recipe.batch is {recipe.batch}: {devices} devices cannot share it equally")
    clips = recipe.batch // devices
    if recipe.bn_clips > clips:
        raise InputError(f"recipe.bn_clips is {recipe.bn_clips}: of a batch of {recipe.batch} a device has {clips} clips; "
                         "at most that is allowed")
    return recipe.bn_clips or clips
