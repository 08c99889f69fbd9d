"""Networks as .keras files, on any file system; nothing that a file carries is run."""

from __future__ import annotations

import os
import tempfile

import keras

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.network.model import X3D


def load_model(path: str) -> X3D:
    """A network from a .keras file, in Keras' safe mode: nothing that the file carries is run."""
    if "://" not in path:
        return keras.models.load_model(path, safe_mode=True, compile=False)
    with tempfile.TemporaryDirectory() as folder:
        there = os.path.join(folder, files.KERAS_MODEL)
        with open(there, "wb") as file:
            file.write(files.read_bytes(path))
        return load_model(there)


def save_model(model: X3D, path: str) -> None:
    """Writes a .keras file; one that is stopped in the middle leaves no file of that name."""
    with files.written_whole(path) as partial:
        model.save(partial)


def load_keras(path: str) -> X3D:
    """A network from a .keras file.

    Raises:
        InputError: there is no such file, Keras cannot read it, or it holds no network of this project.
    """
    if not files.exists(path):
        raise InputError(f"{path}: no such file")
    try:
        model = load_model(path)
    except (ValueError, TypeError, OSError, KeyError) as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path}: not a network that Keras can read ({first[0]})") from None
    if not isinstance(model, X3D):
        raise InputError(f"{path}: a {type(model).__name__}, not an X3D network")
    return model
