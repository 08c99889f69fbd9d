"""trace.json: the whole search on disk, written atomically after every change."""

from __future__ import annotations

import os

from expansion import files
from expansion.errors import InputError
from expansion.search import Search

TRACE = "trace.json"
OUTCOME = "outcome.json"  # in a trial's folder, from who ran it: curves, metrics, which validation videos it got right


def write_trace(folder: str, search: Search) -> None:
    files.write_json(os.path.join(folder, TRACE), search.as_dict())


def read_trace(folder: str, **means) -> Search:
    """The search whose trace lies in a folder.

    Args:
        means: as of Search.from_dict.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = os.path.join(folder, TRACE)
    if not files.exists(path):
        raise InputError(f"{folder}: no {TRACE} there, so no search to read")
    try:
        return Search.from_dict(files.read_json(path), **means)
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged ({error}); without it the search cannot go on") from None


def read_outcomes(folder: str) -> dict[str, dict]:
    """What the tuner kept of the trials that a search's folder holds, by their ids."""
    found = files.matching(os.path.join(folder, "trial_*", OUTCOME))
    return {os.path.basename(os.path.dirname(path)).removeprefix("trial_"): files.read_json(path) for path in found}
