"""Charades' submission files: what Charades_v1_classify.m and Charades_v1_localize.m read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def classification_lines(video_ids: Sequence[str], scores: np.ndarray) -> Iterator[str]:
    """`id` and the scores of all classes, a line per video.

    Args:
        scores: (videos, classes).
    """
    for name, row in zip(video_ids, scores):
        yield " ".join([name, *_numbers(row)]) + "\n"


def localization_lines(video_ids: Sequence[str], scores: np.ndarray) -> Iterator[str]:
    """`id`, `framenumber` from 1, and the scores of all classes, a line per point.

    Args:
        scores: (videos, points, classes), at the official points.
    """
    for name, of_video in zip(video_ids, scores):
        for point, row in enumerate(of_video, start=1):
            yield " ".join([name, str(point), *_numbers(row)]) + "\n"


def _numbers(row: np.ndarray) -> list[str]:
    return [f"{value:.9g}" for value in row.tolist()]  # as many digits as tell two float32 apart


def read_submission(lines: Sequence[str], points: int = 0) -> tuple[list[str], np.ndarray]:
    """Video ids and scores of a submission, (videos, classes), or with points (videos, points, classes); a missing score is -inf.

    Args:
        lines: of the file.
        points: of a video; 0 for classification.
    """
    rows = [line.split() for line in lines if line.strip()]
    ids = list(dict.fromkeys(row[0] for row in rows))
    place = {name: number for number, name in enumerate(ids)}
    classes = max((len(row) for row in rows), default=1) - (2 if points else 1)
    found = np.full((len(ids), max(1, points), classes), -np.inf)
    first = 0 if points and any(row[1] == "0" for row in rows) else 1  # with a 0 anywhere, the script counts from 0
    for row in rows:
        point = int(row[1]) - first if points else 0
        found[place[row[0]], point] = [float(value) for value in row[2 if points else 1:]]
    return ids, found if points else found[:, 0]
