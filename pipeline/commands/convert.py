"""`x3d convert`: checkpoints of PySlowFast and PyTorchVideo to .keras and back."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Annotated

import numpy as np
import typer

from expansion.complexity import complexity
from expansion.display.console import make_console, noise_to
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.spec import NAMED, Spec, parse_spec
from expansion.weights.naming import DIALECTS, entries

MAX_NAMES = 2**24  # bytes of a file of class names


def convert(source: Annotated[str, typer.Argument(metavar="IN", help="Checkpoint (.pyth, .pt, .pth, .ckpt) or .keras file.")],
            target: Annotated[str, typer.Argument(metavar="OUT", help="What to write: .keras or .pyth.")],
            spec: Annotated[str | None, typer.Option(
                help="The checkpoint's network, where its file does not tell: XS, S, M, L, XL or frames=...")] = None,
            class_names: Annotated[str | None, typer.Option(
                help="File of class names in the order of the labels: one per line, or JSON.")] = None,
            new_classes: Annotated[int | None, typer.Option(
                help="Put a new, untrained classifier of so many classes in place of the checkpoint's.")] = None,
            to: Annotated[str | None, typer.Option(
                help="Whose checkpoint to write: pyslowfast (the default) or pytorchvideo.")] = None) -> None:
    """Read public X3D weights of PySlowFast or PyTorchVideo into a Keras network, or write such a checkpoint.

    Raises:
        InputError: an option does not fit the files, or a file cannot be read or does not fit the network.
    """
    from_keras, to_keras = source.endswith(".keras"), target.endswith(".keras")
    if from_keras and to_keras:
        raise InputError("one of IN and OUT has to be a checkpoint (.pyth, .pt, .pth or .ckpt)")
    if to_keras and to:
        raise InputError(f"--to {to} is for a checkpoint; {target} is a Keras file")
    if to and to not in DIALECTS:
        raise InputError(f"--to is {to!r}; allowed are {', '.join(DIALECTS)}")
    if from_keras and (spec or new_classes is not None):
        raise InputError(f"--{'spec' if spec else 'new-classes'} is for reading a checkpoint; {source} is a Keras file")
    if new_classes is not None and new_classes < 2:
        raise InputError(f"--new-classes is {new_classes}; at least 2 are allowed")

    with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt")):
        from expansion.network.saving import load_keras

        model, dialect = (load_keras(source), "keras") if from_keras else _read_checkpoint(source, spec, new_classes)
        if class_names:
            model.class_names = read_class_names(class_names, model.classes)
        if to_keras:
            path = os.path.join(folder, files.KERAS_MODEL)  # Keras writes only local files, and in place
            model.save(path)
            files.write_bytes(target, files.read_bytes(path))
        else:
            from expansion.weights.checkpoints import save_weights

            save_weights(model, target, to or "pyslowfast")
    _show(source, dialect, target, "keras" if to_keras else to or "pyslowfast", model, new_classes)


def _read_checkpoint(path: str, spec: str | None, new_classes: int | None):
    from expansion.weights.checkpoints import load_weights, open_weights

    checkpoint = open_weights(path)
    model = load_weights(parse_spec(spec) if spec else None, checkpoint, new_classes=new_classes)
    return model, checkpoint.dialect.name


def read_class_names(path: str, classes: int) -> tuple[str, ...]:
    """Class names by label: one per line, or as JSON a list, or a dictionary of labels by name.

    Raises:
        InputError: no such file, not one name for each class, or labels that are not 0, 1, 2, ...
    """
    try:
        text = files.read_input(path, MAX_NAMES).decode()
        found = json.loads(text) if path.endswith(".json") else [line.strip() for line in text.splitlines()]
    except ValueError as error:
        raise InputError(f"{path}: class names cannot be read: {error}") from None
    if isinstance(found, dict):
        if sorted(found.values(), key=str) != sorted(range(len(found)), key=str):
            raise InputError(f"{path}: labels by name are expected to be 0 to {len(found) - 1}, each once")
        found = sorted(found, key=found.get)
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise InputError(f"{path}: a list of names or a dictionary of labels by name is expected")
    while found and not found[-1]:
        found.pop()
    if len(found) != classes:
        raise InputError(f"{path}: {len(found)} class names; the network has {classes} classes")
    return tuple(name.strip('"') for name in found)  # PyTorchVideo's list for Kinetics has quotes inside the names


def _parameters(spec: Spec, classes: int, form: str) -> int:
    """Trained parameters in a file of that form."""
    if form not in DIALECTS:
        return complexity(spec, classes).params
    return sum(int(np.prod(entry.shape)) for entry in entries(spec, classes, DIALECTS[form]) if entry.trained)


def _show(source: str, dialect: str, target: str, form: str, model, new_classes: int | None) -> None:
    spec, classes = model.spec, model.classes
    name = next((f"{name}: " for name, known in NAMED.items() if known == spec), "")
    named = f", {model.class_names[0]} to {model.class_names[-1]}" if model.class_names else ", without names"
    fresh = ", the classifier is new and untrained" if new_classes else ""
    console = make_console()
    console.print(f"read     {source} ({dialect})\nnetwork  {name}{spec}\nclasses  {classes}{named}{fresh}",
                  soft_wrap=True, markup=False)
    counts = [f"{_parameters(spec, classes, kind):,} as {kind}" for kind in dict.fromkeys((dialect, form))]
    console.print(f"params   {', '.join(counts)}\nwritten  {target} ({form})", soft_wrap=True, markup=False)
