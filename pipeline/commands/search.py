"""`x3d search`: the whole pipeline for a configuration, and what it prints of the result."""

from __future__ import annotations

import os

from expansion.display.console import make_console, make_table, print_json
from expansion.display.ending import to_go_on
from expansion.display.progress import waiting
from expansion.display.tables import path_table, percent
from expansion.foundation.paths import refuse_patterns
from expansion.tasks.registry import chosen, task_named
from expansion.weights.search import source_of, with_start
from pipeline.commands.runs import show_baseline
from pipeline.config import Config, save_config
from pipeline.options import Fresh, Given, Json, Runs, Setting, Verbose, configured_by
from pipeline.runs.folder import RunFolder
from pipeline.runs.held_out import HeldOutResult, evaluate_run
from pipeline.runs.state import working
from pipeline.session import choose_kernels, session
from pipeline.tfx_import import import_tfx


@configured_by(
    "videos", "labels", "name", "steps", "target_gmacs", "epochs", "cost", "constraint", "hours",
    "engine", "workers", "threads", "ray_address", "beam", "wandb", "weights", "new_head", "freeze", "backbone_rate",
    warm_start=Setting("search.warm_start", bool, "Begin candidates with their parent's weights.",
                       ("--warm-start/--from-scratch",)),
    repeats=Setting("search.repeats.extra", int, "Further trainings per step, for candidates that cannot be told from the "
                                                   "best."))
def search(given: Given, fresh: Fresh = False, runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Search for a network on your videos: ingest, expand step by step, train the result, evaluate, push.

    Raises:
        InputError: an error of use.
        SystemExit: with 1, after one line on why it failed.
    """
    run_search(given.load(), runs, fresh=fresh, as_json=as_json, verbose=verbose)


def run_search(config: Config, runs: str, *, fresh: bool = False, as_json: bool = False, verbose: bool = False) -> None:
    """Runs the pipeline for a configuration, or resumes it, and prints what it made; raises as `search`.

    Args:
        fresh: begin a new search; the run's earlier ones stay where they are.
    """
    folder = RunFolder(os.path.join(runs, config.name))
    refuse_patterns(os.path.abspath(folder.path), "TFX")  # create_pipeline would, half a minute later
    if fresh:
        folder.begin_afresh()
    with_start(config.search)
    config.search_job().check_folder(folder.search_folder)
    save_config(config, folder.config)
    choose_kernels(folder.search_folder, config.search.start)
    with session(folder.log, verbose) as console, working(folder):
        result, outcome = _run(config, folder, console)
    if as_json:
        print_json({"name": config.name, "folder": folder.path, **result.search.as_dict(),
                    "held_out": outcome.model_dump(mode="json") | {"accuracy": outcome.accuracy}})
    else:
        show_result(result, outcome, folder)


def _run(config: Config, folder: RunFolder, console):
    with waiting(console, "reading the labels"):
        from components.ingestion.ingest import make_plan

        plan = make_plan(config.ingest)
        task = chosen(config.recipe.task, plan.task, config.ingest.videos)
        _check_head(config, plan)
    for note in plan.notes:
        console.print(note, markup=False, soft_wrap=True)
    evaluate_on = "test" if any(entry.split == "test" for part in plan.parts for entry in part.entries) else "val"
    with waiting(console, "starting TFX (about half a minute)"):
        import_tfx()
        from pipeline.local_runner import run_pipeline
    result = run_pipeline(config, folder, evaluate_on=evaluate_on, task=task)
    with waiting(console, "evaluating on the held-out videos"):
        outcome = evaluate_run(result, folder, evaluate_on, config.clips)
    return result, outcome


def _check_head(config: Config, plan) -> None:
    """Raises InputError where the data's classes are not those of the weights; of a proxy the search itself finds out."""
    source = source_of(config.search)
    if source is not None and config.proxy is None:
        task = chosen(config.recipe.task, plan.task, config.ingest.videos)
        source.check_head(len(plan.classes), plan.classes, config.search.new_head, task.name)


def _of_one_class(result, outcome: HeldOutResult):
    table = make_table("held-out videos", "network", "top-1", "top-5")
    table.add_row("seed (step 0)", percent(outcome.seed_accuracy), "-")
    table.add_row("chosen network, full schedule", percent(result.metrics.get("sparse_categorical_accuracy")),
                  percent(result.metrics.get("top5")))
    for name, metrics in sorted(result.per_class.items()):
        table.add_row(f"  {name}", percent(metrics.get("sparse_categorical_accuracy")), percent(metrics.get("top5")))
    return table


def _of_classes(result, outcome: HeldOutResult):
    titles = task_named(outcome.task).titles
    shares = [name for name in titles if name != "loss"]
    table = make_table("held-out videos", "network", *(titles[name] for name in shares))
    table.add_row("seed (step 0)", percent(outcome.seed_accuracy), *["-"] * (len(shares) - 1))
    table.add_row("chosen network, full schedule", *(percent(outcome.metrics[name]) for name in shares))
    for row in outcome.per_class:
        table.add_row(f"  {row['class']}", percent(row["ap"]), percent(row["ap_sklearn"]), *["-"] * (len(shares) - 2))
    return table


HELD_OUT = {"class": _of_one_class, "clip": _of_classes, "frames": _of_classes}  # by Task.labels


def show_result(result, outcome: HeldOutResult, folder: RunFolder) -> None:
    """The path, the accuracy on held-out videos beside the seed's, and where everything is."""
    console = make_console()
    console.print(path_table(result.search))
    console.print(f"\nended by: {result.search.stopped_by}\n", markup=False)
    if more := to_go_on(result.search):
        console.print(f"{more}\n", markup=False, highlight=False, soft_wrap=True)
    console.print(HELD_OUT[task_named(outcome.task).labels](result, outcome))
    show_baseline(console, outcome)
    console.print()
    for what, path in {
        "records": result.examples, "search": result.search_folder,
        "trace": os.path.join(result.search_folder, "trace.json"),
        "figure": os.path.join(result.search_folder, "path.png"),
        "network (Keras)": result.keras_model,
        "pushed (SavedModel)": result.pushed or "not blessed, so not pushed", "log": folder.log,
    }.items():
        console.print(f"{what:20} {os.path.relpath(path) if os.path.exists(path) else path}", soft_wrap=True, markup=False)
    console.print(f"\nx3d report {folder.path}        writes all of it as one page.\n"
                  f"x3d tensorboard {folder.path}   shows the curves, tables and figures.", soft_wrap=True, markup=False)
