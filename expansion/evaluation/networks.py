"""A stored network in any form as one thing to ask: a .keras file, a SavedModel or a .tflite file; all answer alike."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from expansion.complexity import fitting_batch
from expansion.evaluation.metadata import CARD, Card, read_card
from expansion.evaluation.tflite import LiteModel
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.paths import plain_name
from expansion.foundation.settings import parse_settings
from expansion.network.frozen import folded_forward
from expansion.network.model import X3D, at_size, probabilities
from expansion.network.preprocessing import UNKNOWN, Preprocessing
from expansion.network.saving import load_keras
from expansion.recipe import ClipSettings
from expansion.spec import Spec
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task


@dataclass(frozen=True)
class Network:
    """A network that can be asked, whatever form it is stored in.

    Args:
        form: "keras", "saved_model", "tflite" or "tflite int8".
        spec: the network.
        classes: number of classes.
        class_names: their names, where the network carries them.
        size: pixels of the clips that it takes.
        predict: clips (batch, frames, size, size, 3) of uint8, to probabilities (batch, classes), or of each frame (batch,
            frames, classes).
        most: clips that it takes at once; None for any number.
        preprocessing: how videos are to be decoded and cut into clips for it, as far as it carries that.
        task: what it answers.
    """

    form: str
    spec: Spec
    classes: int
    class_names: tuple[str, ...]
    size: int
    predict: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    most: int | None = None
    preprocessing: Preprocessing = UNKNOWN
    task: Task = SINGLE_LABEL

    def batch(self, wanted: int | None = None) -> int:
        """Clips in a forward pass: so many as are wanted, or as fit (complexity.fitting_batch), but no more than it takes."""
        return min(wanted or fitting_batch(self.spec, self.size), self.most or sys.maxsize)

    def latency(self, batch: int = 1, calls: int = 11, at_most: float = 2.0) -> float:
        """Median seconds of a forward pass of `batch` clips, after two to warm up, in about `at_most` seconds."""
        clips = np.zeros((batch, self.spec.frames, self.size, self.size, 3), np.uint8)
        seconds: list[float] = []
        for _ in range(2 + calls):
            began = time.perf_counter()
            self.predict(clips)
            seconds.append(time.perf_counter() - began)
            if len(seconds) > 3 and sum(seconds) > at_most:
                break
        return statistics.median(seconds[2:])


def keras_network(model: X3D, size: int | None = None) -> Network:
    """A Keras model as a Network, for an input of `size` pixels. It has the weights of now, batch norm folded into them."""
    model = at_size(model, size or model.size)
    logits = folded_forward(model)

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)], autograph=False)
    def predict(clips):
        return probabilities(logits(clips), model.task.activation)

    return Network("keras", model.spec, model.classes, model.class_names, model.size,
                   lambda clips: predict(clips).numpy(), preprocessing=model.preprocessing, task=model.task)


def open_network(path: str | os.PathLike, settings: ClipSettings | None = None, size: int | None = None) -> Network:
    """A network from a .keras file, a .tflite file or the folder of a SavedModel.

    Args:
        settings: how clips will be cut; a .keras file is made for the input size that follows.
        size: pixels of the clips that it shall take, whatever the settings say. An export takes those of its own size.

    Raises:
        InputError: it is none of these, was not made by this project, or takes clips of another size.
    """
    path = os.fspath(path)
    if not files.exists(path):
        raise InputError(f"{path}: no such file or folder")
    if path.endswith(".keras"):
        model = load_keras(path)
        return keras_network(model, size or (settings.evaluation_size(model.spec.size) if settings else model.size))
    if path.endswith(".tflite"):
        lite = LiteModel(path)
        found = _fixed("tflite int8" if lite.quantized else "tflite", lite.card, lite.predict, most=1)
    elif files.exists(os.path.join(path, "saved_model.pb")):
        found = _open_saved_model(path)
    else:
        raise InputError(f"{path}: not a network; allowed are a .keras file, a .tflite file and a SavedModel's folder")
    if size not in (None, found.size):
        raise InputError(f"{path}: it takes clips of {found.size} pixels, not {size}; `x3d export --size {size}` makes "
                         "one for these, from the .keras file")
    return found


def network_for(model: X3D | Network | str | os.PathLike, changes: Mapping[str, object], otherwise: Preprocessing = UNKNOWN,
                size: int | None = None) -> tuple[Network, ClipSettings]:
    """A network, and how clips are to be cut for it: as in its training, but for some changes.

    Args:
        changes: values by the names of ClipSettings' fields.
        otherwise: what is taken where the network does not say; where that does not either, ClipSettings' defaults.
        size: as open_network takes it.

    Raises:
        InputError: as open_network, or a value that is not allowed.
    """
    if isinstance(model, (str, os.PathLike)):
        keras = os.fspath(model).endswith(".keras") and files.exists(os.fspath(model))
        model = load_keras(os.fspath(model)) if keras else open_network(model, size=size)
    own = model.preprocessing.otherwise(otherwise).clips or ClipSettings()
    clips = parse_settings(ClipSettings, own.model_dump() | dict(changes), "clips")
    if isinstance(model, X3D):
        model = keras_network(model, size or clips.evaluation_size(model.spec.size))
    return model, clips


def _open_saved_model(path: str) -> Network:
    card = read_card(os.path.join(path, CARD))
    with plain_name(path) as name:
        signature = tf.saved_model.load(name).signatures["clips"]
    return _fixed("saved_model", card, lambda clips: signature(clips=tf.constant(clips))["probabilities"].numpy())


def _fixed(form: str, card: Card, predict, most: int | None = None) -> Network:
    return Network(form, card.spec, card.classes, card.class_names, card.size, predict, most, card.preprocessing,
                   card.task)
