"""What multigrid training saves of one training, and what its further shapes cost, before it begins. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass

from expansion.complexity import complexity
from expansion.recipe import Recipe
from expansion.recipe.schedule import Schedule
from expansion.search.forecast import Speed
from expansion.search.training_cost import full_epochs
from expansion.spec import Spec

# Trace, first step and input of a further shape on 2 CPU cores: 1.6 s with 4 blocks, 5.5 s with XS' 26.
SHAPE_SECONDS, BLOCK_SECONDS = 0.9, 0.18
STEP_SECONDS = 0.004  # of a block in a step, whatever its size: 3 to 6 ms on 2 CPU cores, for 4 to 11 blocks


@dataclass(frozen=True)
class MultigridSaving:
    """Of one training.

    Args:
        shapes: that a step is traced for.
        steps, plain_steps: with multigrid and without.
        trace_seconds: that the shapes beyond the first take.
        saved_seconds: that the steps saved would take.
    """

    shapes: int
    steps: int
    plain_steps: int
    trace_seconds: float
    saved_seconds: float

    @property
    def pays(self) -> bool:
        """Whether less time is spent on tracing than is saved."""
        return self.saved_seconds > self.trace_seconds


def multigrid_saving(spec: Spec, recipe: Recipe, videos: int, classes: int, speed: Speed) -> MultigridSaving:
    """The saving of a network's training by a recipe with multigrid, at a speed of training."""
    schedule, plain = Schedule(spec, recipe, videos), recipe.steps(videos)[1]
    saved = plain * recipe.batch - full_epochs(spec, recipe, videos) * videos
    shapes, blocks = len(schedule.shapes), len(spec.blocks())
    return MultigridSaving(
        shapes, schedule.steps, plain, (shapes - 1) * (SHAPE_SECONDS + BLOCK_SECONDS * blocks),
        3 * complexity(spec, classes).macs * saved / (1e9 * speed.gmacs_per_second)
        + (plain - schedule.steps) * STEP_SECONDS * blocks)
