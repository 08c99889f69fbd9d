"""A network that starts from another's weights: the same layers, other clips or other classes."""

from __future__ import annotations

import os

from expansion.foundation.errors import InputError
from expansion.network.model import X3D
from expansion.training.fit import load_model

CLASSIFIER = "logits"


def start_from_file(model: X3D, path: str) -> bool:
    """Gives a network the weights in a .keras file.

    Args:
        model: a fresh network; its frames and size may differ from the file's, its layers may not.
        path: of the file.

    Returns:
        Whether the last layer came along; with other classes it starts anew.

    Raises:
        InputError: there is no such file, it holds no network of this project, or one with other layers.
    """
    if not os.path.isfile(path):
        raise InputError(f"weights {path}: no such file")
    try:
        source = load_model(path)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise InputError(f"weights {path}: not a network's .keras file ({str(error).splitlines()[0]})") from None
    if not isinstance(source, X3D):
        raise InputError(f"weights {path}: holds a {type(source).__name__}, not an X3D network")
    same_classes = source.classes == model.classes and source.class_names in ((), model.class_names)
    there = {weight.path: weight for weight in source.weights}
    wanted = [weight for weight in model.weights if same_classes or not weight.path.startswith(f"{CLASSIFIER}/")]
    odd = [weight.path for weight in wanted if weight.path not in there or there[weight.path].shape != weight.shape]
    if odd or len(source.weights) != len(model.weights):
        fields = [name for name, value in source.spec.as_dict().items()
                  if value != model.spec.as_dict()[name] and name in ("width", "depth", "bottleneck")]
        said = ", ".join(f"{name} is {getattr(source.spec, name):g} there and {getattr(model.spec, name):g} here"
                         for name in fields)
        raise InputError(f"weights {path}: other layers: {said or ', '.join(odd[:3])}")
    for weight in wanted:
        weight.assign(there[weight.path].numpy())
    return same_classes
