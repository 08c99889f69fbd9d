"""`x3d eval`: stored networks on the videos of a split, by the paper's protocol, as tables and files."""

from __future__ import annotations

import os
import resource
from typing import Annotated

import typer

from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.display.console import make_console, print_json
from expansion.display.progress import task_progress, waiting
from expansion.foundation import kernels
from expansion.foundation.errors import InputError
from expansion.foundation.imports import import_keras
from expansion.foundation.settings import parse_settings
from expansion.network.preprocessing import Preprocessing
from expansion.recipe import ClipSettings
from pipeline.commands import eval_ranked, eval_tables
from pipeline.options import Json, Runs, Verbose, run_names
from pipeline.runs.models import StoredModel, check_size, find_model, size_of
from pipeline.session import session

TABLES = {"class": eval_tables, "clip": eval_ranked, "frames": eval_ranked}  # by Task.labels


def evaluate(models: Annotated[list[str], typer.Argument(
                 help="Models: .keras files, .tflite files, folders of SavedModels, names or folders of runs.",
                 autocompletion=run_names)],
             records: Annotated[str | None, typer.Option(
                 help="Data set of `x3d ingest`; default: that of the first model's run.")] = None,
             split: Annotated[str, typer.Option(help="`train`, `val` or `test`.")] = "test",
             views: Annotated[int, typer.Option(help="Clips per video, spread evenly in time.")] = 10,
             crops: Annotated[int, typer.Option(help="1: centre; 3: left, centre, right at the larger test crop.")] = 1,
             size: Annotated[int | None, typer.Option(
                 help="Pixels of the network's input; default: what crops and scale say.")] = None,
             scale: Annotated[float | None, typer.Option(
                 help="Short side as a multiple of the training crop; default: the run's, else 128/112.")] = None,
             batch: Annotated[int | None, typer.Option(help="Clips in a forward pass; default: as many as fit.")] = None,
             points: Annotated[bool, typer.Option("--points", help="Score each video at Charades' 25 points, also by a network "
                                                                   "that answers for clips; needs labels with times.")] = False,
             timing: Annotated[bool, typer.Option(help="Measure latency and clips per second.")] = True,
             output: Annotated[str, typer.Option(help="Folder for tables, predictions and figures.")] = "evaluation",
             runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Evaluate models on held-out videos: top-1 and top-5, or mAP, per class; cost, latency.

    Raises:
        InputError: an error of use; some models could not be used, after the others are evaluated, written and printed.
        SystemExit: with 1, after one line on why it failed.
    """
    stored = [find_model(name, runs) for name in models]
    data = _records(records, stored[0])
    data.files(split)
    wanted = {"views": views, "crops": crops} | ({} if scale is None else {"eval_scale": scale})
    parse_settings(ClipSettings, wanted, "eval")
    check_size(size)
    if batch is not None and batch < 1:
        raise InputError(f"batch is {batch}; at least 1 is allowed")
    rows, failed, labels = [], [], eval_tables.distinct([model.name for model in stored])
    with session(os.path.join(output, "log.txt"), verbose) as console:
        with waiting(console, "starting TensorFlow"):
            kernels.choose(kernels.onednn_for())
            import_keras()
        for model, label in zip(stored, labels):
            try:
                row, evaluation = _one(model, label, data, split, wanted, size, batch, timing, points)
            except InputError as error:
                failed.append(str(error))
                continue
            tables = TABLES[evaluation.task.labels]
            tables.write_model(output, label, row, evaluation)
            rows.append(row)
            tables.write_table(output, rows)
    if rows and as_json:
        print_json(rows)
    elif rows:
        tables.show(rows, output)
    if failed:
        of = f"{len(failed)} of {len(stored)} models: " if len(stored) > 1 else ""
        raise InputError(of + "; ".join(failed))


def _records(records: str | None, model: StoredModel) -> VideoDataset:
    if records is None and model.records is None:
        raise InputError(f"{model.path}: no run whose records could be used; name some with --records FOLDER")
    return VideoDataset.open(records or model.records)


def _one(model: StoredModel, label: str, data: VideoDataset, split: str, wanted: dict, size: int | None,
         batch: int | None, timing: bool, points: bool):
    from expansion.evaluation.evaluate import evaluate_network
    from expansion.evaluation.networks import network_for

    network, clips = network_for(model.path, wanted, model.preprocessing, size)
    if note := _trained_otherwise(network.preprocessing.otherwise(model.preprocessing), data):
        make_console(stderr=True).print(f"{label}: {note}", soft_wrap=True)
    batch = network.batch(batch)
    with task_progress(label) as progress:
        evaluation = evaluate_network(network, data, split, clips, batch, progress, "points" if points else None)
    cost = complexity(network.spec, network.classes, network.size)
    row = {
        "model": label, "path": model.path, "form": network.form, "spec": network.spec.as_dict(), "split": split,
        "records": data.path, "videos": len(evaluation.labels), "classes": list(data.classes),
        "size": network.size, "views": clips.views, "crops": clips.crops, "scale": clips.eval_scale,
        "macs_view": cost.macs, "macs_video": cost.macs * clips.views * clips.crops, "params": cost.params,
        "params_without_bn": cost.params_without_bn, "bytes": size_of(model.path),
        **TABLES[evaluation.task.labels].figures(evaluation, data.classes),
    }
    if timing:
        row |= {"latency_ms": 1000 * network.latency(), "batch": batch,
                "clips_per_second": batch / network.latency(batch), "device": eval_tables.device()}
    if note:
        row["note"] = note
    # Of the process so far, so that of several models the later ones have that of the largest.
    row["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return row, evaluation


def _trained_otherwise(known: Preprocessing, data: VideoDataset) -> str | None:
    """A line where a network's training saw videos at another rate or size than a data set holds; None where it did not."""
    there = Preprocessing.of_records(data.manifest.settings).video
    if known.video is None or there is None:
        return None
    differing = [name for name in ("fps", "short_side") if getattr(known.video, name) != getattr(there, name)]
    trained, held = (" and ".join(_in_words(name, getattr(video, name)) for name in differing) for video in (known.video, there))
    return f"trained on {trained}; {data.path} holds {held}, which may cost accuracy" if differing else None


def _in_words(name: str, value: float | None) -> str:
    if name == "short_side":
        return f"a short side of {value} pixels"
    return "each video's own frame rate" if value is None else f"{value:g} frames a second"
