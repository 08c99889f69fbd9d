"""One video to one serialised record: sampled frames as JPEG, the scalars beside them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass

from components.ingestion.entries import Entry
from components.ingestion.settings import IngestSettings
from expansion.data import records
from expansion.data.example import example
from expansion.foundation.child_process import Died, Hung, Isolated
from expansion.video.decode import Rejected
from expansion.video.frames import store


@dataclass(frozen=True)
class VideoRow:
    """One line of videos.jsonl: a video of the input and what became of it."""

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

    def as_dict(self) -> dict:
        return asdict(self)


def rejected_row(entry: Entry, reason: str, detail: str) -> VideoRow:
    """The line of a labelled video that was not taken."""
    return VideoRow(entry.source, entry.video_id, entry.label_text, entry.split, entry.group, False, reason, detail)


def encode(entry: Entry, label: int, settings: IngestSettings) -> tuple[bytes | None, VideoRow]:
    """The record of one video, or None where it is rejected, and its line for videos.jsonl.

    Never raises for what a file holds, as far as libav can be trusted; `Encoder` does not trust it.
    """
    if entry.missing:
        return None, rejected_row(entry, "missing", "no such file")
    try:
        stored = store(entry.path, settings, entry.start, entry.end)
    except Rejected as reason:
        return None, rejected_row(entry, reason.code, reason.detail)
    record = example(
        {
            records.JPEG: stored.jpegs,
            records.LABEL: label,
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
    )  # fmt: skip
    return record, row


def answer(request: dict) -> tuple[dict, bytes]:
    """`encode` on the other side of `Isolated`: JSON in, the line and the record out."""
    record, row = encode(Entry(**request["entry"]), request["label"], IngestSettings(**request["settings"]))
    return row.as_dict(), record or b""


class Encoder:
    """`encode` in a child process: a file on which libav hangs or crashes is rejected like any other that is bad."""

    def __init__(self, settings: IngestSettings, function: str = f"{__name__}:answer"):
        self._settings = settings.model_dump(mode="json")
        self._timeout = settings.timeout
        self._isolated = Isolated(function)

    def encode(self, entry: Entry, label: int) -> tuple[bytes | None, VideoRow]:
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
