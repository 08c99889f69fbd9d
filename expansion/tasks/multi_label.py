"""Several labels per video: a sigmoid of each class, the largest over the views, mAP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expansion.tasks.ranked import Ranked


class MultiLabel(Ranked):
    """The task of naming all that a video shows; see tasks.task.Task.

    In training a clip has the labels that hold at some time of it, in evaluation those that the video has at any time.
    """

    name = "multi-label"
    labels = "clip"
    loss = "binary-cross-entropy"
    answers = "clip"
    protocol = "views"

    def encode(self, labels: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], np.ndarray]:
        """The classes, sorted, and which of them each video has, (videos, classes) of bool."""
        classes = tuple(sorted({name for names in labels for name in names}))
        found = np.array([[name in names for name in classes] for names in labels], bool)
        return classes, found.reshape(len(labels), len(classes))

    def ranked(self, probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of videos with a label: Charades' script (as PySlowFast) leaves the others out, or ranks them last, the same."""
        labelled = labels.any(axis=-1)
        return (probabilities[labelled], labels[labelled]) if labelled.any() else (probabilities, labels)

    def combine(self, views: np.ndarray) -> np.ndarray:
        """The largest of each class over the views, (classes,), from (views, classes), as in the X3D paper (appendix A.2).

        There is no sum and no mean to choose: in PySlowFast its default, a sum, turns all scores into the same number.
        """
        return np.asarray(views).max(axis=0)


MULTI_LABEL = MultiLabel()
