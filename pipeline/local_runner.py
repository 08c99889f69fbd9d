"""Runs the pipeline on this machine: LocalDagRunner with ML Metadata in sqlite, and reads what came of it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.orchestration import metadata as tfx_metadata

from components.expansion_search.artifacts import ExpansionTrace
from expansion.data.records import LABEL_TEXT
from expansion.foundation import files
from expansion.foundation.files import KERAS_MODEL
from expansion.search.state import SearchState
from expansion.search.trace import read_trace
from expansion.tasks.task import Task
from pipeline.config import Config
from pipeline.create_pipeline import create_pipeline
from pipeline.runs.folder import RunFolder

NAME = "x3d"


@dataclass(frozen=True)
class Result:
    """What a run made.

    Args:
        search: the finished search.
        search_folder: its state: trials, trace and TensorBoard's logs.
        examples: folder of the records.
        keras_model: .keras file of the trained network.
        pushed: folder of the pushed SavedModel; None if the network was not blessed.
        metrics: of the held-out split over all videos.
        per_class: the same for each class.
    """

    search: SearchState
    search_folder: str
    examples: str
    keras_model: str
    pushed: str | None
    metrics: dict[str, float]
    per_class: dict[str, dict[str, float]]


def run_pipeline(config: Config, folder: RunFolder, *, evaluate_on: str = "test", enable_cache: bool = True,
                 task: Task | None = None) -> Result:
    """Runs all components, or takes from the cache what has not changed.

    Args:
        task: what is learnt from the labels, where that is known.

    Raises:
        InputError: an error of use.
        expansion.search.decisions.NoCandidate: a step of the search has no completed candidate.
    """
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(folder.metadata)
    os.makedirs(folder.path, exist_ok=True)
    tfx.orchestration.LocalDagRunner().run(create_pipeline(
        config, pipeline_name=NAME, pipeline_root=folder.artifacts, search_folder=os.path.abspath(folder.search_folder),
        serving_root=os.path.abspath(folder.serving), evaluate_on=evaluate_on, ingest_work=folder.ingest_work,
        metadata_connection_config=connection, enable_cache=enable_cache, task=task))
    return read_result(folder)


def read_result(folder: RunFolder) -> Result:
    """What the newest run of a folder made, from ML Metadata."""
    newest = _newest_artifacts(folder)
    trace = newest[ExpansionTrace.TYPE_NAME][-1]
    model = newest["Model"][-1]
    overall, per_class = _metrics(newest["ModelEvaluation"][-1])
    blessed = os.path.exists(os.path.join(newest["ModelBlessing"][-1], "BLESSED"))
    pushed = newest.get("PushedModel", [])
    with open(os.path.join(trace, "search_folder.txt"), encoding="utf-8") as file:
        search_folder = file.read()
    return Result(
        search=read_trace(trace), search_folder=search_folder, examples=newest["Examples"][-1],
        keras_model=os.path.join(model, KERAS_MODEL),
        pushed=_last_version(folder.serving) if blessed and pushed else None, metrics=overall, per_class=per_class)


def _newest_artifacts(folder: RunFolder) -> dict[str, list[str]]:
    """Paths of the newest run's artifacts by type, cached ones included, oldest first. Of models, the Trainer's."""
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(folder.metadata)
    with tfx_metadata.Metadata(connection) as metadata:
        store = metadata.store
        run = max(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
        types = {kind.id: kind.name for kind in store.get_artifact_types()}
        found: dict[str, list[str]] = {}
        for artifact in sorted(store.get_artifacts_by_context(run.id), key=lambda artifact: artifact.id):
            if types[artifact.type_id] != "Model" or f"{os.sep}Trainer{os.sep}" in artifact.uri:
                found.setdefault(types[artifact.type_id], []).append(artifact.uri)
    return found


def _last_version(serving: str) -> str | None:
    versions = [path for path in files.listed(serving) if os.path.basename(path).isdecimal()]
    return max(versions, key=lambda path: int(os.path.basename(path)), default=None)


def _metrics(evaluation: str) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Metrics over all videos and per class, of the candidate model."""
    result = tfma.load_eval_result(evaluation)
    overall: dict[str, float] = {}
    per_class: dict[str, dict[str, float]] = {}
    for key, values in result.slicing_metrics:
        flat = {name: entry.get("doubleValue", 0.0) for name, entry in values[""][""].items()}
        if not key:
            overall = flat
        else:
            ((feature, name),) = key
            assert feature == LABEL_TEXT
            per_class[name] = flat
    return overall, per_class
