"""Several labels and localization on videos made on the spot: a search by mAP from one frame, and a localizer of what it found.

`python -m benchmarks.motions FOLDER` makes the videos (pipeline.demo_segments), searches, trains what was found for longer, then
a localizer that begins with it, and scores both on the test split: the classifier by videos and, as a window that slides, at
the 25 points of Charades. What is done is kept in the folder: a run that is stopped resumes with the epoch that it was in.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from expansion.data.dataset import VideoDataset
from expansion.display.console import make_console, make_table
from expansion.foundation import files
from expansion.recipe import ClipSettings, Recipe
from expansion.search.racing import RaceSettings
from expansion.search.settings import SearchSettings
from expansion.spec import Spec, parse_spec

SEED = Spec(frames=1, stride=8, size=32)
CLIPS = ClipSettings(jitter=(1.05, 1.2), eval_scale=1.1, flip=False, views=10)  # as configs/demo.yaml
TASKS = CLASSIFIER, LOCALIZER = "multi-label", "localization"
DONE = "result.json"


def recipe_of(task: str, epochs: float) -> Recipe:
    """How networks train: as configs/demo.yaml."""
    return Recipe(task=task, epochs=epochs, batch=32, rate=0.2, rate_batch=32, warmup_epochs=1, dropout=0.2)


def records_of(asked: argparse.Namespace) -> VideoDataset:
    """The data set, made and ingested once."""
    from components.ingestion.ingest import ingest_folder
    from components.ingestion.settings import IngestSettings
    from pipeline.demo_segments import make_segment_videos

    videos, records = asked.folder / "videos", str(asked.folder / "records")
    if not (asked.folder / "records" / "manifest.json").exists():
        labels = make_segment_videos(videos, train=asked.train, val=asked.val, test=asked.test)
        ingest_folder(IngestSettings(videos=str(videos), labels=str(labels), format="segments", short_side=48), records)
    return VideoDataset.open(records)


def search(data: VideoDataset, asked: argparse.Namespace) -> dict:
    """A search by mAP from one frame: the seed's score and the steps' winners."""
    from expansion.tuning.tuner import ExpansionTuner

    tuner = ExpansionTuner(
        data, SearchSettings(start=SEED, steps=asked.steps, race=RaceSettings(on=asked.race)),
        recipe=recipe_of(CLASSIFIER, asked.epochs), clips=CLIPS, directory=str(asked.folder), project_name="search",
        seed=asked.seed, engine={"name": "local", "workers": 2, "threads": 1})
    tuner.search()
    return {"trials": len(tuner.oracle.trials), "path": [
        {"axis": winner.axis, "spec": winner.spec.as_dict(), "val": winner.accuracy} for winner in tuner.state.path]}


def trained(data: VideoDataset, task: str, spec: Spec, asked: argparse.Namespace, start=None):
    """A network trained for the final epochs, or restored."""
    from expansion.network.transfer import start_from
    from expansion.training.fit import new_model, train

    recipe = recipe_of(task, asked.final)
    model = new_model(spec, data, recipe, asked.seed)
    if start:
        start_from(model, start)
    train(model, data, recipe, CLIPS, seed=asked.seed, checkpoint=str(asked.folder / task))
    return model


def measure(asked: argparse.Namespace) -> dict:
    """All of it."""
    from expansion.evaluation.evaluate import evaluate, evaluate_network
    from expansion.evaluation.networks import keras_network

    data = records_of(asked)
    found = {} if asked.spec else search(data, asked)
    spec = parse_spec(asked.spec) if asked.spec else Spec(**found["path"][-1]["spec"])
    classifier = trained(data, CLASSIFIER, spec, asked)
    localizer = trained(data, LOCALIZER, spec, asked, classifier)
    scores = {
        "classifier": evaluate(classifier, data, "test", CLIPS).metrics,
        "sliding": evaluate_network(keras_network(classifier), data, "test", CLIPS, protocol="points").metrics,
        "localizer": evaluate(localizer, data, "test", CLIPS).metrics}
    if found:
        seed = trained(data, CLASSIFIER, SEED, argparse.Namespace(**vars(asked) | {"folder": asked.folder / "seed"}))
        scores["seed"] = evaluate(seed, data, "test", CLIPS).metrics
    return {"videos": {split: data.videos(split) for split in data.splits}, "epochs": asked.epochs, "final": asked.final,
            "seed": asked.seed, "spec": str(spec), **found, "test": scores}


def show(result: dict) -> None:
    """Prints what came out."""
    for step, winner in enumerate(result.get("path", ())):
        print(f"step {step}: {winner['axis'] or 'seed'}, {Spec(**winner['spec'])}: {winner['val']:.3f} mAP on validation videos")
    table = make_table(f"{result['spec']}, {result['videos']['test']} test videos", "network", *result["test"]["classifier"])
    for name, metrics in result["test"].items():
        table.add_row(name, *(f"{value:.3f}" for value in metrics.values()))
    make_console().print(table)


def main() -> None:
    """See the head of this module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where videos and trainings are kept")
    parser.add_argument("--train", type=int, default=1000, help="training videos")
    parser.add_argument("--val", type=int, default=200, help="validation videos")
    parser.add_argument("--test", type=int, default=200, help="test videos")
    parser.add_argument("--spec", help="train this network in place of a search")
    parser.add_argument("--steps", type=int, default=4, help="of the search")
    parser.add_argument("--race", action=argparse.BooleanOptionalAction, default=True, help="stop bad candidates early")
    parser.add_argument("--epochs", type=float, default=24, help="of a candidate")
    parser.add_argument("--final", type=float, default=60, help="epochs of the last trainings")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if not (asked.folder / DONE).exists():
        from expansion.foundation.imports import import_keras

        import_keras()
        files.write_json(str(asked.folder / DONE), measure(asked))
    show(json.loads((asked.folder / DONE).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
