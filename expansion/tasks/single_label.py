"""One label per video: top-1 accuracy, McNemar's test, Wilson's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959964  # two-sided 95 % of a normal distribution


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Two-sided exact p-value that two classifiers differ only by chance on the same videos (McNemar 1947).

    Raises:
        ValueError: the two were not tried on the same number of videos.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} videos cannot be paired")
    wins = sum(a and not b for a, b in zip(first, second))
    losses = sum(b and not a for a, b in zip(first, second))
    total, fewer = wins + losses, min(wins, losses)
    if total == 0 or wins == losses:
        return 1.0
    log_tail = [
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1) - total * math.log(2)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2 * math.fsum(math.exp(value) for value in log_tail))


def fewest_clear(level: float = 0.05) -> int:
    """Videos that one classifier alone must get right, and the other none, for McNemar's test to tell them apart."""
    return math.floor(1 - math.log2(level)) + 1


def wilson(right: float, videos: int) -> tuple[float, float]:
    """95 % confidence interval of a share, by Wilson's score (1927).

    Args:
        right: videos that were right; means over several trainings need not be whole.
        videos: videos in all, at least one.
    """
    share, square = right / videos, Z_95**2 / videos
    centre, reach = share + square / 2, math.sqrt(square * (share * (1 - share) + square / 4))
    return max(0.0, (centre - reach) / (1 + square)), min(1.0, (centre + reach) / (1 + square))


@dataclass(frozen=True)
class Baseline:
    """What an accuracy is to be compared with: what always naming the largest class reaches on the same videos.

    Args:
        accuracy: share of the videos that are named right.
        largest: number of the class with most videos.
        share: that class's share of the videos.
        balanced: mean over the classes of the share of a class's videos that are named right; classes without videos do not
            count.
        never: classes that have videos and that no video is named as.
    """

    accuracy: float
    largest: int
    share: float
    balanced: float
    never: tuple[int, ...]

    @classmethod
    def of(cls, confusion: Sequence[Sequence[int]]) -> Baseline:
        """From counts of videos, (label, prediction)."""
        counts = np.asarray(confusion)
        videos, named, right = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
        there = videos > 0
        return cls(accuracy=float(right.sum() / videos.sum()), largest=int(videos.argmax()),
                   share=float(videos.max() / videos.sum()), balanced=float((right[there] / videos[there]).mean()),
                   never=tuple(np.flatnonzero(there & (named == 0)).tolist()))

    @property
    def reached(self) -> bool:
        """Whether the accuracy is better than the largest class's share."""
        return self.accuracy > self.share


class SingleLabel:
    """The task of naming the one class of a video; see tasks.task.Task.

    The evidence of a network is which videos it has right.
    """

    name = "single-label"
    labels = "class"
    loss = "cross-entropy"
    activation = "softmax"
    answers = "clip"
    protocol = "mean of views"
    score = "accuracy"
    noun = "accuracy"
    full_noun = "top-1 accuracy"
    titles = {"accuracy": "top-1", "largest_class": "largest class", "balanced_accuracy": "mean over classes", "top5": "top-5",
              "loss": "loss"}
    test = "McNemar's exact test"

    def encode(self, labels: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
        """The classes, sorted, and the number of each video's class, (videos,)."""
        classes = tuple(sorted(set(labels)))
        numbers = {name: number for number, name in enumerate(classes)}
        return classes, np.array([numbers[label] for label in labels], int)

    def combine(self, sums: np.ndarray, views: np.ndarray) -> np.ndarray:
        """The mean over the views, (videos, classes), as in the paper (section 4.1), from their sums and numbers (videos,)."""
        return sums / views[:, None]

    def per_video(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Which videos have their label on top, (videos,) of bool."""
        return probabilities.argmax(axis=1) == labels

    def metrics(self, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """accuracy (top-1), what it is to be compared with (Baseline), top5, and loss: the mean negative log-likelihood of the
        labels in nats."""
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
        chosen = probabilities[np.arange(len(labels)), labels]
        counts = np.zeros((probabilities.shape[1],) * 2, int)
        np.add.at(counts, (labels, probabilities.argmax(axis=1)), 1)
        baseline = Baseline.of(counts)
        return {
            "accuracy": float(self.per_video(probabilities, labels).mean()),
            "top5": float((best == labels[:, None]).any(axis=1).mean()),
            "loss": float(-np.log(np.maximum(chosen, 1e-12)).mean()),
            "balanced_accuracy": baseline.balanced,
            "largest_class": baseline.share,
            "never_named": len(baseline.never),
        }

    def evidence(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Which videos are right, (videos,) of bool."""
        return self.per_video(probabilities, labels)

    def kept(self, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, list]:
        """Labels and predictions, by their numbers."""
        return {"labels": labels.tolist(), "predictions": probabilities.argmax(axis=1).tolist()}

    def score_of(self, evidence: np.ndarray) -> float:
        """Top-1 from the evidence of one training, or the mean over those of several, (trainings, videos)."""
        return float(np.mean(evidence, dtype=np.float64))

    def between(self, trainings: np.ndarray) -> tuple[float, float]:
        """Variances between trainings of one network, from their evidence (trainings, videos): of the score, and of a video."""
        return trainings.mean(axis=1).var(ddof=1), trainings.var(axis=0, ddof=1).mean()

    def p_value(self, first: Sequence[bool], second: Sequence[bool]) -> float:
        """McNemar's exact test."""
        return mcnemar(first, second)

    def variance(self, evidence: np.ndarray) -> float:
        """Sampling variance of a score, or of a difference of scores, from what each video adds to it."""
        evidence = np.asarray(evidence)
        return float(evidence.var(dtype=np.float64)) / max(1, len(evidence) - 1)

    def least_clear(self, evidence: Sequence[bool]) -> float | None:
        """The smallest difference of two networks that McNemar's test can tell, on these videos; None without videos."""
        return min(1.0, fewest_clear() / len(evidence)) if len(evidence) else None

    def interval(self, score: float, evidence: Sequence[bool]) -> tuple[float, float]:
        """Wilson's interval."""
        return wilson(score * len(evidence), len(evidence))


SINGLE_LABEL = SingleLabel()
