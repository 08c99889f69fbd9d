"""Warm start: a grown network begins with the weights of the one it grew from. Imports no TensorFlow.

One rule serves all axes. What the parent had stays at its place (a block keeps its index in its stage, a channel its
number); every weight from a new channel into an old one is zero; everything else that is new is initialised as in a
fresh network, where the last batch norm of a block has a scale of zero. So new channels and new blocks reach no output
at first, yet the zero weights between get gradients, and after one step all the others do (Net2Net, arXiv 1511.05641,
splits channels in place of this).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from expansion.foundation.errors import InputError
from expansion.spec import Spec

Preserved = Literal["all clips", "still clips", "weights"]
CHANNELWISE = 5  # dimensions of a channel-wise kernel: (frames, height, width, channels, 1)


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


def start_from(child, parent) -> Preserved:
    """Gives a fresh network the weights of the one it grew from. Optimiser slots and dropout have no part in it.

    Args:
        child: an X3D of the grown spec, freshly initialised; it is changed in place.
        parent: a trained X3D.

    Returns:
        What the parent's function is kept on; see `preserved`.

    Raises:
        InputError: the child is smaller, or has other classes.
    """
    kept = preserved(parent.spec, child.spec)
    if child.classes != parent.classes:
        raise InputError(f"warm start: {child.classes} classes; the parent has {parent.classes}")
    trained = {weight.path: np.asarray(weight) for weight in parent.weights}
    unseen = parent.spec.frames == 1 < child.spec.frames
    for weight in child.weights:
        if weight.path in trained:
            weight.assign(_grown(trained[weight.path], np.array(weight), unseen))
    return kept


def _grown(old: np.ndarray, fresh: np.ndarray, unseen: bool) -> np.ndarray:
    """The old weights in the corner of the fresh ones, with zeros from new inputs to old outputs.

    Args:
        unseen: whether the old network saw a single frame, so that its outer temporal taps stand for nothing.
    """
    fresh[tuple(slice(size) for size in old.shape)] = old
    if fresh.ndim == CHANNELWISE:
        if unseen:
            middle = fresh.shape[0] // 2
            fresh[:middle] = fresh[middle + 1:] = 0
    elif fresh.ndim > 1:
        inputs, outputs = old.shape[-2:]
        fresh[..., inputs:, :outputs] = 0
    return fresh
