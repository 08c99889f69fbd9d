"""Cross-validation: the videos of train and val in folds of whole groups, and for each fold a data set that is judged by it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping

from expansion.data import records
from expansion.data.dataset import VideoDataset
from expansion.data.manifest import Manifest, is_whole
from expansion.data.subset import write_part
from expansion.foundation import files
from expansion.foundation.errors import InputError

SPLITS = ("train", "val")  # what is divided; test videos are no part of a search


def divide(groups: Mapping[str, Counter], count: int) -> list[list[str]]:
    """Groups in so many folds of about equal size and equal classes.

    Large groups are placed first, each where it leaves the sum of the squared class counts smallest; equal ones by their names.

    Args:
        groups: name of a group -> its videos of each class.
    """
    found: list[list[str]] = [[] for _ in range(count)]
    totals = [Counter() for _ in range(count)]
    for name in sorted(groups, key=lambda name: (-groups[name].total(), hashlib.sha256(name.encode()).hexdigest())):
        own = groups[name]
        place = min(range(count), key=lambda fold: (
            sum((totals[fold][label] + n)**2 - totals[fold][label]**2 for label, n in own.items()), totals[fold].total()))
        found[place].append(name)
        totals[place] += own
    return found


def make_folds(data: VideoDataset, count: int, folder: str) -> list[VideoDataset]:
    """A data set for each fold: its videos are val, all others of train and val are train. Those that are there are opened.

    Args:
        count: folds.
        folder: for the data sets, folder/0, folder/1, ...; each holds the records of train and val once more.

    Raises:
        InputError: there is no list of videos beside the records, or there are fewer groups than folds.
    """
    group_of, groups = _groups(data)
    if len(groups) < count:
        raise InputError(f"search.folds is {count}: {data.path} has {len(groups)} groups of videos in {' and '.join(SPLITS)}; at "
                         "most that many")
    return [_fold(data, number, count, {video for video, group in group_of.items() if group in set(names)}, set(group_of),
                  os.path.join(folder, str(number)))
            for number, names in enumerate(divide(groups, count))]


def _groups(data: VideoDataset) -> tuple[dict[str, str], dict[str, Counter]]:
    """The group of each video by its id, and what each group holds. A video without one is a group of its own."""
    path = os.path.join(data.path, records.VIDEOS)
    if not files.exists(path):
        raise InputError(f"{data.path}: no {records.VIDEOS}, which says what groups there are; `x3d ingest` writes it")
    group_of, groups = {}, {}
    for row in map(json.loads, files.read_text(path).splitlines()):
        if row["accepted"] and row["split"] in SPLITS:
            name = group_of[row["video_id"]] = row.get("group") or row["video_id"]
            groups.setdefault(name, Counter()).update(row["classes"] if "classes" in row else [row["label"]])
    return group_of, groups


def _fold(data: VideoDataset, number: int, count: int, held_out: set[str], videos: set[str], folder: str) -> VideoDataset:
    fingerprint = hashlib.sha256(repr((data.manifest.fingerprint, "fold", number, count)).encode()).hexdigest()
    if is_whole(folder, fingerprint):
        return VideoDataset.open(folder)
    files.remove_folder(folder)
    classes, written = list(data.classes), {}
    splits = {split: write_part(data, SPLITS, split, wanted, classes, folder, written)
              for split, wanted in (("train", videos - held_out), ("val", held_out))}
    made = Manifest(
        classes=classes, task=data.manifest.task, label_facts=data.manifest.label_facts, splits=splits, accepted=len(videos),
        rejected=0, reject_reasons={}, short_side=data.short_side, fps=data.manifest.fps, settings=data.manifest.settings,
        fingerprint=fingerprint, files=written, proxy={"fold": number, "folds": count, "of": data.manifest.fingerprint})
    made.write(folder)
    return VideoDataset(folder, made)
