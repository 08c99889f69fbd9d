"""Which videos a training has and which it is tried on: folds of whole groups, and so many videos of a class. Plain Python."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from expansion.data.folds import divide


@dataclass(frozen=True)
class Labelled:
    """A video of a label file: path, label, and the group of videos that must not be divided."""

    path: str
    label: str
    group: str


def read_labels(path: str | Path) -> list[Labelled]:
    """The videos of a CSV file with the columns path, label and, where there is one, group; a split there is ignored."""
    with open(path, encoding="utf-8", newline="") as file:
        return [Labelled(row["path"], row["label"], row.get("group") or row["path"]) for row in csv.DictReader(file)]


def folds(videos: Sequence[Labelled], count: int) -> list[list[Labelled]]:
    """The videos in so many parts of about equal size and equal classes; a group is in one of them."""
    groups: dict[str, list[Labelled]] = {}
    for video in videos:
        groups.setdefault(video.group, []).append(video)
    counted = {name: Counter(video.label for video in members) for name, members in groups.items()}
    return [[video for name in names for video in groups[name]] for names in divide(counted, count)]


def training_videos(videos: Sequence[Labelled], fold: Sequence[Labelled], of_class: int | None, seed: int) -> list[Labelled]:
    """Those outside a fold, or so many of each class, drawn by the seed; a larger number contains a smaller one's."""
    held_out = set(fold)
    rest = sorted((video for video in videos if video not in held_out), key=lambda video: _order(seed, video.path))
    taken: Counter = Counter()
    found = []
    for video in rest:
        if of_class is None or taken[video.label] < of_class:
            taken[video.label] += 1
            found.append(video)
    return found


def _order(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
