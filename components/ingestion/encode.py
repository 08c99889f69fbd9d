"""One video to one serialised record: sampled frames as JPEG, the scalars beside them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from components.ingestion.entries import Entry, Label
from components.ingestion.settings import IngestSettings
from expansion.data import records
from expansion.data.example import example
from expansion.foundation.child_process import Died, Hung, Isolated
from expansion.tasks.segments import Segment
from expansion.video.decode import Rejected
from expansion.video.frames import store

_OF_SEVERAL = ("classes", "segments", "length")


@dataclass(frozen=True)
class VideoRow:
    """One line of videos.jsonl: a video of the input and what became of it.

    With several labels it has its classes, each once, its segments as the label file has them, and its length in seconds.
    """

    source: str
    video_id: str
    label: str | None
    split: str | None
    group: str | None
    accepted: bool
    reason: str | None = None
    detail: str | None = None
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    bytes: int = 0
    classes: list[str] | None = None
    segments: list[Segment] | None = None
    length: float | None = None

    def as_dict(self) -> dict:
        """As JSON; without what only videos with several labels have, where it has one."""
        return {name: value for name, value in asdict(self).items() if value is not None or name not in _OF_SEVERAL}


def rejected_row(entry: Entry, reason: str, detail: str) -> VideoRow:
    """The line of a labelled video that was not taken."""
    return VideoRow(entry.source, entry.video_id, entry.label_text, entry.split, entry.group, False, reason, detail,
                    **_of_several(entry, entry.length))


def _of_several(entry: Entry, length: float | None) -> dict:
    if entry.segments is None:
        return {}
    return {"classes": list(entry.classes), "segments": [list(segment) for segment in entry.segments], "length": length}


def encode(entry: Entry, label: Label, settings: IngestSettings) -> tuple[bytes | None, VideoRow]:
    """The record of one video, or None where it is rejected, and its line for videos.jsonl.

    Never raises for what a file holds, as far as libav can be trusted; `Encoder` does not trust it.
    """
    if entry.missing:
        return None, rejected_row(entry, "missing", "no such file")
    try:
        stored = store(entry.path, settings, entry.start, entry.end)
    except Rejected as reason:
        return None, rejected_row(entry, reason.code, reason.detail)
    length = len(stored.jpegs) / stored.fps if entry.length is None else entry.length
    features = {records.LABEL: label} if entry.segments is None else _segments(entry.segments, **label, length=length)
    record = example(
        {
            records.JPEG: stored.jpegs,
            **features,
            records.LABEL_TEXT: _bytes(entry.label_text),
            records.VIDEO_ID: _bytes(entry.video_id),
            records.GROUP: _bytes(entry.group or entry.video_id),
            records.FRAMES: len(stored.jpegs),
            records.FPS: stored.fps,
            records.HEIGHT: stored.height,
            records.WIDTH: stored.width,
            records.SOURCE: _bytes(entry.source),
        }
    )
    row = VideoRow(
        entry.source, entry.video_id, entry.label_text, entry.split, entry.group, True,
        frames=len(stored.jpegs), fps=round(stored.fps, 6), width=stored.width, height=stored.height, bytes=len(record),
        **_of_several(entry, round(length, 6)),
    )  # fmt: skip
    return record, row


def _segments(found: Sequence[Segment], segments: Sequence[int], classes: int, length: float) -> dict:
    """The features of several labels: which classes there are, and each segment with its times as they are written."""
    bounds = [(-records.FOREVER if start is None else _micros(start), records.FOREVER if end is None else _micros(end))
              for _, start, end in found]
    return {
        records.LABEL: [int(number in segments) for number in range(classes)],
        records.SEGMENT_LABELS: list(segments), records.SEGMENT_STARTS: [start for start, _ in bounds],
        records.SEGMENT_ENDS: [end for _, end in bounds], records.LENGTH: _micros(length)}


def _micros(seconds: float) -> int:
    return max(-records.FOREVER, min(records.FOREVER, round(seconds * records.MICROS)))


def answer(request: dict) -> tuple[dict, bytes]:
    """`encode` on the other side of `Isolated`: JSON in, the line and the record out."""
    entry = Entry(**request["entry"])
    if entry.segments is not None:
        entry = replace(entry, segments=tuple(Segment(*segment) for segment in entry.segments))
    record, row = encode(entry, request["label"], IngestSettings(**request["settings"]))
    return row.as_dict(), record or b""


class Encoder:
    """`encode` in a child process: a file on which libav hangs or crashes is rejected like any other that is bad."""

    def __init__(self, settings: IngestSettings, function: str = f"{__name__}:answer"):
        self._settings = settings.model_dump(mode="json")
        self._timeout = settings.timeout
        self._isolated = Isolated(function)

    def encode(self, entry: Entry, label: Label) -> tuple[bytes | None, VideoRow]:
        """As `encode`; reasons timeout and crashed besides."""
        request = {"entry": asdict(entry), "label": label, "settings": self._settings}
        for attempt in ("first", "last"):
            try:
                row, record = self._isolated.call(request, self._timeout)
                return record or None, VideoRow(**row)
            except Hung:
                return None, rejected_row(entry, "timeout", f"not decoded within {self._timeout:g} s")
            except Died as how:
                # Once more in a new process: the damage may have been done by the video before.
                if attempt == "last":
                    return None, rejected_row(entry, "crashed", f"the decoder's process failed twice: {how}")

    def close(self) -> None:
        self._isolated.close()


def _bytes(text: str) -> bytes:
    """UTF-8; bytes of a file name that are not UTF-8 become the replacement mark."""
    return os.fsencode(text).decode("utf-8", "replace").encode("utf-8")
