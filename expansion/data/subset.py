"""A proxy of a data set, to search on: some of its classes, some of its training videos. TensorFlow only where it is made."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import math
import os
from collections import defaultdict
from collections.abc import Sequence

from pydantic import Field, model_validator

from expansion.data import records
from expansion.data.dataset import VideoDataset
from expansion.data.example import example, parse, tfrecord
from expansion.data.frame_index import IndexWriter, index_paths
from expansion.data.manifest import Manifest, SplitCounts, is_whole
from expansion.data.segment_index import segment_paths, segments_of
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.settings import Settings
from expansion.recipe import Recipe

SHARD_BYTES = 128 << 20


class ProxySettings(Settings):
    """What a search runs on in place of all data, and for how long each candidate is trained.

    Args:
        classes: how many of the classes, chosen by a hash of their names; None for all.
        share: of the training videos of each class, chosen by a hash of their ids; validation videos stay all, so that
            the choice is no noisier than it has to be.
        epochs: of a candidate's training; None for the recipe's.
        seed: of the hashes.
    """

    classes: int | None = Field(None, ge=2)
    share: float = Field(1.0, gt=0, le=1)
    epochs: float | None = Field(None, gt=0)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _is_less(self):
        if self.classes is None and self.share == 1 and self.epochs is None:
            raise ValueError("a proxy takes fewer classes, a share below 1, or fewer epochs")
        return self

    def recipe(self, recipe: Recipe) -> Recipe:
        """The recipe of the candidates."""
        if self.epochs is None:
            return recipe
        by_step = {step: {key: value for key, value in changes.items() if key != "epochs"}
                   for step, changes in recipe.by_step.items()}
        return Recipe(**recipe.model_dump(exclude={"by_step", "epochs"}), epochs=self.epochs, by_step=by_step)

    def text(self) -> str:
        """In words."""
        parts = [f"{self.classes} of the classes" if self.classes else "",
                 f"{100 * self.share:g} % of the training videos" if self.share < 1 else "",
                 f"{self.epochs:g} epochs" if self.epochs else ""]
        return ", ".join(filter(None, parts))


def make_proxy(data: VideoDataset, settings: ProxySettings, folder: str) -> VideoDataset:
    """The proxy of a data set as a data set of its own; one that is there already is opened.

    Args:
        folder: for its records: those of train and val; the test split is no part of a search.

    Returns:
        The data set itself where classes and share take all of it.

    Raises:
        InputError: fewer classes than are asked for, or no list of videos beside the records.
    """
    if settings.classes is None and settings.share == 1:
        return data
    fingerprint = _digest(data.manifest.fingerprint, settings.classes, settings.share, settings.seed)
    if is_whole(folder, fingerprint):
        return VideoDataset.open(folder)
    files.remove_file(os.path.join(folder, records.MANIFEST))
    for name in ("Split-train", "Split-val", records.INDEX):  # of other settings, or of one that was stopped
        files.remove_folder(os.path.join(folder, name))
    classes = _classes(data, settings)
    wanted = _videos(data, settings, classes)
    splits, written = {}, {}
    for split in ("train", "val"):
        splits[split] = write_part(data, [split], split, wanted[split], classes, folder, written)
    made = Manifest(
        classes=classes, splits=splits, accepted=sum(counts.videos for counts in splits.values()), rejected=0,
        reject_reasons={}, short_side=data.short_side, fps=data.manifest.fps, task=data.manifest.task,
        label_facts=data.manifest.label_facts,
        settings=data.manifest.settings, fingerprint=fingerprint, files=written,
        proxy=settings.model_dump(mode="json", exclude={"epochs"}) | {"of": data.manifest.fingerprint})
    made.write(folder)
    return VideoDataset(folder, made)


def _digest(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _classes(data: VideoDataset, settings: ProxySettings) -> list[str]:
    if settings.classes is None:
        return list(data.classes)
    if data.task.labels != "class":
        raise InputError(f"proxy.classes is {settings.classes}; with several labels a video a proxy takes all classes: take a "
                         "share, or fewer epochs")
    if settings.classes > len(data.classes):
        raise InputError(f"proxy.classes is {settings.classes}; {data.path} has {len(data.classes)}")
    chosen = sorted(data.classes, key=lambda name: _digest(settings.seed, name))[:settings.classes]
    return [name for name in data.classes if name in chosen]


def _videos(data: VideoDataset, settings: ProxySettings, classes: list[str]) -> dict[str, set[str]]:
    """Ids of the videos by split."""
    path = os.path.join(data.path, records.VIDEOS)
    if not files.exists(path):
        raise InputError(f"{data.path}: no {records.VIDEOS}, which says which videos there are; `x3d ingest` writes it")
    of_class = defaultdict(list)
    for line in files.read_text(path).splitlines():
        row = json.loads(line)
        label = None if "classes" in row else row["label"]  # with several labels the share is one of all videos
        if row["accepted"] and row["split"] in ("train", "val") and (label is None or label in classes):
            of_class[row["split"], label].append(row["video_id"])
    found: dict[str, set[str]] = {"train": set(), "val": set()}
    for (split, _), ids in of_class.items():
        count = math.ceil(settings.share * len(ids)) if split == "train" else len(ids)
        found[split] |= set(sorted(ids, key=lambda name: _digest(settings.seed, name))[:count])
    return found


def write_part(data: VideoDataset, sources: Sequence[str], split: str, wanted: set[str], classes: list[str], folder: str,
               written: dict[str, int]) -> SplitCounts:
    """Writes the wanted records with labels that index the classes kept, and their index.

    Args:
        sources: splits of the data set that they are in.
        split: that they become.
        written: gets the relative path and the bytes of each file.

    Raises:
        InputError: none is there.
    """
    from expansion.data.videos import read  # brings TensorFlow with it

    number = {data.classes.index(name): index for index, name in enumerate(classes)}
    frames, labels, total, room = [], [], 0, 0
    rows, segments = (io.BytesIO(), io.BytesIO()), (io.BytesIO(), io.BytesIO())
    index = IndexWriter(*rows)
    with contextlib.ExitStack() as shard:
        for serialised in itertools.chain.from_iterable(read(data, source).as_numpy_iterator() for source in sources):
            features = parse(serialised)
            if features[records.VIDEO_ID][0].decode() not in wanted:
                continue
            record, own = serialised, features.get(records.SEGMENT_LABELS)
            if own is None:
                own = [number[features[records.LABEL][0]]]
                record = example(features | {records.LABEL: own[0]})
            if room <= 0:
                shard.close()
                if frames:
                    index.next_shard()
                name = f"Split-{split}/data_tfrecord-{index.shard:05d}"
                file, room, written[name] = shard.enter_context(files.writing(os.path.join(folder, name))), SHARD_BYTES, 0
            for piece in tfrecord(record):
                file.write(piece)
                written[name] += len(piece)
            index.add(record)
            for file_of, rows_of in zip(segments, segments_of(record)):
                file_of.write(rows_of.tobytes())
            frames.append(len(features[records.JPEG]))
            labels += [classes[label] for label in sorted(set(own))]
            total, room = total + len(record), room - len(record)
    if not frames:
        raise InputError(f"{data.path}: the part that is searched on has no videos in split {split!r}")
    kept = [*zip(index_paths(folder, split), rows), *zip(segment_paths(folder, split), segments)]
    for path, content in kept if data.task.labels != "class" else kept[:len(rows)]:
        files.write_bytes(path, content.getvalue())
        written[os.path.relpath(path, folder)] = len(content.getvalue())
    return SplitCounts.of(frames, labels, classes, total)
