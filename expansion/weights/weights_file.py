"""Checkpoints of PySlowFast and PyTorchVideo as files: whose names they have, and which network. Plain Python; no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import yaml

from expansion.foundation.errors import InputError
from expansion.spec import NAMED, Spec
from expansion.weights.naming import CLASSIFIER, Dialect, Shape, detect, find_classes, find_factors
from expansion.weights.torch_file import Tensor, read_torch_file
from expansion.weights.wrappings import WRAPPINGS, find_state, read_known, without_prefixes

SHOWN = 10  # keys of each kind in an error
MAX_CONFIG = 2**20  # characters of the configuration that PySlowFast keeps in a checkpoint


@dataclass(frozen=True)
class WeightsFile:
    """A checkpoint file, open: names and shapes are known, numbers are read when they are needed.

    Args:
        path: the file.
        dialect: whose names it has.
        tensors: by name, without batch norm's counters.
        config: the configuration that PySlowFast keeps in the file, or an empty one.
        known: settings of X3D that this project writes beside the weights: the names of the classes, and how the videos of the
            training became clips.
    """

    path: str
    dialect: Dialect
    tensors: Mapping[str, Tensor]
    config: Mapping
    known: Mapping = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, Shape]:
        return {name: tensor.shape for name, tensor in self.tensors.items()}

    @property
    def classes(self) -> int | None:
        return find_classes(self.shapes, self.dialect)

    def settings(self, classes: int) -> dict:
        """Settings of X3D for a network of so many classes: what is known, the names where there are as many."""
        fits = len(self.known.get("class_names", ())) == classes
        return {name: value for name, value in self.known.items() if fits or name != "class_names"}

    def without_classifier(self) -> WeightsFile:
        prefix = f"{self.dialect.layers[CLASSIFIER]}."
        left = {name: tensor for name, tensor in self.tensors.items() if not name.startswith(prefix)}
        return replace(self, tensors=left)

    def spec(self) -> Spec:
        """The network: its layers by the shapes, its clip by the configuration or by the one named spec that fits.

        Raises:
            InputError: the shapes are of no spec, or nothing tells the clip.
        """
        try:
            factors = find_factors(self.shapes, self.dialect)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None
        data = self.config.get("DATA")
        if isinstance(data, dict):
            try:
                return Spec(data["NUM_FRAMES"], data["SAMPLING_RATE"], data["TRAIN_CROP_SIZE"], **factors)
            except (KeyError, InputError):
                pass
        fits = [name for name, spec in NAMED.items() if factors.items() <= spec.as_dict().items()]
        if len(fits) == 1:
            return NAMED[fits[0]]
        known = f"{' or '.join(fits)} or " if fits else ""
        described = ",".join(f"{key}={value:g}" for key, value in factors.items())
        raise InputError(f"{self.path}: its shapes do not tell the frames, stride and size of a clip; name the network: "
                         f"--spec {known}frames=16,stride=5,size=224,{described}")


def open_weights(path: str) -> WeightsFile:
    """Opens PySlowFast's or PyTorchVideo's checkpoint: a state dictionary alone, or within a trainer's dictionary.

    A trainer's dictionary has it under one of WRAPPINGS; prefixes of the names that a wrapped network gets are taken off.
    Nothing that the file carries is run.

    Raises:
        InputError: it is no such file, or its names are neither project's.
    """
    content = read_torch_file(path)
    state = find_state(content)
    if not state:
        keys = f"; its keys are {some(map(str, content))}" if isinstance(content, dict) else ""
        raise InputError(f"{path}: neither a state dictionary of tensors nor a dictionary with one as "
                         f"{', '.join(map(repr, WRAPPINGS[:-1]))} or {WRAPPINGS[-1]!r}{keys}")
    for tensors in without_prefixes(state):
        if (dialect := detect(tensors)) is not None:
            return WeightsFile(path, dialect, tensors, _config(content.get("cfg")), read_known(content))
    raise InputError(f"{path}: neither PySlowFast's nor PyTorchVideo's X3D; its keys are {some(state)}")


def _config(text) -> Mapping:
    """PySlowFast's configuration, a YAML text; empty where there is none that can be read."""
    if not isinstance(text, str) or len(text) > MAX_CONFIG:
        return {}
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def some(items: Iterable[str]) -> str:
    """The first ones, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
