"""What a task is. A search, an evaluation and a training ask it and need not know which one it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Task(Protocol):
    """What is learnt from a video.

    Attributes:
        name: in configurations.
        loss: name of the loss that trains it (training.losses has the losses).
        score: name of what a search maximises, a share of 1.
    """

    name: str
    loss: str
    score: str

    def encode(self, labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
        """The classes that the labels of videos name, sorted, and each video's label as it is stored, (videos,)."""

    def combine(self, sums: np.ndarray, views: np.ndarray) -> np.ndarray:
        """A video's probabilities, (videos, classes), from the sums over its views and their numbers, (videos,)."""

    def per_video(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What each video adds to the score, (videos,); its mean is the score, and two networks are paired by it."""

    def p_value(self, first: Sequence, second: Sequence) -> float:
        """Two-sided p that two networks differ only by chance, from what `per_video` says of each on the same videos."""

    def interval(self, score: float, videos: int) -> tuple[float, float]:
        """95 % confidence interval of a score over so many videos."""
