"""What a training comes to: its results as JSON, and the table of them on the screen."""

from __future__ import annotations

import os

from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.display.console import make_console, make_table
from expansion.display.tables import duration, listed, percent
from expansion.search.costs import show_cost
from expansion.tasks.registry import task_named
from expansion.weights.source import WeightsSource
from pipeline.config import Config
from pipeline.runs.folder import RunFolder


def _of_one_class(evaluation, classes: tuple[str, ...]) -> dict:
    """What of the figures has names of classes."""
    baseline = evaluation.baseline()
    return {"largest_class": classes[baseline.largest], "never_named": [classes[number] for number in baseline.never]}


_NAMED = {"class": _of_one_class, "clip": lambda *_: {}, "frames": lambda *_: {}}  # by Task.labels


def training_results(config: Config, data: VideoDataset, history: dict, evaluation, source: WeightsSource | None) -> dict:
    """Accuracies are shares of 1, losses in nats, times in seconds, costs in MACs per clip."""
    spec, recipe = config.train.spec, config.recipe
    found = complexity(spec, len(data.classes))
    return {
        "name": config.name, "spec": spec.as_dict(), "classes": len(data.classes), "macs": found.macs,
        "params": found.params, "params_without_bn": found.params_without_bn,
        "task": evaluation.task.name, **{f"val_{name}": value for name, value in evaluation.metrics.items()},
        **_NAMED[evaluation.task.labels](evaluation, data.classes),
        "val_videos": len(evaluation.labels), "views": config.clips.views,
        "loss": history["loss"][-1], "accuracy": history["accuracy"][-1], "epochs": recipe.epochs, "batch": recipe.batch,
        "multigrid": recipe.multigrid, "steps": sum(history.get("steps", [recipe.steps(data.videos("train"))[1]])),
        "train_videos": data.videos("train"),
        "train_seconds": sum(history["epoch_seconds"]),
        "data": data.manifest.fingerprint, "weights": config.train.weights, "history": history,
        **({"weights_sha256": source.sha256} if source else {}),
    }


def _figure(name: str, value) -> str:
    """A figure as the table has it: a loss in nats, else a share; of the largest class its share."""
    return f"{value:.3f}" if name == "loss" else percent(value["share"] if isinstance(value, dict) else value)


def show_results(results: dict, folder: RunFolder, before: bool) -> None:
    console = make_console()
    if before:
        console.print(f"{folder.name} is finished; another --name trains again.\n")
    task = task_named(results["task"])
    table = make_table(f"{results['val_videos']} validation videos, {results['views']} views", "network", "MACs", "params",
                       *task.titles.values(), "epochs", "training")
    table.add_row(results["name"], show_cost("macs", results["macs"]), f"{results['params'] / 1e6:.2f} M",
                  *(_figure(name, results[f"val_{name}"]) for name in task.titles),
                  f"{results['epochs']:g}", duration(results["train_seconds"]))
    console.print(table)
    if "largest_class" in results and results["val_accuracy"] <= results["val_largest_class"]:
        console.print(f"no better than always saying {results['largest_class']!r} ({percent(results['val_largest_class'])})",
                      soft_wrap=True)
    if results.get("never_named"):
        console.print(f"never named: {listed(results['never_named'])}", soft_wrap=True)
    console.print()
    for what, path in {"network (Keras)": folder.keras_model, "results": folder.training_results,
                       "curves": folder.training_logs, "log": folder.log}.items():
        console.print(f"{what:20} {os.path.relpath(path)}", soft_wrap=True, markup=False)
    console.print(f"\nx3d tensorboard {folder.path}   shows the curves.", soft_wrap=True, markup=False)
