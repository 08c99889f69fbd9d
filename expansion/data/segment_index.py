"""The segments of a split's videos beside its index of frames, so that labels are read without their records.

Two more files a split in index/, rows of little-endian numbers in the order of the records; only data with several labels a
video have them:

    train.timing      TIMING: segments, frames per second, microseconds of the video
    train.segments    SEGMENT: label, start and end in microseconds

NumPy only: Beam's workers write it.
"""

from __future__ import annotations

import os

import numpy as np

from expansion.data import records
from expansion.data.example import find_features, values
from expansion.foundation import files, paths
from expansion.foundation.errors import InputError

TIMING = np.dtype([("segments", "<i4"), ("fps", "<f8"), ("length", "<i8")])
SEGMENT = np.dtype([("label", "<i4"), ("start", "<i8"), ("end", "<i8")])
ENDINGS = ".timing", ".segments"


def segment_paths(folder: str, split: str) -> tuple[str, str]:
    """The files of a split: timing, segments."""
    base = os.path.join(folder, records.INDEX, split)
    return tuple(base + ending for ending in ENDINGS)


def segments_of(record: bytes) -> tuple[np.ndarray, np.ndarray]:
    """A record's rows: TIMING (1,) and SEGMENT (segments,); none of either where it has one class.

    Raises:
        ValueError: not a record of this project.
    """
    found = find_features(record)
    if records.LENGTH not in found:
        return np.zeros(0, TIMING), np.zeros(0, SEGMENT)
    labels, starts, ends = (values(record, *found.get(name, (0, []))) for name in (
        records.SEGMENT_LABELS, records.SEGMENT_STARTS, records.SEGMENT_ENDS))
    (fps,), (length,) = values(record, *found[records.FPS]), values(record, *found[records.LENGTH])
    return (np.array([(len(labels), fps, length)], TIMING),
            np.array(list(zip(labels, starts, ends)), SEGMENT).reshape(len(labels)))


class SegmentIndex:
    """The segments of a split.

    Attributes:
        timing: TIMING rows, (videos,).
        segments: SEGMENT rows of all videos, one video after the other.
        first: row of each video's first segment, (videos,).
    """

    def __init__(self, timing: np.ndarray, segments: np.ndarray):
        self.timing, self.segments = timing, segments
        self.first = np.cumsum(timing["segments"], dtype=np.int64) - timing["segments"]

    @classmethod
    def open(cls, folder: str, split: str, videos: int) -> SegmentIndex:
        """The segments of a split with a number of videos.

        Raises:
            InputError: they are not there, or do not fit.
        """
        there = segment_paths(folder, split)
        if not all(map(files.exists, there)):
            raise InputError(f"{there[0]}: missing, so the labels have no times; ingest again")
        timing, segments = (np.fromfile(path, kind) for path, kind in zip(paths.local_copies(there), (TIMING, SEGMENT)))
        if len(timing) != videos or timing["segments"].sum() != len(segments):
            raise InputError(f"{there[0]}: not the segments of the records beside it; ingest again")
        return cls(timing, segments)
