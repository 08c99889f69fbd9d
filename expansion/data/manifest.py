"""manifest.json: what a data set holds and from which input it was made. Plain Python."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import Field, ValidationError

from expansion.data.records import MANIFEST
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.settings import Settings, one_line
from expansion.tasks.task import TaskName

FORMAT_VERSION = 1


class SplitCounts(Settings):
    """What one split holds.

    Attributes:
        videos: their number.
        frames: of all videos.
        bytes: of the records.
        per_class: class -> videos that have it; every class is named.
        min_frames, median_frames, max_frames: of a video.
    """

    videos: int = Field(ge=1)
    frames: int
    bytes: int
    per_class: dict[str, int]
    min_frames: int
    median_frames: float
    max_frames: int

    @classmethod
    def of(cls, frames: Sequence[int], labels: Iterable[str], classes: Sequence[str], bytes: int) -> SplitCounts:
        """The counts of videos.

        Args:
            frames: of each video.
            labels: the class of each video; of those with several labels, each once per video.
            classes: all classes.
            bytes: of the records.
        """
        found = Counter(labels)
        return cls(videos=len(frames), frames=sum(frames), bytes=bytes, per_class={name: found[name] for name in classes},
                   min_frames=min(frames), median_frames=statistics.median(frames), max_frames=max(frames))


class Manifest(Settings):
    """manifest.json. Its presence marks the data set beside it as whole.

    Attributes:
        classes: names; the index is the label.
        task: what the labels are for: one class per video, several, or several with times.
        label_facts: of labels with times, what is odd about them; see tasks.segments.LabelFacts.
        splits: train, val and test, as far as they hold videos.
        accepted, rejected: videos.
        reject_reasons: reason -> videos.
        short_side: pixels, the least of all stored videos.
        fps: frames per second of the training videos as stored, the median; None where that is not known.
        settings: those of the ingestion that decide the records.
        fingerprint: of the input, the settings and the version of the code.
        files: shards and indexes (relative path) -> bytes.
        notes: how the input was understood where it could have been understood otherwise; each one line.
        proxy: of a part of another data set: which part (see subset), and under "of" that one's fingerprint.
    """

    format_version: int = FORMAT_VERSION
    classes: list[str] = Field(min_length=1)
    task: TaskName = "single-label"
    label_facts: dict[str, int] | None = None
    splits: dict[str, SplitCounts]
    accepted: int
    rejected: int
    reject_reasons: dict[str, int]
    short_side: int
    fps: float | None = None
    settings: dict
    fingerprint: str
    files: dict[str, int]
    notes: list[str] = []
    proxy: dict | None = None

    def without_videos(self) -> dict[str, list[str]]:
        """Split -> classes that have no video in it; splits that hold all classes are left out."""
        empty = {split: [name for name, videos in counts.per_class.items() if not videos]
                 for split, counts in self.splits.items()}
        return {split: names for split, names in empty.items() if names}

    def write(self, folder: str) -> None:
        """Writes it into the folder of its data set, when everything else is there."""
        files.write_text(os.path.join(folder, MANIFEST), self.model_dump_json(indent=2) + "\n")


def read_manifest(folder: str) -> Manifest:
    """The manifest of a folder.

    Raises:
        InputError: there is none (no ingestion, or one that did not finish), it is damaged, or of another format.
    """
    path = os.path.join(folder, MANIFEST)
    if not files.exists(path):
        raise InputError(f"{folder}: no {MANIFEST} there; `x3d ingest` makes a data set from videos, and writes it last")
    try:
        values = files.read_json(path)
    except ValueError:
        raise InputError(f"{path}: damaged (it is not JSON); ingest again") from None
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        reason = "not a manifest of this project" if version is None else f"of format {version!r}"
        raise InputError(f"{path}: {reason}; this version reads format {FORMAT_VERSION}: ingest again")
    try:
        return Manifest(**values)
    except ValidationError as error:
        raise InputError(f"{path}: damaged ({one_line(error)}); ingest again") from None


def is_whole(folder: str, fingerprint: str) -> Manifest | None:
    """The folder's manifest if it is of this fingerprint and its files have their sizes, else None."""
    try:
        found = read_manifest(folder)
    except InputError:
        return None
    same = found.fingerprint == fingerprint
    return found if same and all(files.size(os.path.join(folder, file)) == n for file, n in found.files.items()) else None
