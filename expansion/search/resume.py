"""Whether a search on disk may go on with the settings at hand: only the budget may differ. Plain Python."""

from __future__ import annotations

import json

from expansion.foundation.errors import InputError
from expansion.search.state import Search, SearchSettings
from expansion.foundation.settings import parse_settings
from expansion.recipe import ClipSettings, Recipe

BUDGET = {"steps", "target_gmacs", "target_accuracy", "hours"}  # settings that only say when a search ends
_MODELS = {"recipe": Recipe, "clips": ClipSettings}


def continue_search(search: Search, settings: SearchSettings, made_with: dict, folder: str) -> bool:
    """Makes a search of an earlier process go on with these settings; True if its budget changed.

    Args:
        made_with: as of Search.
        folder: where it lies, for the message.

    Raises:
        InputError: something differs that its results depend on; the line says what, from what to what.
    """
    refuse_changes(search, settings, made_with, folder)
    search.made_with = made_with
    return search.continue_to(settings)


def refuse_changes(search: Search, settings: SearchSettings, made_with: dict, folder: str) -> None:
    """The check of continue_search alone. Of made_with, what is left out is not compared.

    Raises:
        InputError: as continue_search.
    """
    begun = search.steps[-1].step
    left_out = BUDGET | {"limits", "classes"} if "data" in search.made_with else BUDGET  # they follow from the data
    old = _flat(_said(search.settings, search.made_with, begun, left_out))
    new = _flat(_said(settings, made_with, begun, left_out))
    compared = {"search", *made_with}
    keys = [key for key in {**old, **new} if key.split(".")[0] in compared and old.get(key) != new.get(key)]
    if not keys:
        return
    changes = "; ".join(f"{key} was {_shown(old.get(key))}, is now {_shown(new.get(key))}" for key in keys)
    raise InputError(f"{folder} holds a search whose results do not fit: {changes}. To start anew beside it: --fresh "
                     "(in Python: overwrite=True)")


def _said(settings: SearchSettings, made_with: dict, begun: int, left_out: set[str]) -> dict:
    """What the results up to a step depend on, as JSON; settings that an older version did not know have their defaults."""
    search = settings.model_dump(mode="json", exclude=left_out)
    search["follow"] = search["follow"][:begun]
    rest = {key: _MODELS[key].model_dump(parse_settings(_MODELS[key], value, key), mode="json") if key in _MODELS else value
            for key, value in made_with.items()}
    for recipe in (rest[key] for key in ("recipe",) if key in rest):
        recipe["by_step"] = {step: changes for step, changes in recipe["by_step"].items() if int(step) <= begun}
    return json.loads(json.dumps({"search": search, **rest}))


def _flat(values: dict, prefix: str = "") -> dict:
    found = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _shown(value) -> str:
    return "not set" if value is None else json.dumps(value).removesuffix(".0")
