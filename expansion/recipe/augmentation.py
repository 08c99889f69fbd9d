"""How training clips are changed beside cropping and mirroring: the settings. All frames of a clip are changed alike."""

from __future__ import annotations

from pydantic import Field

from expansion.foundation.settings import Settings


class Augmentation(Settings):
    """What is done to training clips; nothing by default.

    Args:
        randaugment: number of RandAugment's operations for each clip, drawn from 14; 0 for none, 2 is its authors' number.
        strength: strength of RandAugment's operations.
        colour: largest change of brightness, contrast and saturation, as a share; the hue turns by up to a tenth of it.
        erasing: probability that a window of 2 to 33 % of the picture is erased in all frames of a clip.
        mixup: alpha of the Beta distribution from which mixup draws the share of a clip in a mixture of two; 0 for no mixup.
        cutmix: the same for CutMix, which puts a window of one clip into another; with both, each batch has one of them.
    """

    randaugment: int = Field(0, ge=0, le=14)
    strength: float = Field(0.3, ge=0, le=1)
    colour: float = Field(0.0, ge=0, le=1)
    erasing: float = Field(0.0, ge=0, le=1)
    mixup: float = Field(0.0, ge=0)
    cutmix: float = Field(0.0, ge=0)

    @property
    def changes_clips(self) -> bool:
        """Whether single clips are changed."""
        return bool(self.randaugment or self.colour or self.erasing)

    @property
    def mixes(self) -> bool:
        """Whether the clips of a batch are mixed, so that labels are shares of classes."""
        return bool(self.mixup or self.cutmix)
