"""The six axes of expansion: what a step may change, and by how much.

X3D (arXiv 2004.04730), section 3.2: in each step one candidate per axis is built at about twice the cost. Which value
the paper takes on an axis it does not say; the grid and the rule below give every winner of its steps 1 to 11 exactly.
Plain Python; no TensorFlow.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from expansion.complexity import complexity
from expansion.foundation.errors import InputError
from expansion.spec import Limits, Spec

AXES = ("fast", "temporal", "spatial", "depth", "width", "bottleneck")
GRID = {"size": 8, "depth": 0.2, "width": 0.05, "bottleneck": 0.25}  # width: the paper's 0.1 on a base of 12 channels
FIELD = {"spatial": "size", "depth": "depth", "width": "width", "bottleneck": "bottleneck"}
MOST_MACS = 64  # times the present MACs: how far a value is looked for
STRIDE_FACTOR = {"fast": 0.5, "temporal": 0.75}

Cost = Callable[[Spec], float]


def macs(spec: Spec) -> int:
    """MACs of one clip with 400 classes: the default cost C(X)."""
    return complexity(spec).macs


@dataclass(frozen=True)
class Candidate:
    """A spec that one axis proposes. `merged` names the axes that propose the very same model."""

    axis: str
    spec: Spec
    cost: float
    merged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Saturated:
    """An axis that cannot move, and why."""

    axis: str
    reason: str


def _grid_values(field: str, current: float) -> Iterator[float]:
    """Grid values above the current one, rising."""
    for index in itertools.count(1):
        yield _grid_value(field, current, index)


def _grid_value(field: str, current: float, index: int) -> float:
    """The grid value that is the index-th above the current one."""
    step = GRID[field]
    place = math.floor(current / step + 1e-9) + index
    return int(place * step) if field == "size" else round(place * step, 6)


def _nearest(spec: Spec, field: str, cost: Cost, factor: float) -> Spec:
    """The grid value whose cost is nearest to `factor` times the present one in log ratio; of equal ones the smallest.

    The cost has to rise with the value. A cost that has to be measured is asked for few times: the way begins where the
    MACs would have it end.
    """
    def at(index: int) -> Spec:
        return spec.replace(**{field: _grid_value(field, getattr(spec, field), index)})

    def reaches(measure: Cost) -> Callable[[int], bool]:
        target = factor * measure(spec)

        def found(index: int) -> bool:
            if measure(at(index)) >= target:
                return True
            if macs(at(index)) > MOST_MACS * macs(spec):
                raise InputError(f"no {field} up to {getattr(at(index), field):g} costs {factor:g} times as much")
            return False

        return found

    above, target = _first(reaches(cost), _first(reaches(macs), 1)), factor * cost(spec)
    best = min((index for index in (above - 1, above) if index), key=lambda i: round(abs(math.log(cost(at(i)) / target)), 12))
    while best > 1 and cost(at(best - 1)) == cost(at(best)):
        best -= 1
    return at(best)


def _first(reached: Callable[[int], bool], start: int) -> int:
    """The first index from 1 on that is reached, where all after it are: by growing strides from the start, then halving."""
    below, above, stride = start - 1, start, 1
    if reached(start):
        while below > 0 and reached(below):
            below, above, stride = max(0, below - stride), below, 2 * stride
    else:
        below, above = start, start + stride
        while not reached(above):
            stride *= 2
            below, above = above, above + stride
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if reached(middle) else (middle, above)
    return above


def expand(spec: Spec, axis: str, cost: Cost = macs, factor: float = 2.0) -> Spec:
    """The spec grown along one axis to about `factor` times its cost.

    Args:
        spec: the model to grow.
        axis: one of AXES. "fast" doubles the frames at half the stride (the same span); "temporal" doubles the frames
            at three quarters of the stride (a longer span). Strides round half up. The others take the value of GRID
            whose cost is nearest to the target.
        cost: C(X), any unit.
        factor: cost to reach over the present one. The temporal axes double the frames whatever the factor is.

    Raises:
        InputError: the axis is unknown, or cannot move.
    """
    if axis not in AXES:
        raise InputError(f"axis {axis!r} is not known; allowed are {', '.join(AXES)}")
    if axis in FIELD:
        return _nearest(spec, FIELD[axis], cost, factor)
    if axis == "fast" and spec.stride == 1 and spec.frames > 1:
        raise InputError("the stride is 1 already: no more frames to sample in the same span")
    stride = max(1, math.floor(spec.stride * STRIDE_FACTOR[axis] + 0.5))
    return spec.replace(frames=2 * spec.frames, stride=stride)


def propose(spec: Spec, axes: tuple[str, ...] = AXES, cost: Cost = macs, factor: float = 2.0,
            limits: Limits = Limits(),
            reject: Callable[[Spec], str | None] = lambda spec: None) -> tuple[list[Candidate], list[Saturated]]:
    """One candidate for each axis that can move, and the axes that cannot, with their reasons.

    Where two axes propose the same model it is trained once, under the first one's name, and the other is merged into
    it. At one frame "fast" and "temporal" count as the same (the paper trains one for both): the stride only says how
    far apart the two frames of the clip will be.

    Args:
        limits: what the data allows.
        reject: says why a spec is not wanted, or None. It is asked before the cost of a spec is, where both can be.
    """
    candidates: list[Candidate] = []
    saturated: list[Saturated] = []
    for axis in axes:
        try:
            grown = expand(spec, axis, cost, factor)
        except InputError as error:
            saturated.append(Saturated(axis, str(error)))
            continue
        broken = limits.broken_by(grown) or reject(grown)
        if not broken and cost(grown) <= cost(spec):
            broken = "it does not raise the cost"
        if broken:
            saturated.append(Saturated(axis, broken))
            continue
        twin = next((i for i, other in enumerate(candidates) if _same_model(spec, other, axis, grown)), None)
        if twin is None:
            candidates.append(Candidate(axis, grown, cost(grown)))
        else:
            candidates[twin] = replace(candidates[twin], merged=(*candidates[twin].merged, axis))
    return candidates, saturated


def _same_model(parent: Spec, other: Candidate, axis: str, grown: Spec) -> bool:
    return other.spec == grown or (parent.frames == 1 and {other.axis, axis} == set(STRIDE_FACTOR))


def contract(parent: Spec, grown: Spec, axis: str, target: float, cost: Cost = macs) -> Spec | None:
    """The last expansion reduced until the target cost is met (X3D, section 3.2, "backward contraction").

    Only what the last step changed is reduced. On the temporal axes frames are taken away and the stride is set so that
    the span of the clip (frames * stride) stays: 16x5 becomes 13x6, the paper's S.

    Returns:
        The largest model between parent and grown that costs at most the target; None where there is none.
    """
    if cost(grown) <= target:
        return grown
    if axis in FIELD:
        field, best = FIELD[axis], None
        for value in _grid_values(field, getattr(parent, field)):
            smaller = parent.replace(**{field: value})
            if value >= getattr(grown, field) or cost(smaller) > target:
                return best
            best = smaller
    for frames in range(grown.frames - 1, parent.frames, -1):
        stride = max(1, math.floor(grown.frames * grown.stride / frames + 0.5))
        smaller = grown.replace(frames=frames, stride=stride)
        if cost(smaller) <= target:
            return smaller
    return None
