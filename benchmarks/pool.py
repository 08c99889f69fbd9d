"""Trainings of small networks on the demo's data, each made once and kept: what races and protocols are replayed from.

A training is to the bit the same whenever it is made and wherever it pauses, so those that several protocols would make
are made once and counted for each of them. Of each the pool keeps, for every epoch, which validation videos were right,
and the seconds of every part.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

from expansion.foundation import files
from expansion.recipe import ClipSettings, Recipe
from expansion.search.racing import rung_epoch
from expansion.spec import Spec

SEED = Spec(frames=4, stride=2, size=24, depth=0.2)  # one block a stage
AXES = ("fast", "spatial", "width", "bottleneck")
RECIPE = Recipe(epochs=10, batch=16, rate=0.1, rate_batch=16, warmup_epochs=1, dropout=0.2)
CLIPS = ClipSettings(jitter=(1.05, 1.2), eval_scale=1.1, flip=False, views=2)
VIDEOS = {"train": 40, "val": 25, "test": 30}  # of each class
CLASSES = 8
SEEDS = range(5)
RUNG_VIEWS, RUNGS = 1, (0.2, 0.3, 0.5)
FRAMES, PIXELS = 16, 40


@dataclass(frozen=True)
class Training:
    """What is kept of one training.

    Args:
        key: its name, from all that it depends on; the seed's parent is "".
        rungs: for each of rung_epochs, which validation videos were right, of RUNG_VIEWS views.
        curve: accuracy on training clips after each epoch.
        correct, test: which videos of a split were right at the end, of CLIPS.views views.
        start, epoch, evaluate, rung: seconds until the first epoch's end (less one epoch), of an epoch, of the last
            evaluation, and of one at a rung.
    """

    key: str
    spec: Spec
    seed: int
    parent: str
    macs: int
    params: int
    rungs: tuple[tuple[bool, ...], ...]
    curve: tuple[float, ...]
    correct: tuple[bool, ...]
    test: tuple[bool, ...]
    start: float
    epoch: float
    evaluate: float
    rung: float

    @property
    def accuracy(self) -> float:
        return sum(self.correct) / len(self.correct)

    @classmethod
    def from_dict(cls, values: dict) -> Training:
        bits = {name: _bits(values[name]) for name in ("correct", "test")}
        return cls(**values | bits | {"spec": Spec(**values["spec"]), "rungs": tuple(map(_bits, values["rungs"])),
                                      "curve": tuple(values["curve"])})

    def as_dict(self) -> dict:
        return vars(self) | {"spec": self.spec.as_dict(), "correct": _text(self.correct), "test": _text(self.test),
                             "rungs": [_text(rung) for rung in self.rungs]}


def rung_epochs(recipe: Recipe) -> tuple[int, ...]:
    """The epochs after which a training is evaluated as at a rung."""
    return tuple(sorted({rung_epoch(share, recipe.epochs) for share in RUNGS}))


def _bits(text: str) -> tuple[bool, ...]:
    return tuple(letter == "1" for letter in text)


def _text(bits) -> str:
    return "".join("01"[bool(bit)] for bit in bits)


def data_folder(folder: Path) -> str:
    """The demo's videos at reduced size, as records; made where they are not there."""
    records = folder / "records"
    if not (records / "manifest.json").exists():
        from components.ingestion.ingest import ingest_folder
        from components.ingestion.settings import IngestSettings
        from pipeline.demo_data import make_demo_videos

        labels = make_demo_videos(folder / "videos", frames=FRAMES, size=PIXELS, **VIDEOS)
        ingest_folder(IngestSettings(videos=str(labels.parent), labels=str(labels), short_side=PIXELS), str(records))
    return str(records)


def limit_threads() -> None:
    """One thread, so that seconds are those of one core."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


class Pool:
    """Trainings in a folder.

    Args:
        folder: holds, or gets, the videos and a file a training.
        train: whether what is not there is trained; else it is a KeyError.
    """

    def __init__(self, folder: Path, train: bool = True):
        self.folder, self.train = folder, train
        self.trained = 0

    def get(self, spec: Spec, seed: int, parent: str = "", recipe: Recipe = RECIPE) -> Training:
        """A training of a spec from a seed, or from a parent's weights."""
        identity = json.dumps([spec.as_dict(), seed, parent, recipe.model_dump(mode="json"), VIDEOS, FRAMES, PIXELS])
        key = hashlib.sha256(identity.encode()).hexdigest()[:12]
        path = self.folder / f"{key}.json"
        if not path.exists():
            if not self.train:
                raise KeyError(f"{spec} with seed {seed} is not among the trainings of {self.folder}")
            files.write_json(str(path), self._made(key, spec, seed, parent, recipe).as_dict())
            self.trained += 1
        return Training.from_dict(files.read_json(str(path)))

    def _made(self, key: str, spec: Spec, seed: int, parent: str, recipe: Recipe) -> Training:
        import keras

        from expansion.complexity import complexity
        from expansion.data.dataset import VideoDataset
        from expansion.evaluation.evaluate import evaluate_network
        from expansion.evaluation.networks import keras_network
        from expansion.network.saving import load_model, save_model
        from expansion.network.transfer import start_from
        from expansion.training.fit import new_model, train

        data = VideoDataset.open(data_folder(self.folder))
        keras.backend.clear_session()
        began = time.perf_counter()
        model = new_model(spec, data, recipe, seed)
        if parent:
            start_from(model, load_model(str(self.folder / f"{parent}.keras")))
        rung_clips, rungs, ends, rung_seconds = CLIPS.model_copy(update={"views": RUNG_VIEWS}), [], [], []

        def correct(split, clips=CLIPS):  # by the weights as they are now
            return tuple(map(bool, evaluate_network(keras_network(model, spec.size), data, split, clips).correct))

        def at_rung(epoch, epochs, logs):
            ends.append(time.perf_counter())
            if epoch not in rung_epochs(recipe):
                return
            rungs.append(correct("val", rung_clips))
            rung_seconds.append(time.perf_counter() - ends[-1])

        history = train(model, data, recipe, CLIPS, seed=seed, on_epoch=at_rung)
        epochs = sorted(end - before for before, end in zip(ends, ends[1:]))  # few of them have a rung within
        epoch = epochs[len(epochs) // 2]
        trained = time.perf_counter()
        val = correct("val")
        evaluate = time.perf_counter() - trained
        test = correct("test")
        save_model(model, str(self.folder / f"{key}.keras"))
        found = complexity(spec, len(data.classes))
        return Training(key, spec, seed, parent, found.macs, found.params, tuple(rungs), tuple(history["accuracy"]),
                        val, test, ends[0] - began - epoch, epoch, evaluate, sorted(rung_seconds)[len(rungs) // 2])
