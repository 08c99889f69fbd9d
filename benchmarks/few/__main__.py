"""`python -m benchmarks.few FOLDER --name NAME --videos VIDEOS --labels CSV`: how well few videos are learnt, and by which ways.

Each way (benchmarks/few/ways.py) trains with 5, 10, 25, 50 and all videos of a class, on each of five folds of whole groups in
turn with a seed of its own, and is tried on the fold that was left out: so every video is tried once by each way, however small
the data, and the ways are paired by video. Raw results are lines of JSON; what has its line is not trained again. `--report`
prints the tables.

Sizes: 8 frames of 64 pixels (fights) or 48 (lips) through X2D's layers, 60 epochs as in configs/small.yaml. At 20 GMACs a second,
2 quiet CPU cores, a way takes about 16 minutes for fights (300 videos) and 40 for lips (1,000): six ways take under 6 hours.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.few.folds import Labelled, folds, read_labels, training_videos
from benchmarks.few.tables import HEADER, read_results, rows
from benchmarks.few.ways import FROM_WEIGHTS, TODAY, WAYS, recipe_of
from benchmarks.harness import ROOT
from expansion.foundation import files
from expansion.foundation.cpu import this_cpu
from expansion.foundation.errors import InputError
from expansion.recipe import ClipSettings
from expansion.spec import parse_spec

SPEC = "frames=8,stride=6,size=64"
COUNTS = "5,10,25,50,all"
RESULTS = ROOT / "benchmarks" / "recorded" / "few.jsonl"
VIEWS = 3


def records_of(folder: Path, videos: str, train: list[Labelled], held_out: list[Labelled], name: str, short_side: int) -> str:
    """The records of a training, made once: its videos as train, the held-out fold as val."""
    from components.ingestion.ingest import ingest_folder
    from components.ingestion.settings import IngestSettings

    labels = folder / "labels" / f"{name}.csv"
    labels.parent.mkdir(parents=True, exist_ok=True)
    with open(labels, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split", "group"))
        for split, part in (("train", train), ("val", held_out)):
            writer.writerows((video.path, video.label, split, video.group) for video in part)
    target = str(folder / "records" / name)
    ingest_folder(IngestSettings(videos=videos, labels=str(labels), short_side=short_side), target)
    return target


def train_one(job: dict) -> dict:
    """In a process of its own: one training, and what it gets right of the held-out fold."""
    from expansion.foundation.imports import import_keras

    import_keras()
    import tensorflow as tf

    from expansion.data.dataset import VideoDataset
    from expansion.evaluation.evaluate import evaluate
    from expansion.training.fit import new_model, train
    from expansion.weights.source import open_source
    from expansion.weights.start import start_from_weights

    if job["threads"]:
        tf.config.threading.set_intra_op_parallelism_threads(job["threads"])
    data, spec, clips = VideoDataset.open(job["records"]), parse_spec(job["spec"]), ClipSettings(flip=job["flip"], views=VIEWS)
    recipe = recipe_of(job["way"], job["epochs"])
    model, began = new_model(spec, data, recipe, job["seed"]), time.perf_counter()
    if job["weights"]:
        start_from_weights(model, open_source(job["weights"], spec), new_head=True)
    history = train(model, data, recipe, clips, seed=job["seed"])
    seconds = time.perf_counter() - began
    evaluation = evaluate(model, data, "val", clips)
    sources = {}
    for line in files.read_text(os.path.join(data.path, "videos.jsonl")).splitlines():
        row = json.loads(line)
        sources[row["video_id"]] = row["source"]
    right = {sources[name]: bool(value) for name, value in zip(evaluation.video_ids, evaluation.correct)}
    return {"right": right, "loss": evaluation.loss, "train_loss": history["loss"][-1], "seconds": round(seconds, 1)}


def main(
    folder: Annotated[Path, typer.Argument(help="where records are kept")],
    name: Annotated[str, typer.Option(help="what the data are called in the results")] = "videos",
    videos: Annotated[str | None, typer.Option(help="folder of the videos")] = None,
    labels: Annotated[str | None, typer.Option(help="label file: path,label,group")] = None,
    ways: Annotated[str, typer.Option(help=f"of {', '.join(WAYS)}; by commas")] = f"{TODAY},together",
    counts: Annotated[str, typer.Option(help="training videos of a class, by commas; all for all")] = COUNTS,
    parts: Annotated[int, typer.Option(min=2, help="folds, each with a seed of its own")] = 5,
    only: Annotated[str | None, typer.Option(help="folds to do now, by commas, from 0; default: all")] = None,
    spec: Annotated[str, typer.Option(help="the network")] = SPEC,
    epochs: Annotated[float, typer.Option(help="of today's recipe; the others' in proportion")] = 60,
    short_side: Annotated[int, typer.Option(help="pixels that frames are stored with")] = 96,
    flip: Annotated[bool, typer.Option(help="mirror half of the clips")] = True,
    weights: Annotated[str | None, typer.Option(help="file that the ways from weights start with")] = None,
    threads: Annotated[int | None, typer.Option(help="of a training; default: all cores")] = None,
    output: Annotated[Path, typer.Option(help="raw results, which are added to")] = RESULTS,
    report: Annotated[bool, typer.Option("--report", help="train nothing, print the tables")] = False,
    one: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Trains what has no line in the results yet, fold by fold, then prints the tables."""
    if one:
        print(json.dumps(train_one(json.loads(one))))
        return
    if not report:
        if videos is None or labels is None:
            raise InputError("--videos and --labels name what to train on; or give --report")
        asked = [way.strip() for way in ways.split(",")]
        for way in asked:
            if way not in WAYS:
                raise InputError(f"--ways: no way {way!r}; there are {', '.join(WAYS)}")
            if way in FROM_WEIGHTS and weights is None:
                raise InputError(f"--ways: {way} starts from weights; --weights names them")
        settings = {"spec": spec, "epochs": epochs, "folds": parts}
        of_class = [None if count.strip() == "all" else int(count) for count in counts.split(",")]
        run(folder, name, videos, labels, asked, of_class, settings, short_side, flip, weights, threads, output,
            range(parts) if only is None else [int(fold) for fold in only.split(",")])
    _print(read_results(output))


def run(folder: Path, name: str, videos: str, labels: str, ways: list[str], of_class: list[int | None], settings: dict,
        short_side: int, flip: bool, weights: str | None, threads: int | None, output: Path, wanted) -> None:
    """Trains what has no line yet: number by number, then fold by fold, so that one that is stopped has comparable pairs."""
    listed = read_labels(labels)
    divided = folds(listed, settings["folds"])
    for count in of_class:
        for fold in wanted:
            for way in ways:
                start = weights if way in FROM_WEIGHTS else None
                about = {"data": name, "way": way, "of_class": count, "fold": fold, **settings,
                         "weights": os.path.basename(start) if start else None}
                if any(about.items() <= result.items() for result in read_results(output)):
                    continue
                held_out = sorted(divided[fold], key=lambda video: video.path)
                chosen = training_videos(listed, held_out, count, fold)
                records = records_of(folder, videos, chosen, held_out, f"{name}-{settings['folds']}-{fold}-{count or 'all'}",
                                     short_side)
                job = about | {"records": records, "seed": fold, "flip": flip, "weights": start, "threads": threads}
                done = subprocess.run([sys.executable, "-m", "benchmarks.few", str(folder), "--one", json.dumps(job)],
                                      check=True, stdout=subprocess.PIPE, text=True,
                                      env=os.environ | {"PYTHONPATH": str(ROOT)})
                found = json.loads(done.stdout.splitlines()[-1])
                right = found.pop("right")
                kept = [video for video in held_out if video.path in right]  # without those that ingestion rejected
                line = about | {"train": len(chosen), "correct": "".join(str(int(right[video.path])) for video in kept),
                                "groups": [video.group for video in kept], **found, "cpu": str(this_cpu())}
                output.parent.mkdir(parents=True, exist_ok=True)
                with open(output, "a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{name}, {count or 'all'} of a class, fold {fold}, {way}: "
                      f"{100 * sum(map(int, line['correct'])) / len(kept):.1f} % in {found['seconds']:.0f} s", flush=True)


def _print(results: list[dict]) -> None:
    for line in (HEADER, ["---"] * len(HEADER), *rows(results)):
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    try:
        typer.run(main)
    except InputError as error:
        sys.exit(f"benchmarks.few: {error}")
