"""The training recipe: SGD with Nesterov momentum, half-cosine per step, linear warm-up, no weight decay on BN.

X3D (arXiv 2004.04730), section 4: the paper trains at batch 1024 with a rate of 1.6, momentum 0.9, weight decay 5e-5,
dropout 0.5. The rate scales linearly with the batch.
"""

from __future__ import annotations

import math

import keras
from pydantic import BaseModel, ConfigDict, Field

from expansion.layers import register


class Recipe(BaseModel):
    """How one network is trained.

    Args:
        epochs: passes over the training videos, one random clip of each a pass.
        batch: clips in a step.
        rate: learning rate at a batch of `rate_batch`; it scales linearly with the batch.
        rate_batch: batch that `rate` is stated for.
        warmup_epochs: epochs of linear warm-up, from a hundredth of the rate.
        momentum: Nesterov momentum.
        weight_decay: L2 added to the gradient, as in PyTorch; none on batch norm.
        dropout: before the last layer.
        drop_connect: largest rate of stochastic depth over the blocks.
        label_smoothing: share spread over the other classes.
        mixed_precision: float16 activations with float32 weights, on devices that gain from it.
        by_step: from a search step on, other values: {8: {"batch": 512}} halves a batch of 1024 at step 8.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: float = Field(128, gt=0)
    batch: int = Field(64, ge=1)
    rate: float = Field(1.6, gt=0)
    rate_batch: int = Field(1024, ge=1)
    warmup_epochs: float = Field(2, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-5, ge=0)
    dropout: float = Field(0.5, ge=0, lt=1)
    drop_connect: float = Field(0.0, ge=0, lt=1)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    mixed_precision: bool = False
    by_step: dict[int, dict[str, float | int | bool]] = Field(default_factory=dict)

    def at(self, step: int) -> Recipe:
        """The recipe of a search step: every entry of by_step up to it applied in order."""
        values = self.model_dump(exclude={"by_step"})
        for start in sorted(self.by_step):
            if start <= step:
                values |= self.by_step[start]
        return Recipe(**values)

    def model_post_init(self, _):
        for changes in self.by_step.values():
            Recipe(**(self.model_dump(exclude={"by_step"}) | changes))

    @property
    def scaled_rate(self) -> float:
        return self.rate * self.batch / self.rate_batch

    def steps(self, videos: int) -> tuple[int, int]:
        """(steps an epoch, steps in all) for a number of training videos."""
        per_epoch = max(1, math.ceil(videos / self.batch))
        return per_epoch, max(1, math.ceil(per_epoch * self.epochs))


@register
class HalfCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Rate at a step: linear from a hundredth over the warm-up, then rate * (1 + cos(pi * step / total)) / 2."""

    def __init__(self, rate: float, total_steps: int, warmup_steps: int = 0):
        self.rate, self.total_steps, self.warmup_steps = rate, total_steps, warmup_steps

    def _cosine(self, step):
        share = keras.ops.minimum(step / max(1, self.total_steps), 1.0)
        return 0.5 * self.rate * (1.0 + keras.ops.cos(math.pi * share))

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        if not self.warmup_steps:
            return self._cosine(step)
        first, last = 0.01 * self.rate, self._cosine(float(self.warmup_steps))
        warm = first + (last - first) * step / self.warmup_steps
        return keras.ops.where(step < self.warmup_steps, warm, self._cosine(step))

    def get_config(self):
        return {"rate": self.rate, "total_steps": self.total_steps, "warmup_steps": self.warmup_steps}


@register
class L2SGD(keras.optimizers.SGD):
    """SGD whose weight decay joins the gradient before momentum, as in PyTorch and the paper.

    Keras' own `weight_decay` is decoupled from the momentum: with momentum 0.9 it decays a tenth as much.
    """

    def __init__(self, *args, l2: float = 0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        if self.l2 and variable.name not in ("gamma", "beta"):
            gradient = gradient + self.l2 * keras.ops.cast(variable, gradient.dtype)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        return super().get_config() | {"l2": self.l2}


def optimizer(recipe: Recipe, videos: int) -> L2SGD:
    """The recipe's optimiser for a number of training videos."""
    per_epoch, total = recipe.steps(videos)
    schedule = HalfCosine(recipe.scaled_rate, total, round(min(recipe.warmup_epochs * per_epoch, total / 2)))
    return L2SGD(schedule, momentum=recipe.momentum, nesterov=True, l2=recipe.weight_decay)
