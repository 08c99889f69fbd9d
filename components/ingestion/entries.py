"""A labelled video, and what an input comes to: the words that the parts of the ingestion share."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from expansion.tasks.segments import Segment

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
Label = int | dict[str, int | list[int]]  # number of an entry's class, or {"classes": how many, "segments": those of each}
SHOWN = 3  # names in an error before "..."


@dataclass(frozen=True)
class Entry:
    """One labelled video, or a stretch of one.

    Attributes:
        path: where the file is.
        source: the path relative to the videos' folder, with forward slashes.
        label_text: name of the class, in Unicode's composed form (NFC).
        split: "train", "val" or "test"; None where none was given.
        group: videos of one group never stand in two splits; None where none was given.
        start, end: seconds of the stretch; None for the whole video.
        video_id: unique in the data set.
        missing: the label file names it, but there is no such file.
        segments: its labels, where a video may have several; label_text then has each class once, joined by ";".
        length: seconds of the video by its label file; None where that does not say.
    """

    path: str
    source: str
    label_text: str
    split: str | None
    group: str | None
    start: float | None
    end: float | None
    video_id: str
    missing: bool = False
    segments: tuple[Segment, ...] | None = None
    length: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes, each once."""
        if self.segments is None:
            return (self.label_text,)
        return tuple(dict.fromkeys(segment.label for segment in self.segments))


@dataclass(frozen=True)
class Unused:
    """Something found that is not even tried.

    Attributes:
        source: the path relative to the videos' folder; a folder's ends with a slash.
        reason: a short stable code, as in videos.jsonl.
        detail: what was found.
    """

    source: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Listing:
    """What was found.

    Attributes:
        entries: labelled videos in a stable order.
        unused: everything else that was found.
        notes: what was understood where it could have been understood otherwise; each one line.
        label_files: paths of the label files that were read, and of the class list.
        nearest: of a source that is not there, the one that it nearly fits, or None.
        classes: all classes in their order, where a class list gives them; also those that no video has.
    """

    entries: tuple[Entry, ...]
    unused: tuple[Unused, ...] = ()
    notes: tuple[str, ...] = ()
    label_files: tuple[str, ...] = ()
    nearest: Callable[[str], str | None] = lambda source: None
    classes: tuple[str, ...] | None = None


def composed(text: str) -> str:
    """Unicode's normal form in which names are compared: one letter may be written as one sign or as two."""
    return unicodedata.normalize("NFC", text)


def shorten(names: Iterable[str]) -> str:
    """The first few names, and how many there are in all."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ... ({len(names)} in all)"
