"""Public X3D weights: PySlowFast's and PyTorchVideo's checkpoints into a Keras network and back."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import yaml

from expansion.foundation.errors import InputError
from expansion.network.layers import BatchNorm
from expansion.network.model import X3D, build_model
from expansion.spec import NAMED, Spec
from expansion.weights.naming import (
    CLASSIFIER,
    DIALECTS,
    PYSLOWFAST,
    Dialect,
    Entry,
    Shape,
    detect,
    entries,
    find_classes,
    find_factors,
    is_bare,
)
from expansion.weights.torch_file import Tensor, read_torch_file, write_torch_file
from expansion.weights.torch_pickle import Refused
from expansion.weights.wrappings import COUNTER, WRAPPINGS, find_state, read_known, without_prefixes, write_known

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
        keys = f"; its keys are {_some(map(str, content))}" if isinstance(content, dict) else ""
        raise InputError(f"{path}: neither a state dictionary of tensors nor a dictionary with one as "
                         f"{', '.join(map(repr, WRAPPINGS[:-1]))} or {WRAPPINGS[-1]!r}{keys}")
    for tensors in without_prefixes(state):
        if (dialect := detect(tensors)) is not None:
            return WeightsFile(path, dialect, tensors, _config(content.get("cfg")), read_known(content))
    raise InputError(f"{path}: neither PySlowFast's nor PyTorchVideo's X3D; its keys are {_some(state)}")


def _config(text) -> Mapping:
    """PySlowFast's configuration, a YAML text; empty where there is none that can be read."""
    if not isinstance(text, str) or len(text) > MAX_CONFIG:
        return {}
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _some(items: Iterable[str]) -> str:
    items = list(items)
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def _check(checkpoint: WeightsFile, expected: list[Entry], spec: Spec) -> None:
    """
    Raises:
        InputError: keys are missing, unexpected or of another shape.
    """
    shapes = checkpoint.shapes
    names = {entry.name for entry in expected}
    found = {
        "missing": [entry.name for entry in expected if entry.name not in shapes],
        "unexpected": [name for name in shapes if name not in names],
        "of another shape": [f"{entry.name} {shapes[entry.name]}, expected {entry.shape}" for entry in expected
                             if shapes.get(entry.name, entry.shape) != entry.shape],
    }
    if not any(found.values()):
        return
    counts = ", ".join(f"{len(items)} {kind}" for kind, items in found.items() if items)
    lines = [f"{checkpoint.path} does not fit {spec}: of {len(expected)} keys {counts}"]
    lines += [f"  {kind}: {_some(items)}" for kind, items in found.items() if items]
    try:
        factors = find_factors(shapes, checkpoint.dialect)
        if spec.replace(**factors).blocks() != spec.blocks():
            described = ", ".join(f"{key} {value:g}" for key, value in factors.items())
            lines.append(f"  the file's own shapes are those of {described}: is --spec right?")
    except InputError as error:
        lines.append(f"  {error}")
    raise InputError("\n".join(lines))


def _variable(model: X3D, layer: str, weight: str):
    first, *inner = layer.split(".")
    return getattr(functools.reduce(getattr, inner, model.get_layer(first)), weight)


def load_weights(target: X3D | Spec | None, source: str | WeightsFile, *, new_classes: int | None = None,
                 **settings) -> X3D:
    """A network with the weights of a PySlowFast or PyTorchVideo checkpoint.

    The res2 shortcut has no batch norm in PyTorchVideo: here it gets one that changes nothing.

    Args:
        target: a network to fill, of any input size; or a spec to build; or None, to build what the file holds.
        source: .pyth, .pt or .pth, or such a file opened. Nothing that it carries is run.
        new_classes: leave the file's classifier away: the network has one of so many classes as initialised.
        settings: where a network is built, those of X3D.

    Returns:
        The network that was given or built.

    Raises:
        InputError: the file cannot be read or does not fit; the network that was given is unchanged.
    """
    checkpoint = source if isinstance(source, WeightsFile) else open_weights(source)
    path = checkpoint.path
    spec = target.spec if isinstance(target, X3D) else target or checkpoint.spec()
    if new_classes is not None:
        checkpoint = checkpoint.without_classifier()
    elif checkpoint.classes is None:
        raise InputError(f"{path}: no classifier ({checkpoint.dialect.layers[CLASSIFIER]}.weight); "
                         "new_classes sets the classes of a new one")
    classes = new_classes or checkpoint.classes
    wanted = [entry for entry in entries(spec, classes, checkpoint.dialect)
              if new_classes is None or entry.layer != CLASSIFIER]
    _check(checkpoint, wanted, spec)
    if isinstance(target, X3D) and target.classes != classes:
        raise InputError(f"{path}: {classes} classes, the network has {target.classes}; new_classes={target.classes} "
                         "keeps the network's own classifier")
    try:
        arrays = [entry.to_keras(checkpoint.tensors[entry.name].read()) for entry in wanted]
    except Refused as error:
        raise InputError(f"{path}: not read: {error}") from None
    model = target if isinstance(target, X3D) else build_model(spec, classes, **checkpoint.settings(classes) | settings)
    for entry, array in zip(wanted, arrays):
        _variable(model, entry.layer, entry.weight).assign(array)
    for block in spec.blocks():
        if is_bare(block, checkpoint.dialect):
            _make_identity(model.get_layer(block.name).shortcut_bn)
    return model


def _make_identity(norm: BatchNorm) -> None:
    """A batch norm whose scale, gamma / sqrt(variance + epsilon), is 1 to the last bit."""
    one = np.ones(norm.gamma.shape, "float32")
    for variable, value in ((norm.gamma, one), (norm.beta, 0 * one), (norm.moving_mean, 0 * one),
                            (norm.moving_variance, one * np.float32(1 - norm.epsilon))):
        variable.assign(value)


def state_dict(model: X3D, dialect: Dialect) -> dict[str, np.ndarray]:
    """The network's tensors in a dialect's names and shapes, with batch norm's counters at 0.

    Where the dialect's shortcut has no batch norm, ours goes into the convolution before it (the scale) and into the
    offset of the branch that is added to it (the rest): evaluated, the network computes the same.
    """
    arrays = {(entry.layer, entry.weight): _variable(model, entry.layer, entry.weight).numpy()
              for entry in entries(model.spec, model.classes, PYSLOWFAST)}
    for block in model.spec.blocks():
        if is_bare(block, dialect):
            norm, name = model.get_layer(block.name).shortcut_bn, f"{block.name}.shortcut_bn"
            gamma, beta, mean, variance = (arrays[name, weight] for weight in
                                           ("gamma", "beta", "moving_mean", "moving_variance"))
            scale = gamma / np.sqrt(variance + np.float32(norm.epsilon))
            arrays[f"{block.name}.shortcut", "kernel"] = arrays[f"{block.name}.shortcut", "kernel"] * scale
            arrays[f"{block.name}.c_bn", "beta"] = arrays[f"{block.name}.c_bn", "beta"] + (beta - mean * scale)
    state = {}
    for entry in entries(model.spec, model.classes, dialect):
        state[entry.name] = entry.to_torch(arrays[entry.layer, entry.weight])
        if entry.weight == "moving_variance":
            state[entry.name.replace("running_var", COUNTER)] = np.asarray(0, "int64")
    return state


def save_weights(model: X3D, path: str, dialect: str = "pyslowfast") -> None:
    """Writes a checkpoint that PySlowFast or PyTorchVideo loads, with `model_state`, the clip as `cfg`, and as `x3d` the names
    of the classes and how the videos of the training became clips, which only this project reads.

    Args:
        dialect: "pyslowfast" or "pytorchvideo".

    Raises:
        InputError: no such dialect.
    """
    if dialect not in DIALECTS:
        raise InputError(f"dialect {dialect!r} is not known; allowed are {', '.join(DIALECTS)}")
    spec = model.spec
    clip = {"NUM_FRAMES": spec.frames, "SAMPLING_RATE": spec.stride, "TRAIN_CROP_SIZE": spec.size}
    write_torch_file(path, state_dict(model, DIALECTS[dialect]), {
        "cfg": yaml.safe_dump({"DATA": clip}), **write_known(model.class_names, model.preprocessing)})
