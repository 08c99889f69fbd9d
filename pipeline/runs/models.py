"""Which file a model's name on the command line means: a file, an export's folder, or a run."""

from __future__ import annotations

import os
from dataclasses import dataclass

from expansion.data.manifest import read_manifest
from expansion.data.records import MANIFEST
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.network.preprocessing import UNKNOWN, Preprocessing
from expansion.spec import MIN_SIZE
from pipeline.config import load_config
from pipeline.runs.folder import RunFolder, find_run

SAVED_MODEL = "saved_model.pb"


@dataclass(frozen=True)
class StoredModel:
    """A model and what its run says of it.

    Args:
        path: .keras file, .tflite file or folder of a SavedModel.
        name: short, for tables.
        records: the run's records, where it has some of its own.
        preprocessing: how the run decoded its videos and cut its clips, for a file that does not say; unknown where the
            model is no run's.
    """

    path: str
    name: str
    records: str | None = None
    preprocessing: Preprocessing = UNKNOWN


def find_model(name: str, runs: str = "runs") -> StoredModel:
    """A model by its file, its folder, or the name or folder of the run that made it.

    Raises:
        InputError: there is no such file or run, or the run has no model yet.
    """
    if os.path.isfile(name) or os.path.exists(os.path.join(name, SAVED_MODEL)):
        return StoredModel(name, os.path.basename(os.path.abspath(name)))
    if name.endswith((".keras", ".tflite")):
        raise InputError(f"{name}: no such file")
    folder = _run(name, runs)
    path = _newest_model(folder)
    if not files.exists(folder.config):
        return StoredModel(path, folder.name)
    config = load_config(folder.config, need_videos=False)
    ingested = folder.train_records if files.exists(os.path.join(folder.train_records, MANIFEST)) else folder.records()
    records = config.train.records or ingested
    there = records and files.exists(os.path.join(records, MANIFEST))
    manifest = read_manifest(records) if there else None
    stored, fps = (manifest.settings, manifest.fps) if manifest else (config.ingest.model_dump(), None)
    return StoredModel(path, folder.name, records, Preprocessing.of_records(stored, config.clips, fps))


def _run(name: str, runs: str) -> RunFolder:
    for path in (name, os.path.join(runs, name)):
        if os.path.exists(os.path.join(path, files.KERAS_MODEL)):
            return RunFolder(path)
    return find_run(name, runs)


def _newest_model(folder: RunFolder) -> str:
    """The trained network of a run; while there is none, the last winner of its search."""
    trained = files.inside_each(os.path.join(folder.artifacts, "Trainer", "model"), files.KERAS_MODEL)
    trained += [folder.keras_model] if files.exists(folder.keras_model) else []
    if trained:
        return max(trained, key=os.path.getmtime)
    traces = folder.traces()
    path = folder.search().path if traces else []
    if path:
        model = os.path.join(traces[-1], f"trial_{path[-1].trial_id}", files.KERAS_MODEL)
        if files.exists(model):
            return model
    raise InputError(f"{folder.path}: no trained network there yet")


def check_size(size: int | None) -> None:
    """Raises InputError where a network's input cannot be so small, in pixels; None is its own size."""
    if size is not None and size < MIN_SIZE:
        raise InputError(f"size is {size}; at least {MIN_SIZE} pixels are allowed")


def size_of(path: str) -> int:
    """Bytes of a file, or of all files in a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(path) for name in names)
