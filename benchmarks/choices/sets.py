"""The data sets of the comparison: where their videos come from, where searches begin, what a network may cost."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec

CANDIDATES = 6  # trained in a step, at most


@dataclass(frozen=True)
class DataSet:
    """A data set and the terms of the comparison on it.

    Args:
        videos: of a folder for made videos and the folder of real ones, the folder of the videos and their label file.
        short_side: stored pixels.
        start: where searches begin.
        steps: doublings of the start's cost; what they come to is the most that a network may cost.
        recipe: of a candidate.
        final: epochs of the last training, as a multiple.
        clips: how clips are cut.
    """

    name: str
    videos: Callable[[Path, Path | None], tuple[str, str]]
    short_side: int
    start: Spec
    steps: int
    recipe: Recipe
    clips: ClipSettings
    final: float = 2.0

    def records(self, folder: Path, real: Path | None) -> VideoDataset:
        """Its records in a folder, ingested where they are not there."""
        from components.ingestion.ingest import ingest_folder
        from components.ingestion.settings import IngestSettings

        records = folder / "records" / self.name
        if not (records / "manifest.json").exists():
            videos, labels = self.videos(folder / "videos", real)
            ingest_folder(IngestSettings(videos=videos, labels=labels, short_side=self.short_side), str(records))
        return VideoDataset.open(str(records))

    def limit(self, classes: int) -> float:
        """MACs per clip that a network may cost."""
        return complexity(self.start, classes).macs * 2.0**self.steps

    def budget(self, data: VideoDataset) -> float:
        """Multiply-adds that a search may train for: CANDIDATES of each doubling, in full; the backward pass counts twice."""
        of_start = training_macs(self.start, self.recipe, data)
        return of_start * (1 + CANDIDATES * sum(2.0**step for step in range(1, self.steps + 1)))


def training_macs(spec: Spec, recipe: Recipe, data: VideoDataset, epochs: float | None = None) -> float:
    """Multiply-adds of a training; the backward pass counts twice."""
    clips = recipe.steps(data.videos("train"))[0] * recipe.batch * (recipe.epochs if epochs is None else epochs)
    return 3.0 * complexity(spec, len(data.classes)).macs * clips


def _real(name: str) -> Callable[[Path, Path | None], tuple[str, str]]:
    def videos(made: Path, real: Path | None) -> tuple[str, str]:
        folder = real / name if real else None
        if folder is None or not (folder / "labels.csv").exists():
            raise FileNotFoundError(f"{name}: --data FOLDER has to hold {name}/labels.csv and its videos")
        return str(folder), str(folder / "labels.csv")

    return videos


def _demo(train: int, val: int, test: int) -> Callable[[Path, Path | None], tuple[str, str]]:
    def videos(made: Path, real: Path | None) -> tuple[str, str]:
        from pipeline.demo_data import make_demo_videos

        labels = make_demo_videos(made / "demo", train=train, val=val, test=test)
        return str(labels.parent), str(labels)

    return videos


# Synthetic videos over real footage: one digit crosses moving pictures, and only its motion tells the class.

FOOTAGE = "fights"  # whose clips lie behind; each split has its own
FRAMES, SIZE = 16, 64
COUNTS = {"train": 25, "val": 10, "test": 15}  # of each class


def synthetic(made: Path, real: Path | None) -> tuple[str, str]:
    """The demo's eight motions of a single digit over real footage that moves itself, 200 training videos."""
    from pipeline.demo_data import MOTIONS, Source, encode

    folder, labels = made / "synthetic", made / "synthetic" / "labels.csv"
    if labels.exists():
        return str(folder), str(labels)
    footage, _ = _real(FOOTAGE)(made, real)
    with open(Path(footage) / "labels.csv", encoding="utf-8", newline="") as file:
        behind = [(row["split"], Path(footage) / row["path"]) for row in csv.DictReader(file)]
    source, rows = Source.load(0), [("path", "label", "split", "group")]
    for split, count in COUNTS.items():
        clips = [path for of, path in behind if of == split]
        for number in range(count):
            rng = np.random.default_rng([1, sorted(COUNTS).index(split), number])
            ground = _footage(clips[rng.integers(len(clips))], rng)
            for motion in MOTIONS:
                path = folder / motion / f"{split}_{number:03d}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                encode(path, _crossed(ground, source, split, motion, rng), fps=12)
                rows.append((str(path.relative_to(folder)), motion, split, f"{split}_{number:03d}"))
    partial = labels.with_suffix(".partial")
    with open(partial, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    partial.rename(labels)
    return str(folder), str(labels)


def _footage(path: Path, rng: np.random.Generator) -> np.ndarray:
    """A stretch of a video, (FRAMES, SIZE, SIZE, 3) in [0, 1]; where it is shorter its last frame is held."""
    import av
    from PIL import Image

    with av.open(str(path)) as video:
        frames = [frame.to_image() for frame in video.decode(video=0)]
    first = int(rng.integers(max(1, len(frames) - FRAMES)))
    frames = (frames[first:] + FRAMES * frames[-1:])[:FRAMES]
    side = min(frames[0].size)
    return np.stack([np.asarray(frame.crop((0, 0, side, side)).resize((SIZE, SIZE), Image.BICUBIC)) for frame in frames]) / 255.0


def _crossed(ground: np.ndarray, source, split: str, motion: str, rng: np.random.Generator) -> np.ndarray:
    """The footage with a digit that moves, (FRAMES, SIZE, SIZE, 3) of uint8."""
    from pipeline.demo_data import masks, states

    pool = source.digits[split]
    mask = masks(pool[rng.integers(len(pool))], states(rng, motion, FRAMES, rng.uniform()), SIZE)[..., None]
    return np.rint(255 * (ground * (1 - 0.9 * mask) + 0.9 * mask * rng.uniform(0.8, 1.0, 3))).astype(np.uint8)


def _recipe(epochs: float, batch: int = 16) -> Recipe:
    return Recipe(epochs=epochs, batch=batch, rate=0.1, rate_batch=16, warmup_epochs=1, dropout=0.2)


_CLIPS = ClipSettings(jitter=(1.05, 1.2), eval_scale=1.1, flip=False, views=10)

SETS = {each.name: each for each in (
    DataSet("fights", _real("fights"), 64, Spec(stride=8, size=48), 2, _recipe(32), _CLIPS.model_copy(update={"flip": True})),
    DataSet("lips", _real("lips"), 48, Spec(stride=4, size=32), 2, _recipe(22), _CLIPS),
    DataSet("demo", _demo(80, 25, 30), 48, Spec(stride=8, size=32), 2, _recipe(18), _CLIPS),
    DataSet("synthetic", synthetic, 64, Spec(stride=8, size=48), 2, _recipe(32), _CLIPS),
)}
_TINY = Recipe(epochs=1, batch=16, rate=0.1, rate_batch=16, warmup_epochs=0.5, dropout=0.2)
TINY = DataSet("tiny", _demo(6, 3, 3), 32, Spec(stride=4, size=24, depth=0.2, width=0.5), 1, _TINY,
               _CLIPS.model_copy(update={"views": 2}))
