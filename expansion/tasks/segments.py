"""Labelled stretches of a video, and what holds at a time: one rule for training, evaluation and the official points.

A label that names no times holds for the whole video. A segment is kept as it is written: it may end after the video or begin
after its end. `count_oddities` says how many do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

POINTS = 25  # times of a video at which Charades' localization is scored


class Segment(NamedTuple):
    """A label and the seconds from which and to which it holds, both included; None, None for the whole video."""

    label: str
    start: float | None = None
    end: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """Start and end in seconds; infinite where it names none."""
        return (-np.inf if self.start is None else self.start, np.inf if self.end is None else self.end)


def point_times(length: float, points: int = POINTS) -> np.ndarray:
    """The times that Charades_v1_localize.m scores: (j / points) * length for j = 0 ... points - 1, in seconds, (points,).

    The order of operations is the script's: another one moves times by a rounding, and with them labels that begin there.
    """
    return np.arange(points) / points * length


def labels_at(times, numbers, starts, ends, classes: int) -> np.ndarray:
    """Which classes hold at times, (times, classes) of bool: start <= time <= end, as Charades_v1_localize.m has it.

    Args:
        times: seconds, (times,).
        numbers, starts, ends: class, and bounds in seconds, of each segment, (segments,).
        classes: their number.
    """
    times, numbers = np.asarray(times, float), np.asarray(numbers, int)
    found = np.zeros((len(times), classes), bool)
    holds = (np.asarray(starts, float) <= times[:, None]) & (times[:, None] <= np.asarray(ends, float))
    for number, column in zip(numbers, holds.T):
        found[:, number] |= column
    return found


def labels_of_video(numbers, classes: int) -> np.ndarray:
    """Which classes a video has at any time, (classes,) of bool, also those that hold outside of its length."""
    found = np.zeros(classes, bool)
    found[np.asarray(numbers, int)] = True
    return found


@dataclass(frozen=True)
class LabelFacts:
    """What the segments of videos come to. Nothing of it is an error, and all of it is kept.

    Args:
        videos, segments: their numbers.
        videos_without_labels: videos with no segment.
        end_after_video: segments that end after their video's length.
        start_not_before_end: segments whose start is not before their end.
        start_after_video: segments that start after the end of their video.
    """

    videos: int = 0
    segments: int = 0
    videos_without_labels: int = 0
    end_after_video: int = 0
    start_not_before_end: int = 0
    start_after_video: int = 0

    def __add__(self, other: LabelFacts) -> LabelFacts:
        return LabelFacts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def count_oddities(videos: Iterable[tuple[Sequence[Segment], float]]) -> LabelFacts:
    """The facts of videos, each given by its segments and its length in seconds."""
    total = LabelFacts()
    for segments, length in videos:
        timed = [segment for segment in segments if segment.start is not None and segment.end is not None]
        total += LabelFacts(
            1, len(segments), int(not segments), sum(segment.end > length for segment in timed),
            sum(segment.start >= segment.end for segment in timed), sum(segment.start > length for segment in timed))
    return total


def count_positives(videos: Iterable[tuple[Sequence[Segment], float]], points: int = POINTS) -> int:
    """How many (video, point, class) are positive at the official points; a class that is listed twice counts once.

    The official annotations give 175,341 in test and 530,129 in train.
    """
    total = 0
    for segments, length in videos:
        classes = sorted({segment.label for segment in segments})
        bounds = [segment.bounds for segment in segments]
        if segments:
            numbers = [classes.index(segment.label) for segment in segments]
            starts, ends = zip(*bounds)
            total += int(labels_at(point_times(length, points), numbers, starts, ends, len(classes)).sum())
    return total
