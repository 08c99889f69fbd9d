"""trace.json: the whole search on disk, written atomically after every change."""

from __future__ import annotations

import json
import os

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.state import Search
from expansion.search.steps import Step, as_dict

TRACE = "trace.json"
OUTCOME = "outcome.json"  # in a trial's folder, from who ran it: curves, metrics, which validation videos it got right


def rung_file(rung: int) -> str:
    """Name of the file that a trial leaves at a rung, by the rung's index."""
    return f"rung-{rung + 1}.json"


class TraceText:
    """The JSON of one search, made again and again. Steps that another follows change no more, and are made once."""

    def __init__(self):
        self._made: dict[int, tuple[Step, str]] = {}

    def __call__(self, search: Search) -> str:
        def text(step: Step) -> str:
            if id(step) in self._made:
                return self._made[id(step)][1]
            made = json.dumps(as_dict(step))
            if any(step is other for other in search.steps[:-1]):
                self._made[id(step)] = step, made
            return made

        lists = {name: ", ".join(map(text, steps)) for name, steps in (("steps", search.steps), ("set_aside", search.set_aside))}
        return json.dumps(search.head())[:-1] + "".join(f', "{name}": [{steps}]' for name, steps in lists.items()) + "}"


def write_trace(folder: str, search: Search) -> None:
    write_trace_text(folder, TraceText()(search))


def write_trace_text(folder: str, text: str) -> None:
    files.write_text(os.path.join(folder, TRACE), text)


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
