"""A network that begins with a file of weights: the file's own with the data's classes, or one that grew from it."""

from __future__ import annotations

import keras

from expansion.network.model import X3D, build_model
from expansion.network.saving import load_keras
from expansion.network.transfer import copy_layers, start_from
from expansion.spec import Preserved
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.weights.checkpoints import load_weights
from expansion.weights.source import KERAS, WeightsSource
from expansion.weights.weights_file import open_weights


def network_of(source: WeightsSource, classes: int, class_names: tuple[str, ...] = (), *, new_head: bool = False,
               seed: int = 0, task: str = SINGLE_LABEL.name) -> X3D:
    """The network of a file, with a last layer for the data.

    Args:
        source: of open_source.
        classes, class_names: of the data.
        new_head: begin a new last layer, whatever classes the file has.
        seed: of a new last layer.
        task: what is learnt of the data.

    Raises:
        InputError: the classes or tasks differ and no new last layer was asked for, or the file does not fit.
    """
    new = source.check_head(classes, class_names, new_head, task)
    keras.utils.set_random_seed(seed)
    model = build_model(source.spec, classes, class_names=class_names, task=task)
    if source.form == KERAS:
        copy_layers(model, load_keras(source.path), last=not new)
    else:
        load_weights(model, open_weights(source.path), new_classes=classes if new else None)
    return model


def start_from_weights(model: X3D, source: WeightsSource, *, new_head: bool = False) -> Preserved:
    """Gives a fresh network the weights of a file, grown where it is deeper or wider; its clip may be any.

    A new last layer is the fresh network's own.

    Returns:
        What is kept of the file's function; see spec.preserved.

    Raises:
        InputError: it has fewer layers or channels, or the classes differ and no new last layer was asked for.
    """
    kept = source.grows_to(model.spec)
    new = source.check_head(model.classes, model.class_names, new_head, model.task.name)
    begun = network_of(source.as_in(model.spec), model.classes, model.class_names, new_head=new_head, task=model.task.name)
    start_from(model, begun, last=not new, any_clip=True)
    return kept
