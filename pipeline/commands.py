"""What the commands that do long work do: search, demo, ingest, tensorboard."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import traceback

from expansion.console import make_console, make_table, noise_to
from expansion.errors import InputError
from expansion.files import KERAS_MODEL
from expansion.progress import task_progress, waiting
from expansion.search import NoCandidate
from expansion.tables import path_table, percent
from pipeline.config import Config, load_config, save_config, shipped
from pipeline.runs import RunFolder, find_run


def search(config: Config, runs: str) -> None:
    """Runs the whole pipeline for a configuration and prints what it made.

    Raises:
        InputError: an error of use.
    """
    folder = RunFolder(os.path.join(runs, config.name))
    save_config(config, folder.config)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with noise_to(folder.log) as console:
        try:
            result, seed_accuracy = _run(config, folder, console)
        except InputError:
            raise
        except NoCandidate as error:
            raise InputError(f"{error}; the log is {folder.log}") from error
        except Exception as error:
            traceback.print_exc()
            raise SystemExit(_failure(console, error, folder.log)) from error
    show_result(result, seed_accuracy, folder)


def _failure(console, error: Exception, log: str) -> int:
    first = (str(error) or type(error).__name__).strip().splitlines()[0]
    console.print(f"x3d: failed: {first}\nThe log is {log}", markup=False)
    return 1


def _run(config: Config, folder: RunFolder, console):
    with waiting(console, "reading the labels"):
        from components.video_example_gen.ingest import make_plan

        plan = make_plan(config.ingest)
    evaluate_on = "test" if any(entry.split == "test" for part in plan.parts for entry in part.entries) else "val"
    with waiting(console, "starting TFX (about half a minute)"):
        from pipeline.local import run_pipeline
    result = run_pipeline(config, folder, evaluate_on=evaluate_on)
    with waiting(console, "evaluating the seed on the held-out videos"):
        from expansion.dataset import VideoDataset
        from expansion.evaluation import evaluate
        from expansion.training import load_model

        trial = f"trial_{result.search.path[0].trial_id}"
        seed = load_model(os.path.join(result.search_folder, trial, KERAS_MODEL))
        seed_accuracy = evaluate(seed, VideoDataset.open(result.examples), evaluate_on, config.clips).accuracy
    return result, seed_accuracy


def show_result(result, seed_accuracy: float, folder: RunFolder) -> None:
    """The path, the accuracy on held-out videos beside the seed's, and where everything is."""
    console = make_console()
    console.print(path_table(result.search))
    console.print(f"\nended by: {result.search.stopped_by}\n")
    table = make_table("held-out videos", "network", "top-1", "top-5")
    table.add_row("seed (step 0)", percent(seed_accuracy), "-")
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
    console.print(f"\nx3d tensorboard {folder.path}   shows the curves, tables and figures.", soft_wrap=True)


def demo(runs: str, steps: int | None) -> None:
    """Makes the demo's videos and searches on them."""
    from pipeline.demo_data import make_demo_videos

    folder = os.path.join(runs, "demo-videos")
    config = load_config(shipped("demo.yaml"), **{
        "search.steps": steps, "ingest.videos": folder, "ingest.labels": os.path.join(folder, "labels.csv")})
    with task_progress("making videos") as progress:
        make_demo_videos(folder, progress=progress)
    search(config, runs)


def ingest(config: Config, output: str) -> None:
    """Ingests without TFX and prints what was accepted and rejected."""
    log = os.path.join(output, "log.txt")
    with noise_to(log), task_progress("ingesting") as progress:
        from components.video_example_gen.ingest import ingest_folder

        manifest = ingest_folder(config.ingest, output, config.beam, progress=progress)
    console = make_console()
    table = make_table(output, "split", "videos", "frames", "MiB", *manifest.classes)
    for split, counts in manifest.splits.items():
        table.add_row(split, str(counts.videos), str(counts.frames), f"{counts.bytes / 2**20:.1f}",
                      *(str(counts.per_class.get(name, 0)) for name in manifest.classes))
    console.print(table)
    console.print(f"accepted {manifest.accepted}, rejected {manifest.rejected}"
                  + "".join(f"\n  {reason}: {count}" for reason, count in manifest.reject_reasons.items()))
    console.print(f"every video and its fate: {os.path.join(output, 'videos.jsonl')}", soft_wrap=True)


def compile_for_kubeflow(config: Config, output: str, **settings) -> None:
    """Writes the compiled pipeline; `settings` are those of kubeflow.compile_pipeline."""
    try:
        import kfp.pipeline_spec  # noqa: F401
    except ImportError:
        raise InputError("x3d compile needs kfp; `pip install kfp` adds it") from None
    with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt")) as console:
        with waiting(console, "starting TFX (about half a minute)"):
            from pipeline.kubeflow import compile_pipeline
        compile_pipeline(config, output, **settings)
    make_console().print(f"written: {output}", soft_wrap=True)


def tensorboard(run: str | None, runs: str, host: str, port: int) -> None:
    """Starts TensorBoard on a run's searches, or on all runs, until interrupted."""
    logs = runs
    if run:
        folder = find_run(run, runs)
        searches = folder.traces()
        # The newest search alone, so that its runs have short names.
        logs = os.path.join(searches[-1], "logs") if searches else folder.searches
    if not os.path.isdir(logs):
        raise InputError(f"no runs under {logs}/; `x3d search` or `x3d demo` makes one")
    # Unsmoothed; above 40 runs TensorBoard selects none, so a long search opens on its summary.
    view = "runFilter=summary&smoothing=0" if run and len(os.listdir(logs)) > 9 else "smoothing=0"
    make_console().print(f"open http://{host}:{port}/?{view}#timeseries", soft_wrap=True)
    try:
        # Every step's figure is kept: the default of 10 images a tag drops some.
        subprocess.run([sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--host", host, "--port", str(port),
                        "--samples_per_plugin", "images=100,text=100"])
    except KeyboardInterrupt:
        pass
