"""A labelled video, and what an input comes to: the words that the parts of the ingestion share."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
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
        label_files: paths of the label files that were read.
        nearest: of a source that is not there, the one that it nearly fits, or None.
    """

    entries: tuple[Entry, ...]
    unused: tuple[Unused, ...] = ()
    notes: tuple[str, ...] = ()
    label_files: tuple[str, ...] = ()
    nearest: Callable[[str], str | None] = lambda source: None


def composed(text: str) -> str:
    """Unicode's normal form in which names are compared: one letter may be written as one sign or as two."""
    return unicodedata.normalize("NFC", text)


def shorten(names: Iterable[str]) -> str:
    """The first few names, and how many there are in all."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ... ({len(names)} in all)"
