"""Temporal localization: which classes hold at each time of a video, scored at Charades' 25 points."""

from __future__ import annotations

import numpy as np

from expansion.tasks.ranked import Ranked
from expansion.tasks.segments import POINTS


class Localization(Ranked):
    """The task of telling what holds when; see tasks.task.Task. Scores and labels are (videos, points, classes).

    mAP is Charades' per-frame mAP: each class is one ranking of all points of all videos, also of those without a label.
    """

    name = "localization"
    labels = "frames"
    loss = "frames-and-maximum"
    answers = "frames"
    protocol = "points"
    points = POINTS

    def combine(self, views: np.ndarray) -> np.ndarray:
        """The largest of each class over windows or crops, (classes,), from (windows, classes)."""
        return np.asarray(views).max(axis=0)


LOCALIZATION = Localization()
