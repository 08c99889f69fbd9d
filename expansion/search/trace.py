"""trace.json: the whole search on disk, written atomically after every change, and whether it may be continued.

Only the budget may differ from what the search began with. Plain Python.
"""

from __future__ import annotations

import json
import os

from pydantic import ValidationError

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.settings import one_line, parse_settings
from expansion.recipe import ClipSettings, Recipe
from expansion.search.settings import SearchSettings
from expansion.search.state import STEPS, SearchState
from expansion.search.steps import Step

TRACE = "trace.json"
BUDGET = {"steps", "target_gmacs", "target_accuracy", "hours", "without_gain", "protocol"}  # they only say when a search ends
_MODELS = {"recipe": Recipe, "clips": ClipSettings}


class TraceText:
    """The JSON of one search, made again and again. Steps that another follows change no more, and are made once."""

    def __init__(self):
        self._made: dict[int, tuple[Step, str]] = {}

    def __call__(self, search: SearchState) -> str:
        def text(step: Step) -> str:
            if id(step) in self._made:
                return self._made[id(step)][1]
            made = json.dumps(STEPS.dump_python([step])[0])
            if any(step is other for other in search.steps[:-1]):
                self._made[id(step)] = step, made
            return made

        lists = {name: ", ".join(map(text, steps)) for name, steps in (("steps", search.steps), ("set_aside", search.set_aside))}
        return json.dumps(search.head())[:-1] + "".join(f', "{name}": [{steps}]' for name, steps in lists.items()) + "}"


def has_trace(folder: str) -> bool:
    """Whether a folder holds a search."""
    return files.exists(os.path.join(folder, TRACE))


def write_trace(folder: str, search: SearchState) -> None:
    write_trace_text(folder, TraceText()(search))


def write_trace_text(folder: str, text: str) -> None:
    files.write_text(os.path.join(folder, TRACE), text)


def read_trace(folder: str, **means) -> SearchState:
    """The search whose trace lies in a folder.

    Args:
        means: as of SearchState.from_dict.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = os.path.join(folder, TRACE)
    if not has_trace(folder):
        raise InputError(f"{folder}: no {TRACE} there, so no search to read")
    try:
        return SearchState.from_dict(files.read_json(path), **means)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = one_line(error) if isinstance(error, ValidationError) else error
        raise InputError(f"{path} is damaged ({reason}); without it the search cannot be resumed") from None


def continue_search(search: SearchState, settings: SearchSettings, made_with: dict, folder: str) -> bool:
    """Makes a search of an earlier process go on with these settings; True if its budget changed.

    Args:
        made_with: as of SearchState.
        folder: where it lies, for the message.

    Raises:
        InputError: something differs that its results depend on; the line says what, from what to what.
    """
    refuse_changes(search, settings, made_with, folder)
    search.made_with = made_with
    return search.extend_budget(settings)


def refuse_changes(search: SearchState, settings: SearchSettings, made_with: dict, folder: str) -> None:
    """The check of continue_search alone. Of made_with, what is left out is not compared.

    Raises:
        InputError: as continue_search.
    """
    last_step = search.steps[-1].number
    left_out = BUDGET | {"limits", "classes", "task"} if "data" in search.made_with else BUDGET  # they follow from the data
    old = _flat(_settings_that_count(search.settings, search.made_with, last_step, left_out))
    new = _flat(_settings_that_count(settings, made_with, last_step, left_out))
    compared = {"search", *made_with}
    keys = [key for key in {**old, **new} if key.split(".")[0] in compared and old.get(key) != new.get(key)]
    if not keys:
        return
    changes = "; ".join(f"{key} was {_as_text(old.get(key))}, is now {_as_text(new.get(key))}" for key in keys)
    raise InputError(f"{folder} holds a search whose results do not fit: {changes}. To begin another beside it: --fresh "
                     "(in Python: overwrite=True)")


def _settings_that_count(settings: SearchSettings, made_with: dict, last_step: int, left_out: set[str]) -> dict:
    """What the results up to a step depend on, as JSON; settings that an older version did not know have their defaults."""
    search = settings.model_dump(mode="json", exclude=left_out | {"weights"})  # what is in the file counts, not where it lies
    search["follow"] = search["follow"][:last_step]
    rest = {key: _MODELS[key].model_dump(parse_settings(_MODELS[key], value, key), mode="json") if key in _MODELS else value
            for key, value in made_with.items()}
    for recipe in (rest[key] for key in ("recipe",) if key in rest):
        recipe["by_step"] = {step: changes for step, changes in recipe["by_step"].items() if int(step) <= last_step}
    return json.loads(json.dumps({"search": search, **rest}))


def _flat(values: dict, prefix: str = "") -> dict:
    found = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _as_text(value) -> str:
    return "not set" if value is None else json.dumps(value).removesuffix(".0")
