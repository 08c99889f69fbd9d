"""Runs a search on a data set in a folder. Knows nothing of TFX."""

from __future__ import annotations

import os

from expansion.crew.settings import WorkerSettings
from expansion.data.dataset import VideoDataset
from expansion.data.subset import ProxySettings, make_proxy
from expansion.display.wandb_settings import WandbSettings
from expansion.foundation import files
from expansion.foundation.settings import parse_settings
from expansion.recipe import ClipSettings, Recipe
from expansion.search.settings import SearchSettings
from expansion.search.trace import TRACE, read_trace, refuse_changes


def run_search(data: VideoDataset, settings: dict, folder: str):
    """Runs, or goes on with, the search in a folder. Returns its ExpansionTuner.

    Args:
        settings: as of ExpansionSearch. A proxy of the data is made in a folder beside, `<folder>-proxy`.

    Raises:
        InputError: the folder's search was made from other data, or with settings that differ in more than the budget.
    """
    from expansion.tuning.tuner import ExpansionTuner  # brings TensorFlow with it

    search, recipe, clips = _parsed(settings)
    proxy = _proxy(settings)
    tuner = ExpansionTuner(
        make_proxy(data, proxy, f"{folder}-proxy") if proxy else data, search, recipe=recipe, clips=clips, directory=os.path.dirname(folder),
        project_name=os.path.basename(folder), retries=settings["retries"], seed=settings["seed"],
        isolate=settings["isolate"], workers=_workers(settings), wandb=_wandb(settings))
    tuner.search()
    return tuner


def check_settings(settings: dict, folder: str) -> None:
    """Whether the search in a folder, if there is one, may go on with these settings; its data are not looked at.

    Raises:
        InputError: as run_search.
    """
    if files.exists(os.path.join(folder, TRACE)):
        search, recipe, clips = _parsed(settings)
        refuse_changes(read_trace(folder), search, {
            "recipe": recipe.model_dump(mode="json"), "clips": clips.model_dump(mode="json"), "seed": settings["seed"],
        }, folder)


def _workers(settings: dict) -> WorkerSettings | None:
    given = settings.get("workers")
    return None if given is None else parse_settings(WorkerSettings, given, "workers")


def _wandb(settings: dict) -> WandbSettings | None:
    given = settings.get("wandb")
    return None if given is None else parse_settings(WandbSettings, given, "wandb")


def _proxy(settings: dict) -> ProxySettings | None:
    given = settings.get("proxy")
    return None if given is None else parse_settings(ProxySettings, given, "proxy")


def _parsed(settings: dict) -> tuple[SearchSettings, Recipe, ClipSettings]:
    recipe, proxy = parse_settings(Recipe, settings["recipe"], "recipe"), _proxy(settings)
    return (parse_settings(SearchSettings, settings["search"], "search"),
            proxy.recipe(recipe) if proxy else recipe, parse_settings(ClipSettings, settings["clips"], "clips"))
