"""trace.json: the whole search on disk, written atomically after every change."""

from __future__ import annotations

import json
import os

import tensorflow as tf

from expansion.errors import InputError
from expansion.search import Search

TRACE = "trace.json"


def write_json(path: str, content) -> None:
    """Writes beside the target and renames, so that a reader never sees half a file."""
    partial = f"{path}.partial"
    with tf.io.gfile.GFile(partial, "w") as file:
        json.dump(content, file, indent=1)
    tf.io.gfile.rename(partial, path, overwrite=True)


def read_json(path: str):
    with tf.io.gfile.GFile(path) as file:
        return json.load(file)


def read_trace(folder: str) -> Search:
    """The search whose trace lies in a folder.

    Raises:
        InputError: there is none.
    """
    path = os.path.join(folder, TRACE)
    if not tf.io.gfile.exists(path):
        raise InputError(f"{folder}: no {TRACE} there, so no search to read")
    return Search.from_dict(read_json(path))
