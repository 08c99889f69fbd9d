"""Multigrid training compared with plain training: accuracy, steps, multiply-adds, time, memory, by several seeds.

`python -m benchmarks.multigrid FOLDER` makes the demo's videos, or takes --records or --videos, and trains each way with each
seed in a process of its own. What is done is kept in the folder: a run that is stopped resumes with the epoch that it was in.
The third way is plain training of about as many steps as multigrid has, to tell whether the grids gain anything over that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from benchmarks.harness import ROOT
from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.display.console import make_console, make_table
from expansion.foundation import files
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.schedule import Schedule
from expansion.spec import Spec, parse_spec
from expansion.tasks.single_label import wilson

SPEC = "frames=8,stride=2,size=40"
PLAIN, GRIDS, FEW = "plain", "multigrid", "as few steps"
WAYS = (PLAIN, GRIDS, FEW)
DONE = "result.json"


def recipe_of(way: str, asked: argparse.Namespace, spec: Spec, videos: int) -> Recipe:
    """How a way trains. All have precise statistics of batch norm at the end."""
    plain = Recipe(epochs=asked.epochs, batch=asked.batch, rate=asked.rate, rate_batch=asked.batch, warmup_epochs=asked.warmup,
                   dropout=asked.dropout, bn_clips=asked.bn_clips, precise_bn=200)
    grids = plain.model_copy(update={"multigrid": asked.multigrid, "long_cycles": asked.long_cycles})
    if way == PLAIN:
        return plain
    if way == GRIDS:
        return grids
    return plain.model_copy(update={"epochs": max(1, round(Schedule(spec, grids, videos).steps / plain.steps(videos)[0]))})


def clips_of(asked: argparse.Namespace) -> ClipSettings:
    return ClipSettings(jitter=(1.05, 1.2), eval_scale=1.1, flip=asked.flip)  # as configs/demo.yaml


def training_macs(spec: Spec, recipe: Recipe, videos: int, classes: int) -> int:
    """Multiply-adds of all steps; the backward pass counts twice."""
    return sum(3 * clips * complexity(spec.replace(frames=shape.frames, size=shape.size), classes).macs
               for shape, clips in Schedule(spec, recipe, videos).clips_by_shape().items())


# A training, in a process of its own


def train_one(asked: argparse.Namespace) -> None:
    """Trains one way with one seed, evaluates it and writes what came of it."""
    from expansion.foundation.imports import import_keras

    import_keras()
    import tensorflow as tf

    from expansion.evaluation.evaluate import evaluate
    from expansion.training.fit import new_model, train

    if asked.threads:
        tf.config.threading.set_intra_op_parallelism_threads(asked.threads)
    way, seed = asked.one[0], int(asked.one[1])
    data, spec = VideoDataset.open(asked.records), parse_spec(asked.spec)
    videos, folder = data.videos("train"), _folder(asked.folder, way, seed)
    recipe = recipe_of(way, asked, spec, videos)
    model, began, used = new_model(spec, data, recipe, seed), time.perf_counter(), time.process_time()
    history = train(model, data, recipe, clips_of(asked), seed=seed, checkpoint=str(folder))
    seconds, used = time.perf_counter() - began, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    split = "test" if "test" in data.splits else "val"
    correct = evaluate(model, data, split, clips_of(asked)).correct
    epochs, starts = sum(history["epoch_seconds"]), sum(history["start_seconds"])
    files.write_json(str(folder / DONE), {
        "way": way, "seed": seed, "split": split, "correct": [int(value) for value in correct],
        "steps": Schedule(spec, recipe, videos).steps, "macs": training_macs(spec, recipe, videos, len(data.classes)),
        "seconds": max(seconds, epochs), "processor": used, "start": starts, "wait": sum(history["input_wait_seconds"]),
        "memory": memory, "history": history})


def _folder(folder: Path, way: str, seed: int) -> Path:
    return folder / f"{way.replace(' ', '-')}-{seed}"


# The comparison


def summary(results: Sequence[dict], plain: Sequence[dict]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rows of the two tables: what one way came to, and its shares of the plain one."""
    right = fmean(fmean(result["correct"]) for result in results)
    low, high = wilson(right * len(results[0]["correct"]), len(results[0]["correct"]))  # the seeds share the videos
    spread = stdev(fmean(result["correct"]) for result in results) if len(results) > 1 else 0.0

    def mean(what):
        return fmean(map(what, results)), fmean(map(what, plain))

    def share(what, number):
        own, other = mean(what)
        return f"{number(own)} ({100 * own / other:.0f} %)"

    return ((f"{100 * right:.1f} %", f"{100 * low:.0f} to {100 * high:.0f} %", f"{100 * spread:.1f}",
             share(lambda r: r["steps"], "{:,.0f}".format), share(lambda r: r["macs"] / 1e12, "{:.3g} T".format)),
            (share(lambda r: r["seconds"], "{:.0f} s".format), share(lambda r: r["seconds"] - r["start"], "{:.0f} s".format),
             share(lambda r: r["processor"], "{:.0f} s".format), f"{mean(lambda r: r['start'])[0]:.0f} s",
             f"{100 * mean(lambda r: r['wait'] / r['seconds'])[0]:.1f} %", share(lambda r: r["memory"], "{:,.0f} MiB".format)))


def phases(results: Sequence[dict]) -> list[tuple[str, ...]]:
    """A row for each shape of the long cycle: steps, seconds of a step once traced, and the share of them spent waiting."""
    rows: dict[tuple, list[float]] = {}
    for history in (result["history"] for result in results):
        columns = ("frames", "size", "batch", "steps", "epoch_seconds", "start_seconds", "input_wait_seconds")
        for frames, size, batch, steps, seconds, start, wait in zip(*(history[name] for name in columns)):
            row = rows.setdefault((frames, size, batch), [0.0, 0.0, 0.0])
            for place, value in enumerate((steps, seconds - start, wait)):
                row[place] += value / len(results)
    return [(f"{frames:.0f} x {size:.0f} px", f"{batch:.0f}", f"{steps:.0f}", f"{1000 * seconds / steps:.0f} ms",
             f"{100 * wait / seconds:.1f} %") for (frames, size, batch), (steps, seconds, wait) in rows.items()]


def tables(found: dict[str, list[dict]]) -> list:
    """What is printed."""
    plain, first = found[PLAIN], found[PLAIN][0]
    came_to = make_table(f"{len(plain)} seeds, {len(first['correct'])} videos of the split {first['split']}", "training",
                         "accuracy", "95 %", "std", "steps", "MACs")
    took = make_table("by the clock", "training", "time", "no tracing", "processor", "tracing", "waiting", "peak memory")
    for way, results in found.items():
        for table, row in zip((came_to, took), summary(results, plain), strict=True):
            table.add_row(way, *row)
    grids = make_table("multigrid by shapes of the long cycle", "shape", "batch", "steps", "a step", "waiting")
    for row in phases(found[GRIDS]):
        grids.add_row(*row)
    return [came_to, took, grids]


def records_of(asked: argparse.Namespace) -> str:
    """The folder of the records: given, or ingested from given videos or from the demo's, once."""
    if asked.records:
        return asked.records
    from components.ingestion.ingest import ingest_folder
    from components.ingestion.settings import IngestSettings
    from pipeline.demo_data import make_demo_videos

    labels = asked.labels
    if not asked.videos:
        labels = str(make_demo_videos(asked.folder / "videos", train=asked.train))
    videos, records = asked.videos or str(asked.folder / "videos"), str(asked.folder / "records")
    ingest_folder(IngestSettings(videos=videos, labels=labels, short_side=asked.short_side), records)
    return records


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where trainings are kept")
    parser.add_argument("--records", help="data set of x3d ingest")
    parser.add_argument("--videos", help="folder of videos to ingest; default: the demo's")
    parser.add_argument("--labels", help="their label file")
    parser.add_argument("--short-side", type=int, default=48, help="that they are stored with")
    parser.add_argument("--train", type=int, default=80, help="training videos of each of the demo's 8 classes")
    parser.add_argument("--spec", default=SPEC)
    parser.add_argument("--epochs", type=float, default=100)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.2, help="at this batch")
    parser.add_argument("--warmup", type=float, default=2)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--bn-clips", type=int, default=0)
    parser.add_argument("--multigrid", choices=("long", "short", "both"), default="both")
    parser.add_argument("--long-cycles", type=int, default=3)
    parser.add_argument("--flip", action="store_true", help="mirror half of the clips; not for the demo's videos")
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--threads", type=int, help="of a training; default: all cores")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main() -> None:
    """Runs what is not there yet, then prints the tables."""
    words, asked = sys.argv[1:], arguments()
    if asked.one:
        train_one(asked)
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    records, found = records_of(asked), {way: [] for way in WAYS}
    for seed in range(asked.seeds):  # seed by seed, so that a run that is stopped has whole ones
        for way in WAYS:
            done = _folder(asked.folder, way, seed) / DONE
            if not done.exists():
                own = ["--records", records, "--one", way, str(seed)]
                subprocess.run([sys.executable, "-m", "benchmarks.multigrid", *words, *own], check=True,
                               env=os.environ | {"PYTHONPATH": str(ROOT)})
            found[way].append(json.loads(done.read_text(encoding="utf-8")))
            result = found[way][-1]
            print(f"seed {seed}, {way}: {100 * fmean(result['correct']):.1f} %, {result['steps']:,} steps, "
                  f"{result['seconds']:.0f} s", flush=True)
    for part in tables(found):
        make_console().print(part)


if __name__ == "__main__":
    main()
