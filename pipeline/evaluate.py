"""`x3d eval`: stored networks on the videos of a split, by the paper's protocol, as tables and files."""

from __future__ import annotations

import os
import resource
import sys

from expansion.complexity import complexity, fitting_batch
from expansion.data.dataset import VideoDataset
from expansion.display.console import noise_to, print_json
from expansion.display.progress import task_progress, waiting
from expansion.foundation.errors import InputError
from expansion.foundation.imports import import_keras
from expansion.foundation.settings import parse_settings
from expansion.recipe import ClipSettings
from expansion.search.selection import wilson
from pipeline import results
from pipeline.runs.models import StoredModel, find_model


def evaluate(names: list[str], records: str | None, split: str, *, views: int, crops: int, scale: float | None = None,
             size: int | None = None, batch: int | None = None, timing: bool = True, runs: str = "runs",
             output: str = "evaluation", as_json: bool = False, verbose: bool = False) -> None:
    """Evaluates models one after the other, prints what they reach and writes it to a folder.

    Args:
        names: files, folders or runs, as pipeline.runs.models.find_model takes them.
        records: data set of `x3d ingest`; None for that of the first model's run.
        views, crops: views in time, and crops of each (1 or 3).
        scale: short side as a multiple of the training crop; None for the model's own, else the paper's 128 / 112.
        size: pixels of the networks' input; None for what crops and scale say.
        batch: clips in a forward pass; None for as many as fit.
        timing: measure latency and throughput.

    Raises:
        InputError: an error of use.
    """
    models = [find_model(name, runs) for name in names]
    data = _records(records, models[0])
    data.files(split)
    wanted = {"views": views, "crops": crops} | ({} if scale is None else {"eval_scale": scale})
    parse_settings(ClipSettings, wanted, "eval")
    if size is not None and size < 16:
        raise InputError(f"size is {size}; at least 16 pixels are allowed")
    if batch is not None and batch < 1:
        raise InputError(f"batch is {batch}; at least 1 is allowed")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    rows, labels = [], results.distinct([model.name for model in models])
    with noise_to(os.path.join(output, "log.txt"), verbose) as console:
        with waiting(console, "starting TensorFlow"):
            import_keras()
        for model, label in zip(models, labels):
            row, evaluation = _one(model, label, data, split, wanted, size, batch, timing)
            results.write_model(output, label, row, evaluation)
            rows.append(row)
    results.write_table(output, rows)
    if as_json:
        print_json(rows)
    else:
        results.show(rows, output)


def _records(records: str | None, model: StoredModel) -> VideoDataset:
    if records is None and model.records is None:
        raise InputError(f"{model.path}: no run whose records could be used; name some with --records FOLDER")
    return VideoDataset.open(records or model.records)


def _one(model: StoredModel, label: str, data: VideoDataset, split: str, wanted: dict, size: int | None,
         batch: int | None, timing: bool):
    from expansion.evaluation.evaluate import evaluate_network
    from expansion.evaluation.networks import open_network

    clips = (model.clips or ClipSettings()).model_copy(update=wanted)
    network = open_network(model.path, clips, size)
    if network.clips is not None:
        clips = network.clips.model_copy(update=wanted)
    batch = min(batch or fitting_batch(network.spec, network.size), network.most or sys.maxsize)
    with task_progress(label) as progress:
        evaluation = evaluate_network(network, data, split, clips, batch, progress)
    cost = complexity(network.spec, network.classes, network.size)
    videos, top1, top5 = len(evaluation.labels), evaluation.accuracy, evaluation.top(5)
    row = {
        "model": label, "path": model.path, "form": network.form, "spec": network.spec.as_dict(), "split": split,
        "records": data.path, "videos": videos, "classes": list(data.classes),
        "size": network.size, "views": clips.views, "crops": clips.crops, "scale": clips.eval_scale,
        "top1": top1, "top1_interval": wilson(top1 * videos, videos),
        "top5": top5, "top5_interval": wilson(top5 * videos, videos), "loss": evaluation.loss,
        "macs_view": cost.macs, "macs_video": cost.macs * clips.views * clips.crops, "params": cost.params,
        "params_without_bn": cost.params_without_bn, "bytes": results.size_of(model.path),
        "per_class": results.per_class(evaluation, data.classes), "confusion": evaluation.confusion().tolist(),
    }
    if timing:
        row |= {"latency_ms": 1000 * network.latency(), "batch": batch,
                "clips_per_second": batch / network.latency(batch), "device": results.device()}
    # Of the process so far, so that of several models the later ones have that of the largest.
    row["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return row, evaluation
