"""Runs a search on a data set in a folder named by a hash of both. Knows nothing of TFX."""

from __future__ import annotations

import hashlib
import json
import os

from expansion.dataset import VideoDataset
from expansion.recipe import ClipSettings, Recipe
from expansion.search import SearchSettings
from expansion.settings import parse_settings


def search_folder(search_root: str, data: VideoDataset, settings: dict) -> str:
    """Where the search of these settings on this data keeps its state."""
    said = json.dumps([data.manifest.get("fingerprint"), settings], sort_keys=True)
    return os.path.join(search_root, hashlib.sha256(said.encode()).hexdigest()[:12])


def run_search(data: VideoDataset, settings: dict, search_root: str):
    """Runs, or goes on with, the search of these settings on this data. Returns its ExpansionTuner."""
    from expansion.tuner import ExpansionTuner  # brings TensorFlow with it

    folder = search_folder(search_root, data, settings)
    tuner = ExpansionTuner(
        data,
        parse_settings(SearchSettings, settings["search"], "search"),
        recipe=parse_settings(Recipe, settings["recipe"], "recipe"),
        clips=parse_settings(ClipSettings, settings["clips"], "clips"),
        directory=os.path.dirname(folder), project_name=os.path.basename(folder),
        retries=settings["retries"], seed=settings["seed"],
    )
    tuner.search()
    return tuner
