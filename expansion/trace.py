"""trace.json: the whole search on disk, written atomically after every change."""

from __future__ import annotations

import os

from expansion import files
from expansion.errors import InputError
from expansion.search import Search

TRACE = "trace.json"


def write_trace(folder: str, search: Search) -> None:
    files.write_json(os.path.join(folder, TRACE), search.as_dict())


def read_trace(folder: str) -> Search:
    """The search whose trace lies in a folder.

    Raises:
        InputError: there is none.
    """
    path = os.path.join(folder, TRACE)
    if not files.exists(path):
        raise InputError(f"{folder}: no {TRACE} there, so no search to read")
    return Search.from_dict(files.read_json(path))
