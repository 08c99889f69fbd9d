"""A network that starts from another's weights: a grown one from its parent's, or the same layers from a file's.

Growing (a warm start) has one rule for all axes. What the parent had stays at its place (a block keeps its index in its
stage, a channel its number); every weight from a new channel into an old one is zero; everything else that is new is
initialised as in a fresh network, where the last batch norm of a block has a scale of zero. So new channels and new
blocks reach no output at first, yet the zero weights between get gradients, and after one step all the others do
(Net2Net, arXiv 1511.05641, splits channels in place of this).
"""

from __future__ import annotations

import numpy as np

from expansion.foundation.errors import InputError
from expansion.network.model import X3D
from expansion.network.saving import load_keras
from expansion.spec import Preserved, Spec, preserved

CLASSIFIER = "logits"
CHANNELWISE = 5  # dimensions of a channel-wise kernel: (frames, height, width, channels, 1)


def start_from(child, parent, *, last: bool = True, any_clip: bool = False) -> Preserved:
    """Gives a fresh network the weights of the one it grew from. Optimiser slots and dropout have no part in it.

    Args:
        child: an X3D of the grown spec, freshly initialised; it is changed in place.
        parent: a trained X3D.
        last: the last layer comes along; else the child keeps its own, as where the classes differ.
        any_clip: the child may have fewer frames or a smaller crop as well, and then keeps the weights alone.

    Returns:
        What the parent's function is kept on; see `preserved`.

    Raises:
        InputError: the child is smaller, or has other classes.
    """
    seen = parent.spec
    if any_clip:
        seen = seen.replace(frames=min(seen.frames, child.spec.frames), size=min(seen.size, child.spec.size))
    kept = preserved(seen, child.spec)
    if child.classes != parent.classes and last:
        raise InputError(f"warm start: {child.classes} classes; the parent has {parent.classes}")
    trained = {weight.path: np.asarray(weight) for weight in parent.weights}
    unseen = parent.spec.frames == 1 < child.spec.frames
    for weight in child.weights:
        if weight.path in trained and (last or not weight.path.startswith(f"{CLASSIFIER}/")):
            weight.assign(_grown(trained[weight.path], np.array(weight), unseen))
    return kept if seen == parent.spec else "weights"


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


def at_clip(model: X3D, spec: Spec) -> X3D:
    """The same layers and weights for the clip of another spec."""
    clip = {name: getattr(spec, name) for name in ("frames", "stride", "size")}
    if model.spec.replace(**clip) == model.spec:
        return model
    other = X3D.from_config(model.get_config() | {"spec": model.spec.replace(**clip).as_dict(), "size": spec.size})
    other.set_weights(model.get_weights())
    return other


def start_from_file(model: X3D, path: str) -> bool:
    """Gives a network the weights in a .keras file.

    Args:
        model: a fresh network; its frames and size may differ from the file's, its layers may not.
        path: of the file.

    Returns:
        Whether the last layer came along; with other classes it starts afresh.

    Raises:
        InputError: as saving.load_keras, or its layers are others.
    """
    source = load_keras(path)
    same_classes = source.classes == model.classes and source.class_names in ((), model.class_names)
    copy_layers(model, source, last=same_classes, name=path)
    return same_classes


def copy_layers(model: X3D, source: X3D, *, last: bool, name: str = "the network") -> None:
    """Gives a network the weights of another with the same layers.

    Args:
        last: the last layer as well.
        name: of the other, for an error.

    Raises:
        InputError: its layers are others.
    """
    there = {weight.path: weight for weight in source.weights}
    wanted = [weight for weight in model.weights if last or not weight.path.startswith(f"{CLASSIFIER}/")]
    odd = [weight.path for weight in wanted if weight.path not in there or there[weight.path].shape != weight.shape]
    if odd or len(source.weights) != len(model.weights):
        fields = [name for name, value in source.spec.as_dict().items()
                  if value != model.spec.as_dict()[name] and name in ("width", "depth", "bottleneck")]
        differences = ", ".join(f"{field} is {getattr(source.spec, field):g} there and {getattr(model.spec, field):g} here"
                                for field in fields)
        raise InputError(f"{name}: other layers: {differences or ', '.join(odd[:3])}")
    for weight in wanted:
        weight.assign(there[weight.path].numpy())
