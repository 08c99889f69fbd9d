"""What an input comes to before anything is decoded: which videos, which classes, which splits, in which parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from components.ingestion.beam import Part
from components.ingestion.encode import VideoRow, rejected_row
from components.ingestion.entries import Entry, Label, Listing, shorten
from components.ingestion.settings import RECORD_VERSION, IngestSettings, digest
from components.ingestion.several import task_of
from components.ingestion.sources import read_sources
from components.ingestion.splits import assign, class_names, position, same_content, without_repeats
from expansion.data.records import SPLITS
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.tasks.task import TaskName

PART_VIDEOS = (4, 32)  # fewest and most videos in one part
PARTS = 64  # aim: enough to spread over workers and to lose little when stopped


@dataclass(frozen=True)
class Plan:
    """What an input comes to, before anything is decoded.

    Attributes:
        parts: the work, in the order of the records.
        classes: names; the index is the label.
        refused: rows of what is not even tried.
        notes: how the input was understood where it could have been understood otherwise; each one line.
        fingerprint: of the label files, the videos (path, bytes, time of change), the settings and the code's version.
    """

    parts: tuple[Part, ...]
    classes: tuple[str, ...]
    refused: tuple[VideoRow, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> TaskName:
        """What the labels are for."""
        return task_of(entry.segments for part in self.parts for entry in part.entries)

    @property
    def videos(self) -> int:
        return sum(len(part.entries) for part in self.parts)


def make_plan(settings: IngestSettings) -> Plan:
    """Lists, checks and splits the input.

    Raises:
        InputError: any error of use: see `sources` and `splits`; a label whose video does not exist.
    """
    listing = read_sources(settings)
    missing = [entry for entry in listing.entries if entry.missing]
    if missing and settings.missing == "error":
        near = listing.nearest(missing[0].source)
        raise InputError(f"label without a video: {shorten(entry.source for entry in missing)} not found under "
                         f"{settings.videos!r}" + (f"; {missing[0].source!r}: {near}" if near else ""))
    refused = [rejected_row(entry, "missing", "no such file") for entry in missing]
    entries, repeats = without_repeats(tuple(entry for entry in listing.entries if not entry.missing))
    entries, copies = same_content(entries, settings.copies == "keep")
    refused += [rejected_row(entry, "duplicate", detail) for entry, detail in repeats + copies]
    refused += [VideoRow(one.source, one.source, None, None, None, False, one.reason, one.detail) for one in listing.unused]
    if not entries:
        raise InputError(f"no labelled videos under {settings.videos!r}")
    entries, kept = assign(entries, settings)
    classes = list(listing.classes or class_names(entries))
    if not classes:
        raise InputError(f"no label for any video under {settings.videos!r}")
    stamps = {entry.source: _stamp(entry.path) for entry in entries}
    fingerprint = digest(
        RECORD_VERSION, settings.of_records(), classes, [_entry_identity(entry, stamps) for entry in entries],
        sorted((name, _stamp(os.path.join(settings.videos, name))) for name in _videos(listing)),
        [asdict(row) for row in refused], _label_bytes(listing),
    )  # fmt: skip
    parts = tuple(_parts(entries, classes, stamps, settings))
    return Plan(parts, tuple(classes), tuple(refused), fingerprint, (*listing.notes, *kept))


def _videos(listing: Listing) -> list[str]:
    """Videos that no label names."""
    return [one.source for one in listing.unused if one.reason == "no_label"]


def _stamp(path: str) -> list[int]:
    try:
        state = os.stat(path)
    except OSError:
        return [-1, -1]
    return [state.st_size, state.st_mtime_ns]


def _entry_identity(entry: Entry, stamps: dict) -> list:
    return [{key: value for key, value in asdict(entry).items() if key != "path"}, stamps[entry.source]]


def _label_bytes(listing: Listing) -> list[str]:
    """The label files' content: a changed file is a changed input, whatever it says."""
    return [files.read_bytes(path).decode("latin-1") for path in sorted(listing.label_files)]


def _label(entry: Entry, numbers: dict[str, int]) -> Label:
    """Of an entry, as Part has it."""
    if entry.segments is None:
        return numbers[entry.label_text]
    return {"classes": len(numbers), "segments": [numbers[segment.label] for segment in entry.segments]}


def _parts(entries: list[Entry], classes: list[str], stamps: dict, settings: IngestSettings) -> Iterator[Part]:
    label = {name: index for index, name in enumerate(classes)}
    size = max(PART_VIDEOS[0], min(PART_VIDEOS[1], len(entries) // PARTS))
    for split in SPLITS:
        order = sorted(
            (entry for entry in entries if entry.split == split),
            key=lambda entry: (position(settings.seed, "order", entry.video_id), entry.video_id),
        )
        for number, at in enumerate(range(0, len(order), size)):
            chosen = tuple(order[at : at + size])
            labels = tuple(_label(entry, label) for entry in chosen)
            key = digest(RECORD_VERSION, settings.of_records(), labels, [_entry_identity(entry, stamps) for entry in chosen])
            yield Part(f"{split}-{number:05d}-{key[:16]}", chosen, labels)
