"""A data set of clips' sources: TFRecord shards by split, with the manifest that ingestion wrote beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from expansion.data.manifest import Manifest, read_manifest
from expansion.data.records import SPLITS
from expansion.foundation import files, paths
from expansion.foundation.errors import InputError
from expansion.spec import Limits
from expansion.tasks.registry import task_named
from expansion.tasks.task import Task


@dataclass(frozen=True)
class VideoDataset:
    """Where the records lie and what is in them.

    Args:
        path: folder with manifest.json and Split-train, Split-val and, where there is one, Split-test.
        manifest: what it holds.
    """

    path: str
    manifest: Manifest = field(repr=False, hash=False)

    @classmethod
    def open(cls, path: str | os.PathLike) -> VideoDataset:
        """Reads the manifest.

        Raises:
            InputError: there is no manifest, it is damaged, or of another format.
        """
        path = os.fspath(path)
        return cls(path, read_manifest(path))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is an index into them."""
        return tuple(self.manifest.classes)

    def check_classes(self, count: int, names: Sequence[str]) -> None:
        """Compares its classes with a network's.

        Args:
            names: of the network's classes; none where it has no names.

        Raises:
            InputError: they differ.
        """
        if count != len(self.classes):
            raise InputError(f"{self.path}: {len(self.classes)} classes, but the network has {count}")
        for number, (own, other) in enumerate(zip(names, self.classes)):
            if own != other:
                raise InputError(f"{self.path}: class {number} is {other!r} there and {own!r} in the network")

    @property
    def task(self) -> Task:
        """What its labels are for."""
        return task_named(self.manifest.task)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if self.videos(split))

    def videos(self, split: str) -> int:
        """Number of videos in a split; 0 where the data set has no such split."""
        counts = self.manifest.splits.get(split)
        return counts.videos if counts else 0

    def files(self, split: str) -> list[str]:
        """TFRecord shards of a split, in order; copies on this machine of what lies where TensorFlow does not read.

        Raises:
            InputError: the split has no shards.
        """
        found = files.listed(os.path.join(self.path, f"Split-{split}"))
        if not found:
            raise InputError(f"{self.path}: split {split!r} has no records; there are {', '.join(self.splits)}")
        return paths.local_copies(found)

    @property
    def short_side(self) -> int:
        """Smallest short side of the stored frames, in pixels."""
        return self.manifest.short_side

    @property
    def limits(self) -> Limits:
        """What the videos allow: the span of half of the training videos, and their short side."""
        return Limits(span=int(self.manifest.splits["train"].median_frames), size=self.short_side)
