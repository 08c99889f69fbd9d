"""What a task is. A search, an evaluation and a training ask it and need not know which one it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import numpy as np

TaskName = Literal["single-label", "multi-label", "localization"]


class Task(Protocol):
    """What is learnt from a video. Its words name what other packages hold, so that none asks which task it is.

    Attributes:
        name: in configurations, manifests and stored networks.
        labels: what the label of a training clip is (data.labels): "class", "clip" or "frames".
        loss: what trains it (training.losses).
        activation: what makes probabilities of logits (network.head): "softmax" or "sigmoid".
        answers: what a network has logits for (network.head): its "clip", or each of its "frames".
        protocol: how a split is evaluated (evaluation.evaluate): "mean of views", "views" or "points".
        score: name of what a search maximises, a share of 1; the first of the metrics.
        noun, full_noun: the score in a sentence, and where it is named for the first time.
        titles: metric -> how people call it, of those that tables show, in their order; the score first.
        test: name of the paired test.
    """

    name: TaskName
    labels: str
    loss: str
    activation: str
    answers: str
    protocol: str
    score: str
    noun: str
    full_noun: str
    titles: Mapping[str, str]
    test: str

    def metrics(self, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The figures of a network on the videos of a split, the score first; all are shares of 1 but the loss."""

    def evidence(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What two networks are paired by, and a score is known by, from the answers to the videos of a split."""

    def kept(self, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, list]:
        """The answers to each video in the shortest form that figures are made from again, as JSON."""

    def score_of(self, evidence: np.ndarray) -> float:
        """The score from the evidence of one training, or the mean over several, whose evidence is stacked."""

    def p_value(self, first: Sequence, second: Sequence) -> float:
        """Two-sided p that two networks differ only by chance, from the evidence of each on the same videos."""

    def variance(self, evidence: np.ndarray) -> float:
        """Sampling variance of a score, or of a sum of weighted scores, by the evidence or its weighted sum."""

    def between(self, trainings: np.ndarray) -> tuple[float, float]:
        """Variances between trainings of one network, from their evidence (trainings, n): of the score, and n times what of
        `variance` comes from single trainings; search.variance takes it off, so that it does not count twice."""

    def least_clear(self, evidence: Sequence) -> float | None:
        """The smallest difference of two scores that can be told from chance at all; None where there is none."""

    def interval(self, score: float, evidence: Sequence) -> tuple[float, float]:
        """95 % confidence interval of a score."""
