"""Temporal localization: which classes hold at each time of a video, scored at Charades' 25 points."""

from __future__ import annotations

from expansion.tasks.multi_label import MultiLabel
from expansion.tasks.segments import POINTS


class Localization(MultiLabel):
    """The task of telling what holds when; see tasks.task.Task. Scores and labels are (videos, points, classes).

    mAP is Charades' per-frame mAP: each class is one ranking of all points of all videos.
    """

    name = "localization"
    labels = "frames"
    loss = "frames-and-maximum"
    answers = "frames"
    protocol = "points"
    points = POINTS


LOCALIZATION = Localization()
