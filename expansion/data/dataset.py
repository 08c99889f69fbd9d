"""A data set of clips' sources: TFRecord shards by split, with the manifest that ingestion wrote beside them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from expansion.data.records import MANIFEST, SPLITS
from expansion.foundation import files, paths
from expansion.foundation.errors import InputError
from expansion.spec import Limits


@dataclass(frozen=True)
class VideoDataset:
    """Where the records lie and what is in them.

    Args:
        path: folder with manifest.json and Split-train, Split-val and, where there is one, Split-test.
        classes: class names; a label is an index into them.
        manifest: the manifest as read (see components.video_example_gen).
    """

    path: str
    classes: tuple[str, ...]
    manifest: dict = field(repr=False, hash=False, compare=False)

    @classmethod
    def open(cls, path: str | os.PathLike) -> VideoDataset:
        """Reads the manifest.

        Raises:
            InputError: there is no manifest, or it is not one.
        """
        path = os.fspath(path)
        name = os.path.join(path, MANIFEST)
        if not files.exists(name):
            raise InputError(f"{path}: no {MANIFEST} there; `x3d ingest` makes a data set from videos")
        try:
            manifest = files.read_json(name)
        except ValueError:
            manifest = None
        if not isinstance(manifest, dict) or not manifest.get("classes") or "splits" not in manifest:
            raise InputError(f"{name}: not a manifest of this project (it names no classes or splits)")
        return cls(path, tuple(manifest["classes"]), manifest)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if self.videos(split))

    def videos(self, split: str) -> int:
        """Number of videos in a split; 0 where the data set has no such split."""
        return self.manifest["splits"].get(split, {}).get("videos", 0)

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
        return self.manifest["short_side"]

    @property
    def limits(self) -> Limits:
        """What the videos allow: the span of half of the training videos, and their short side."""
        return Limits(span=int(self.manifest["splits"]["train"]["median_frames"]), size=self.short_side)
