"""Public X3D weights: PySlowFast's and PyTorchVideo's checkpoints into a Keras network and back."""

from __future__ import annotations

import functools

import numpy as np
import yaml

from expansion.foundation.errors import InputError
from expansion.network.layers import BatchNorm
from expansion.network.model import X3D, build_model
from expansion.spec import Spec
from expansion.weights.naming import CLASSIFIER, DIALECTS, PYSLOWFAST, Dialect, Entry, entries, find_factors, is_bare
from expansion.weights.torch_file import write_torch_file
from expansion.weights.torch_pickle import Refused
from expansion.weights.weights_file import WeightsFile, open_weights, some
from expansion.weights.wrappings import COUNTER, write_known


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
    lines += [f"  {kind}: {some(items)}" for kind, items in found.items() if items]
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
