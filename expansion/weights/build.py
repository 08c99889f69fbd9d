"""A network by its name, with or without weights, in one call."""

from __future__ import annotations

import os

from expansion.foundation.errors import InputError
from expansion.network.model import X3D, build_model
from expansion.network.transfer import start_from_file
from expansion.spec import Spec, parse_spec
from expansion.weights.checkpoints import load_weights, open_weights

KINETICS_CLASSES = 400


def build(spec: Spec | str, classes: int | None = None, *, weights: str | os.PathLike | None = None,
          class_names: tuple[str, ...] = (), **settings) -> X3D:
    """A Keras network: clips (batch, frames, size, size, 3) of pixels 0 to 255, to logits (batch, classes).

    Args:
        spec: a name ("M"), settings in a text ("M,size=160") or a Spec.
        classes: number of classes; None for those of the weights or the names, else 400.
        weights: .pyth, .pt or .pth of PySlowFast or PyTorchVideo, or a .keras file. With other classes than the file's,
            the last layer is initialised again. Nothing that the file carries is run.
        class_names: kept with the network, so that a prediction can be named.
        settings: of X3D: dropout, drop_connect.

    Raises:
        InputError: an unknown spec, weights that cannot be read or do not fit, or names that are not one a class.
    """
    spec = spec if isinstance(spec, Spec) else parse_spec(spec)
    class_names = tuple(class_names)
    if class_names and classes not in (None, len(class_names)):
        raise InputError(f"class_names: {len(class_names)} names for {classes} classes")
    classes = classes or len(class_names) or None
    if class_names:
        settings["class_names"] = class_names
    if weights is None:
        return build_model(spec, classes or KINETICS_CLASSES, **settings)
    path = os.fspath(weights)
    if path.endswith(".keras"):
        from expansion.network.saving import load_keras

        source = load_keras(path)
        settings.setdefault("preprocessing", source.preprocessing)
        if classes is None:
            classes, settings["class_names"] = source.classes, source.class_names
        model = build_model(spec, classes, **settings)
        start_from_file(model, path)
        return model
    checkpoint = open_weights(path)
    own = classes if classes != checkpoint.classes else None
    return load_weights(spec, checkpoint, new_classes=own, **settings)
