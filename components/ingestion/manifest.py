"""The account of an ingestion: what was stored, what was refused and why, and from which input."""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter, defaultdict

from pydantic import BaseModel, ConfigDict

from components.ingestion.encode import VideoRow
from components.ingestion.settings import IngestSettings
from expansion.data.records import MANIFEST, SPLITS
from expansion.foundation import files
from expansion.foundation.errors import InputError

FORMAT_VERSION = 1


class SplitCounts(BaseModel):
    """What one split holds. `bytes` are those of its records; frames are counted per video."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    videos: int
    frames: int
    bytes: int
    per_class: dict[str, int]
    min_frames: int
    median_frames: float
    max_frames: int


class Manifest(BaseModel):
    """manifest.json. Its presence marks the data set beside it as whole.

    Attributes:
        classes: names; the index is the label.
        short_side: pixels, the least of all stored videos.
        settings: those that decide the records.
        fingerprint: of the input, the settings and the version of this code.
        files: shard (relative path) -> bytes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format_version: int = FORMAT_VERSION
    classes: list[str]
    splits: dict[str, SplitCounts]
    accepted: int
    rejected: int
    reject_reasons: dict[str, int]
    short_side: int
    settings: dict
    fingerprint: str
    files: dict[str, int]

    def without_videos(self) -> dict[str, list[str]]:
        """Split -> classes that have no video in it; splits that hold all classes are left out."""
        empty = {}
        for split, counts in self.splits.items():
            empty[split] = [name for name, videos in counts.per_class.items() if not videos]
        return {split: names for split, names in empty.items() if names}


def build(rows: list[VideoRow], classes: list[str], settings: IngestSettings, fingerprint: str, files: dict[str, int]) -> Manifest:
    """The manifest of these rows."""
    by_split = defaultdict(list)
    for row in rows:
        if row.accepted:
            by_split[row.split].append(row)
    taken = [row for row in rows if row.accepted]
    reasons = Counter(row.reason for row in rows if not row.accepted)
    return Manifest(
        classes=classes,
        splits={split: _count(by_split[split], classes) for split in SPLITS if by_split[split]},
        accepted=len(taken),
        rejected=len(rows) - len(taken),
        reject_reasons=dict(sorted(reasons.items())),
        short_side=min(min(row.width, row.height) for row in taken),
        settings=settings.of_records(),
        fingerprint=fingerprint,
        files=files,
    )


def _count(rows: list[VideoRow], classes: list[str]) -> SplitCounts:
    frames = [row.frames for row in rows]
    labels = Counter(row.label for row in rows)
    return SplitCounts(
        videos=len(rows),
        frames=sum(frames),
        bytes=sum(row.bytes for row in rows),
        per_class={name: labels[name] for name in classes},
        min_frames=min(frames),
        median_frames=statistics.median(frames),
        max_frames=max(frames),
    )


def read(folder: str) -> Manifest:
    """The manifest of a folder.

    Raises:
        InputError: there is none (no ingestion, or one that did not finish), or it is of another format.
    """
    path = os.path.join(folder, MANIFEST)
    if not files.exists(path):
        raise InputError(f"{folder!r} holds no {MANIFEST}: not an ingested data set, or its ingestion did not finish")
    try:
        return Manifest(**json.loads(files.read_bytes(path)))
    except ValueError:
        raise InputError(f"{path!r} is not a manifest of format {FORMAT_VERSION}; ingest again") from None


def is_whole(folder: str, fingerprint: str) -> Manifest | None:
    """The folder's manifest if it is of this fingerprint and its shards have their sizes, else None."""
    try:
        found = read(folder)
    except InputError:
        return None
    same = found.fingerprint == fingerprint
    return found if same and all(files.size(os.path.join(folder, file)) == n for file, n in found.files.items()) else None
