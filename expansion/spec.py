"""The spec of an X3D network: six numbers, and the layers that follow from them.

Numbers of the architecture are from X3D (arXiv 2004.04730), Table 1 and section 3.1. Plain Python; no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from expansion.foundation.errors import InputError

STEM_CHANNELS = 24
STEM_KERNEL_FRAMES = 5  # 5x1x1, also at one frame
BLOCK_KERNEL_FRAMES = 3  # 3x3x3, also at one frame
STAGE_CHANNELS = (24, 48, 96, 192)
STAGE_BLOCKS = (1, 2, 5, 3)
HEAD_CHANNELS = 2048
SQUEEZE_RATIO = 1 / 16
CHANNEL_DIVISOR = 8
MIN_SIZE = 16  # pixels of an input
TOTAL_STRIDE = 32  # of stem and stages together, in height and width
PAPER_WIDTH_BASE = 2.0  # the paper counts width on 12 channels, where X2D has a factor of 2.0


def round_width(channels: int, factor: float, divisor: int = CHANNEL_DIVISOR) -> int:
    """Scaled channels, rounded to the divisor, never below nine tenths of the exact value."""
    exact = channels * factor
    rounded = max(divisor, int(exact + divisor / 2) // divisor * divisor)
    if rounded < 0.9 * exact:
        rounded += divisor
    return int(rounded)


def round_depth(blocks: int, factor: float) -> int:
    """Scaled number of blocks, rounded up. The product is cleaned first: 5 * 2.2 is 11, not 11.000000000000002."""
    return max(1, math.ceil(round(blocks * factor, 6)))


@dataclass(frozen=True)
class Block:
    """One bottleneck block: 1x1x1 to `inner`, 3x3x3 channel-wise, 1x1x1 to `outputs`.

    `squeeze` is the width of the squeeze-excite layer, 0 where the block has none.
    `spatial_stride` is 2 in the first block of a stage. `project` says if the shortcut has a 1x1x1 convolution with BN.
    """

    stage: int
    index: int
    inputs: int
    inner: int
    outputs: int
    spatial_stride: int
    squeeze: int

    @property
    def project(self) -> bool:
        return self.spatial_stride != 1 or self.inputs != self.outputs

    @property
    def name(self) -> str:
        return f"stage{self.stage}_block{self.index}"


@dataclass(frozen=True)
class Spec:
    """A network and the clip that it sees.

    Args:
        frames: frames of the clip (the paper's gamma_t).
        stride: source frames from one frame of the clip to the next (the inverse of gamma_tau). At one frame it names
            no frame, only where the fast and temporal axes start.
        size: height and width of the training crop in pixels (112 gamma_s).
        width: factor on all channels (gamma_w); 1 is the X2D's 24 to 192. The paper's own figure is twice this one.
        depth: factor on the number of blocks in each stage (gamma_d).
        bottleneck: inner channels of a block over its output channels (gamma_b).

    Raises:
        InputError: a value is out of range.
    """

    frames: int = 1
    stride: int = 32
    size: int = 112
    width: float = 1.0
    depth: float = 1.0
    bottleneck: float = 1.0

    def __post_init__(self):
        for name in ("frames", "stride", "size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"spec: {name} is {value!r}; a whole number of at least 1 is allowed")
        for name in ("width", "depth", "bottleneck"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1000:
                raise InputError(f"spec: {name} is {value!r}; a number above 0 is allowed")
            object.__setattr__(self, name, round(float(value), 6))
        if self.size < MIN_SIZE:
            raise InputError(f"spec: size is {self.size}; at least {MIN_SIZE} pixels are allowed")

    @property
    def span(self) -> int:
        """Source frames from the first to the last frame of a clip, both counted."""
        return (self.frames - 1) * self.stride + 1

    @property
    def pixels(self) -> int:
        """Of a clip."""
        return self.frames * self.size**2

    @property
    def paper_width(self) -> float:
        """Width as the paper prints it, on a base of 12 channels (XL: 2.9)."""
        return round(self.width * PAPER_WIDTH_BASE, 6)

    @property
    def stem_channels(self) -> int:
        return round_width(STEM_CHANNELS, self.width)

    @property
    def feature_size(self) -> int:
        """Height and width in pixels of what the head sees of the training crop."""
        return math.ceil(self.size / TOTAL_STRIDE)

    @property
    def head_inner(self) -> int:
        return int(self.bottleneck * round_width(STAGE_CHANNELS[-1], self.width))

    def blocks(self) -> list[Block]:
        """All blocks in order. Squeeze-excite stands in blocks 0, 2, 4, ... of every stage."""
        result, inputs = [], self.stem_channels
        for stage, (channels, count) in enumerate(zip(STAGE_CHANNELS, STAGE_BLOCKS), start=2):
            outputs = round_width(channels, self.width)
            inner = max(1, int(self.bottleneck * outputs))
            squeeze = round_width(inner, SQUEEZE_RATIO)
            for index in range(round_depth(count, self.depth)):
                stride = 2 if index == 0 else 1
                result.append(Block(stage, index, inputs, inner, outputs, stride, squeeze if index % 2 == 0 else 0))
                inputs = outputs
        return result

    def replace(self, **changes) -> Spec:
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict:
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.frames}x{self.stride} {self.size}px width {self.width:g} "
            f"depth {self.depth:g} bottleneck {self.bottleneck:g}"
        )


X2D = Spec()
_XS = Spec(frames=4, stride=12, size=160, depth=2.2, bottleneck=2.25)
_M = _XS.replace(frames=16, stride=5, size=224)
_L = _M.replace(size=312, depth=5.0)
_XL = _L.replace(width=1.45)

# Table 2 and Figure 2 of the paper; S is step 7 contracted. The paper prints no stride for XXL: 3 keeps XL's span.
NAMED = {
    "X2D": X2D,
    "XS": _XS,
    "S": _XS.replace(frames=13, stride=6),
    "M": _M,
    "L": _L,
    "XL": _XL,
    "XXL": _XL.replace(frames=32, stride=3, depth=10.2),
}


def parse_spec(text: str) -> Spec:
    """A spec from a name ("XS") or from settings ("frames=4,stride=12,size=160"), with X2D's value where none is given.

    A name may come first: "M,size=160".

    Raises:
        InputError: an unknown name, key or value.
    """
    names = {name.upper(): spec for name, spec in NAMED.items()}
    spec, changes = X2D, {}
    for position, part in enumerate(piece.strip() for piece in text.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            known = names.get(key.upper().removeprefix("X3D-").removeprefix("X3D_"))
            if known is None or position:
                raise InputError(f"spec: {part!r} is not known; allowed are {', '.join(NAMED)} or key=value with keys "
                                 f"{', '.join(X2D.as_dict())}")
            spec = known
            continue
        if key not in X2D.as_dict():
            raise InputError(f"spec: unknown key {key!r}; allowed are {', '.join(X2D.as_dict())}")
        try:
            changes[key] = int(value) if key in ("frames", "stride", "size") else float(value)
        except ValueError:
            raise InputError(f"spec: {key}={value!r} is not a number") from None
    return spec.replace(**changes)


@dataclass(frozen=True)
class Limits:
    """What the data allows.

    Args:
        span: longest span of a clip in stored frames; None for no limit.
        size: largest crop in pixels (the short side of the stored frames); None for no limit.
    """

    span: int | None = None
    size: int | None = None

    def broken_by(self, spec: Spec) -> str | None:
        """Why the data does not allow the spec, or None."""
        if self.span is not None and spec.span > self.span:
            return f"a clip of {spec.frames}x{spec.stride} spans {spec.span} frames; the videos have {self.span}"
        if self.size is not None and spec.size > self.size:
            return f"a crop of {spec.size} pixels is larger than the source's {self.size}"
        return None


Preserved = Literal["all clips", "still clips", "weights"]


def preserved(parent: Spec, child: Spec) -> Preserved:
    """What a warm start keeps of the parent, from one spec to another.

    Returns:
        "all clips": the child puts out what the parent does, for every clip (depth, width, bottleneck).
        "still clips": it does for a clip that repeats one frame, where the parent saw one frame (fast, temporal). The
            parent's temporal kernels saw padding beside their middle tap; those taps begin at zero.
        "weights": the same weights on more pixels, or on more frames than a parent that saw several: what they compute
            there is another function.

    Raises:
        InputError: the child is smaller than the parent.
    """
    for name in ("frames", "size", "depth", "width", "bottleneck"):
        if getattr(child, name) < getattr(parent, name):
            raise InputError(f"warm start: {name} {getattr(child, name):g} is less than the parent's "
                             f"{getattr(parent, name):g}; a network can only grow")
    if child.size > parent.size or (child.frames > parent.frames > 1):
        return "weights"
    return "still clips" if child.frames > parent.frames else "all clips"
