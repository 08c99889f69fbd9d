"""How a network is trained and how clips are cut: the settings.

X3D (arXiv 2004.04730), section 4: the paper trains at batch 1024 with a rate of 1.6, momentum 0.9, weight decay 5e-5,
dropout 0.5, a half-cosine schedule per step after a linear warm-up. The rate scales linearly with the batch.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from expansion.foundation.settings import Settings
from expansion.recipe.augmentation import Augmentation

PRECISE_BATCHES = 200  # PySlowFast's
STAGES = ("stem", "stage2", "stage3", "stage4", "stage5", "head")  # from the input on; after them comes the last layer, "logits"
RateStage = Literal["backbone", "stem", "stage2", "stage3", "stage4", "stage5", "head", "logits"]
BACKBONE, LAST = "backbone", "logits"


def stage_of(layer: str) -> str:
    """The stage that a layer of the network is in, by its name: of STAGES, or "logits"."""
    stage = layer.partition("_")[0]
    return stage if stage in (*STAGES, LAST) else STAGES[0]  # what comes before the stem's first convolution has no weights


class Recipe(Settings):
    """How one network is trained.

    Args:
        task: what is learnt: "single-label", "multi-label" or "localization"; "auto" takes what the labels are for.
        epochs: passes over the training videos, one random clip of each a pass.
        batch: clips in a step, of all devices together.
        rate: learning rate at a batch of `rate_batch`; it scales linearly with the batch.
        rate_batch: batch that `rate` is stated for.
        warmup_epochs: epochs of linear warm-up, from a hundredth of the rate.
        momentum: Nesterov momentum.
        weight_decay: L2 added to the gradient, as in PyTorch; none on batch norm.
        dropout: before the last layer.
        drop_connect: largest rate of stochastic depth over the blocks.
        label_smoothing: share spread over the other classes.
        mixed_precision: activations of 16 bits with float32 weights, on devices that gain from it: "float16" (also
            true), whose loss is scaled, or "bfloat16".
        precise_bn: after the last epoch, batch norm's statistics are estimated again from this many training batches of a
            device; 0 keeps the running ones, but for multigrid training, where it stands for 200.
        bn_clips: clips of one statistic of batch norm in training: those of a device are split so that each statistic is of
            so many, or a few more where their number does not divide (the paper's 8, on any device). 0: all of a device; with
            multigrid as many as a device has at the full shape.
        decays: where the rate falls, as shares of the epochs; none for the half-cosine.
        decay: what the rate is multiplied with there.
        multigrid: shapes of batches that change in training: "long", from few frames and small crops to the network's own,
            several times; "short", a smaller crop from step to step; "both" (also true); false for none.
        multigrid_epochs: epochs of a multigrid training, as a multiple of `epochs`.
        long_cycles: long cycles of a half-cosine; one that decays has one before each decay.
        augment: how clips are changed beside cropping and mirroring.
        clips_per_video: random clips of each video in a pass, which come into the same batch; an epoch takes that many times as
            long.
        ema: decay per step of a moving average of the weights, which the trained network then has; 0 for none. Batch norm's
            statistics are estimated again for it, from `precise_bn` batches or 200.
        class_weights: count each class alike in the loss, however many training videos it has.
        freeze: last stage whose weights and batch norm statistics stay what they were, with all stages before it; "head" leaves
            the last layer alone to be trained; false for none.
        stage_rates: multiples of the rate by stage. "backbone" stands for all but the last layer, which is "logits"; a stage's
            own number takes precedence.
        by_step: from a search step on, other values: {8: {"batch": 512}} halves a batch of 1024 at step 8.
    """

    task: Literal["auto", "single-label", "multi-label", "localization"] = "auto"
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
    mixed_precision: Literal[False, True, "float16", "bfloat16"] = False
    precise_bn: int = Field(0, ge=0)
    bn_clips: int = Field(0, ge=0)
    decays: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    decay: float = Field(0.1, gt=0, lt=1)
    multigrid: Literal[False, "long", "short", "both"] = False
    multigrid_epochs: float = Field(1.5, gt=0)
    long_cycles: int = Field(3, ge=1)
    augment: Augmentation = Augmentation()
    clips_per_video: int = Field(1, ge=1)
    ema: float = Field(0.0, ge=0, lt=1)
    class_weights: bool = False
    freeze: Literal[False, "stem", "stage2", "stage3", "stage4", "stage5", "head"] = False
    stage_rates: dict[RateStage, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    by_step: dict[int, dict[str, float | int | bool | str]] = Field(default_factory=dict)

    @field_validator("multigrid", mode="before")
    @classmethod
    def _switch(cls, value):
        return {True: "both", "off": False}.get(value, value) if isinstance(value, (bool, str)) else value

    @field_validator("decays")
    @classmethod
    def _ascending(cls, decays):
        if list(decays) != sorted(set(decays)):
            raise ValueError(f"{', '.join(f'{decay:g}' for decay in decays)} do not rise")
        return decays

    @model_validator(mode="after")
    def _clips_of_a_video_come_together(self):
        if self.clips_per_video > 1 and (self.multigrid or self.batch % self.clips_per_video):
            raise ValueError(f"clips_per_video is {self.clips_per_video}: " + (
                "it does not go with multigrid" if self.multigrid else f"a batch of {self.batch} is no multiple of it"))
        return self

    @model_validator(mode="after")
    def _frozen_norms_have_no_statistics(self):
        if self.freeze and (self.multigrid or self.bn_clips):
            other = "multigrid" if self.multigrid else "bn_clips"
            raise ValueError(f"freeze is {self.freeze!r}: it does not go with {other}, which is about batch norm's statistics in "
                             "training; frozen stages have none")
        return self

    def freezes(self, layer: str) -> bool:
        """Whether a layer of the network, by its name, is in a frozen stage."""
        return bool(self.freeze) and stage_of(layer) in STAGES[:STAGES.index(self.freeze) + 1]

    def rate_factor(self, layer: str) -> float:
        """What the rate is multiplied with for a layer, by its name."""
        stage = stage_of(layer)
        general = 1.0 if stage == LAST else self.stage_rates.get(BACKBONE, 1.0)
        return self.stage_rates.get(stage, general)

    def at(self, step: int) -> Recipe:
        """The recipe of a search step: every entry of by_step up to it applied in order."""
        values = self.model_dump(exclude={"by_step"})
        for start in sorted(self.by_step):
            if start <= step:
                values |= self.by_step[start]
        return Recipe(**values)

    def final(self, step: int, changes: dict[str, float | int | bool | str]) -> Recipe:
        """The recipe of the last training of a network that a search step found: that step's, with changes."""
        return Recipe(**self.at(step).model_dump(exclude={"by_step"}) | changes)

    def model_post_init(self, _):
        for changes in self.by_step.values():
            if "task" in changes:
                raise ValueError("by_step: the task of a search is the same in all steps")
            Recipe(**(self.model_dump(exclude={"by_step"}) | changes))

    @property
    def scaled_rate(self) -> float:
        """The rate at this batch, by the linear rule (Goyal et al., arXiv 1706.02677)."""
        return self.rate * self.batch / self.rate_batch

    @property
    def scheduled(self) -> bool:
        """Whether batches, their statistics or the rate are other than those of a half-cosine at one shape."""
        return bool(self.multigrid or self.decays or self.bn_clips)

    @property
    def precise_batches(self) -> int:
        """Batches of a device for precise statistics.

        A multigrid training has them always, for it ends on several crops, and so have averaged weights, which none are of.
        """
        return self.precise_bn or (PRECISE_BATCHES if self.multigrid or self.ema else 0)

    @property
    def dtype_policy(self) -> str:
        """Keras' name of the precision."""
        if not self.mixed_precision:
            return "float32"
        return "mixed_bfloat16" if self.mixed_precision == "bfloat16" else "mixed_float16"

    def steps(self, videos: int) -> tuple[int, int]:
        """(steps an epoch, steps in all) for a number of training videos."""
        per_epoch = max(1, math.ceil(videos * self.clips_per_video / self.batch))
        return per_epoch, max(1, math.ceil(per_epoch * self.epochs))


class ClipSettings(Settings):
    """How clips are cut from videos.

    Args:
        jitter: in training, the short side is scaled at random between these multiples of the crop
            (the paper's 182 to 228 for a crop of 160).
        eval_scale: in evaluation, the short side as a multiple of the training crop (the paper's 128 / 112).
        flip: mirror half of the training clips. Off where labels depend on left and right.
        views: clips a video in evaluation, spread evenly in time (the paper's 10).
        crops: squares cut from each of them: 1 in the centre, or 3 along the long side (left, centre and right; top,
            centre and bottom of an upright video), each as high as the short side. 10 views of 3 are the paper's 30.
    """

    jitter: tuple[float, float] = (8 / 7, 1.425)
    eval_scale: float = Field(8 / 7, ge=1.0)
    flip: bool = True
    views: int = Field(10, ge=1)
    crops: Literal[1, 3] = 1

    def evaluation_size(self, crop: int) -> int:
        """Pixels of the network's input in evaluation: the training crop, or the whole short side for three crops."""
        return crop if self.crops == 1 else self._short_side(crop)

    def window(self, crop: int, size: int) -> float:
        """Share of a video's short side that an input of `size` pixels sees, at most 1, for a training crop."""
        return 1.0 if size >= self._short_side(crop) else size / (crop * self.eval_scale)

    def _short_side(self, crop: int) -> int:
        # Rounded down, as PySlowFast's test crops are: 182, 256 and 356 for 160, 224 and 312.
        return int(crop * self.eval_scale + 1e-6)
