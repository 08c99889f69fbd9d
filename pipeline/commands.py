"""What the commands that do long work do: search, demo, ingest."""

from __future__ import annotations

import os
import tempfile
import traceback

from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.progress import task_progress, waiting
from expansion.display.tables import path_table, percent
from expansion.foundation.errors import InputError
from pipeline.config import Config, load_config, save_config, shipped
from pipeline.runs.folder import RunFolder
from pipeline.runs.held_out import Outcome, evaluate_run
from pipeline.runs.state import first_line, working


def search(config: Config, runs: str, *, fresh: bool = False, as_json: bool = False, verbose: bool = False) -> None:
    """Runs the whole pipeline for a configuration, or goes on with it, and prints what it made.

    Args:
        fresh: begin a new search; the run's earlier ones stay where they are.

    Raises:
        InputError: an error of use.
        SystemExit: with 1, after one line on why it failed.
    """
    folder = RunFolder(os.path.join(runs, config.name))
    if fresh:
        folder.begin_anew()
    config.search_job().check_folder(folder.search_folder)
    save_config(config, folder.config)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with noise_to(folder.log, verbose) as console:
        try:
            with working(folder):
                result, outcome = _run(config, folder, console)
        except InputError:
            raise
        except Exception as error:
            traceback.print_exc()
            raise SystemExit(_failure(console, error, folder.log)) from error
    if as_json:
        print_json({"name": config.name, "folder": folder.path, **result.search.as_dict(),
                    "held_out": outcome.model_dump(mode="json") | {"accuracy": outcome.accuracy}})
    else:
        show_result(result, outcome, folder)


def _failure(console, error: Exception, log: str) -> int:
    console.print(f"x3d: failed: {first_line(error)}\nThe log is {log}", markup=False, soft_wrap=True)
    return 1


def _run(config: Config, folder: RunFolder, console):
    with waiting(console, "reading the labels"):
        from components.ingestion.ingest import make_plan

        plan = make_plan(config.ingest)
    evaluate_on = "test" if any(entry.split == "test" for part in plan.parts for entry in part.entries) else "val"
    with waiting(console, "starting TFX (about half a minute)"):
        from pipeline.local_runner import run_pipeline
    result = run_pipeline(config, folder, evaluate_on=evaluate_on)
    with waiting(console, "evaluating on the held-out videos"):
        outcome = evaluate_run(result, folder, evaluate_on, config.clips)
    return result, outcome


def show_result(result, outcome: Outcome, folder: RunFolder) -> None:
    """The path, the accuracy on held-out videos beside the seed's, and where everything is."""
    console = make_console()
    console.print(path_table(result.search))
    console.print(f"\nended by: {result.search.stopped_by}\n")
    table = make_table("held-out videos", "network", "top-1", "top-5")
    table.add_row("seed (step 0)", percent(outcome.seed_accuracy), "-")
    table.add_row("chosen network, full schedule", percent(result.metrics.get("sparse_categorical_accuracy")),
                  percent(result.metrics.get("top5")))
    for name, metrics in sorted(result.per_class.items()):
        table.add_row(f"  {name}", percent(metrics.get("sparse_categorical_accuracy")), percent(metrics.get("top5")))
    console.print(table)
    console.print()
    for what, path in {
        "records": result.examples, "search": result.search_folder,
        "trace": os.path.join(result.search_folder, "trace.json"),
        "figure": os.path.join(result.search_folder, "path.png"),
        "network (Keras)": result.keras_model,
        "pushed (SavedModel)": result.pushed or "not blessed, so not pushed", "log": folder.log,
    }.items():
        console.print(f"{what:20} {os.path.relpath(path) if os.path.exists(path) else path}", soft_wrap=True)
    console.print(f"\nx3d report {folder.path}        writes all of it as one page.\n"
                  f"x3d tensorboard {folder.path}   shows the curves, tables and figures.", soft_wrap=True)


def demo(runs: str, steps: int | None, workers: int | None = None, threads: int | None = None, *, fresh: bool = False,
         as_json: bool = False, verbose: bool = False) -> None:
    """Makes the demo's videos and searches on them."""
    from pipeline.demo_data import make_demo_videos

    folder = os.path.join(runs, "demo-videos")
    config = load_config(shipped("demo.yaml"), **{
        "search.steps": steps, "engine.workers": workers, "engine.threads": threads, "ingest.videos": folder,
        "ingest.labels": os.path.join(folder, "labels.csv")})
    with task_progress("making videos") as progress:
        make_demo_videos(folder, progress=progress)
    search(config, runs, fresh=fresh, as_json=as_json, verbose=verbose)


def ingest(config: Config, output: str, *, as_json: bool = False, verbose: bool = False) -> None:
    """Ingests without TFX and prints what was accepted and rejected."""
    log = os.path.join(output, "log.txt")
    with noise_to(log, verbose), task_progress("ingesting") as progress:
        from components.ingestion.ingest import ingest_folder

        manifest = ingest_folder(config.ingest, output, config.beam, progress=progress)
    if as_json:
        print_json({"output": output} | manifest.model_dump(mode="json"))
        return
    console = make_console()
    table = make_table(output, "split", "videos", "frames", "MiB", *manifest.classes)
    for split, counts in manifest.splits.items():
        table.add_row(split, str(counts.videos), str(counts.frames), f"{counts.bytes / 2**20:.1f}",
                      *(str(counts.per_class.get(name, 0)) for name in manifest.classes))
    console.print(table)
    console.print(f"accepted {manifest.accepted}, rejected {manifest.rejected}"
                  + "".join(f"\n  {reason}: {count}" for reason, count in manifest.reject_reasons.items()))
    for split, names in manifest.without_videos().items():
        console.print(f"no video in {split}: {', '.join(names)}", markup=False, soft_wrap=True)
    console.print(f"every video and its fate: {os.path.join(output, 'videos.jsonl')}", soft_wrap=True)


def compile_for_kubeflow(config: Config, output: str, **settings) -> None:
    """Writes the compiled pipeline; `settings` are those of kubeflow.compile_pipeline."""
    try:
        import kfp.pipeline_spec  # noqa: F401
    except ImportError:
        raise InputError("x3d compile needs kfp; `pip install kfp` adds it") from None
    with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt")) as console:
        with waiting(console, "starting TFX (about half a minute)"):
            from pipeline.kubeflow_runner import compile_pipeline
        compile_pipeline(config, output, **settings)
    make_console().print(f"written: {output}", soft_wrap=True)
