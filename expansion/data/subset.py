"""A proxy of a data set, to search on: some of its classes, some of its training videos. TensorFlow only where it is made."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import statistics
from collections import Counter, defaultdict

from pydantic import Field, model_validator

from expansion.data import records
from expansion.data.dataset import VideoDataset
from expansion.data.frame_index import IndexWriter, index_paths
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
    fingerprint = _digest(data.manifest.get("fingerprint"), settings.classes, settings.share, settings.seed)
    if files.exists(os.path.join(folder, records.MANIFEST)):
        there = VideoDataset.open(folder)
        if there.manifest.get("fingerprint") == fingerprint:
            return there
        files.remove_folder(folder)
    classes = _classes(data, settings)
    wanted = _videos(data, settings, classes)
    splits = {split: _write(data, split, wanted[split], classes, folder) for split in ("train", "val")}
    kept = {"short_side": data.short_side, "settings": data.manifest.get("settings", {})}
    files.write_json(os.path.join(folder, records.MANIFEST), kept | {  # last: it says that the rest is whole
        "classes": classes, "splits": splits, "fingerprint": fingerprint,
        "proxy": settings.model_dump(mode="json", exclude={"epochs"}) | {"of": data.manifest.get("fingerprint")}})
    return VideoDataset.open(folder)


def _digest(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _classes(data: VideoDataset, settings: ProxySettings) -> list[str]:
    if settings.classes is None:
        return list(data.classes)
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
        if row["accepted"] and row["label"] in classes and row["split"] in ("train", "val"):
            of_class[row["split"], row["label"]].append(row["video_id"])
    found: dict[str, set[str]] = {"train": set(), "val": set()}
    for (split, _), ids in of_class.items():
        count = math.ceil(settings.share * len(ids)) if split == "train" else len(ids)
        found[split] |= set(sorted(ids, key=lambda name: _digest(settings.seed, name))[:count])
    return found


def _write(data: VideoDataset, split: str, wanted: set[str], classes: list[str], folder: str) -> dict:
    """Writes the wanted records with labels that index the classes kept; what the manifest says of the split."""
    import tensorflow as tf

    number = {data.classes.index(name): index for index, name in enumerate(classes)}
    frames, labels, total, shard, writer = [], Counter(), 0, 0, None
    rows = io.BytesIO(), io.BytesIO()
    index = IndexWriter(*rows)
    written = os.path.join(folder, f"Split-{split}")
    os.makedirs(written, exist_ok=True)
    for serialised in tf.data.TFRecordDataset(data.files(split)).as_numpy_iterator():
        example = tf.train.Example.FromString(serialised)
        feature = example.features.feature
        if feature[records.VIDEO_ID].bytes_list.value[0].decode() not in wanted:
            continue
        label = number[feature[records.LABEL].int64_list.value[0]]
        feature[records.LABEL].int64_list.value[0] = label
        if writer is None or shard > SHARD_BYTES:
            if writer:
                writer.close()
                index.next_shard()
            count = len(files.listed(written))
            writer, shard = tf.io.TFRecordWriter(os.path.join(written, f"data_tfrecord-{count:05d}")), 0
        content = example.SerializeToString(deterministic=True)
        writer.write(content)
        index.add(content)
        frames.append(len(feature[records.JPEG].bytes_list.value))
        labels[classes[label]] += 1
        total, shard = total + len(content), shard + len(content)
    if writer is None:
        raise InputError(f"{data.path}: the proxy has no videos in split {split!r}")
    writer.close()
    for path, content in zip(index_paths(folder, split), rows):
        files.write_bytes(path, content.getvalue())
    return {"videos": len(frames), "frames": sum(frames), "bytes": total,
            "per_class": {name: labels[name] for name in classes}, "min_frames": min(frames),
            "median_frames": statistics.median(frames), "max_frames": max(frames)}
