"""What multi-label and temporal localization share: sigmoids, mAP, and a paired bootstrap over videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expansion.tasks import average_precision

LOW, HIGH = 0.025, 0.975  # of a 95 % interval
SMALL = 1e-12  # least probability whose logarithm is taken


class Ranked:
    """A task whose classes do not exclude each other, so that each is a ranking of its own; see tasks.task.Task.

    The evidence of a network is its mAP on all videos, then on REPLICATES sets of resampled ones, the same sets for every
    network.
    """

    activation = "sigmoid"
    score = "map"
    noun = "mAP"
    full_noun = "mAP"
    titles = {"map": "mAP", "map_sklearn": "mAP (sklearn)", "wap": "wAP", "loss": "loss"}
    test = "a paired bootstrap over videos"

    def ranked(self, probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The answers and labels that average precision is taken of."""
        return probabilities, labels

    def metrics(self, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """map (official), map_sklearn, wap, and loss: the mean binary cross-entropy in nats."""
        right = np.where(labels.astype(bool), probabilities, 1 - probabilities)
        probabilities, labels = self.ranked(probabilities, labels)
        per_class = average_precision.of_classes(probabilities, labels)
        merged = average_precision.of_classes(probabilities, labels, average_precision.merged)
        return {
            "map": average_precision.mean_of_classes(per_class),
            "map_sklearn": average_precision.mean_of_classes(merged),
            "wap": average_precision.weighted_mean(per_class, labels),
            "loss": float(-np.log(np.maximum(right, SMALL)).mean()),
        }

    def evidence(self, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """mAP on all videos, then on resampled ones, (1 + replicates,)."""
        probabilities, labels = self.ranked(probabilities, labels)
        found = average_precision.resampled(probabilities, labels)
        known = ~np.isnan(found)
        means = np.where(known, found, 0.0).sum(1) / np.maximum(1, known.sum(1))
        score = average_precision.mean_of_classes(average_precision.of_classes(probabilities, labels))
        return np.concatenate([[score], np.round(means, 7)])

    def kept(self, probabilities: np.ndarray, labels: np.ndarray) -> dict[str, list]:
        """Average precision of each class; the answers themselves would be as large as the data."""
        found = average_precision.of_classes(*self.ranked(probabilities, labels))
        return {"average_precision": [None if np.isnan(value) else float(value) for value in found]}

    def score_of(self, evidence: np.ndarray) -> float:
        """The score from the evidence of one training, or the mean over those of several, (trainings, 1 + replicates)."""
        return float(np.asarray(evidence, float)[..., 0].mean())

    def between(self, trainings: np.ndarray) -> tuple[float, float]:
        """Variances between trainings of one network, from their evidence: of the score, and what resampling adds of it.

        The second is as large as the evidence is long, as if each number in it were of a video; see search.variance.
        """
        deviations = trainings - trainings.mean(axis=0)
        resampled = sum(self.variance(deviation) for deviation in deviations) / (len(trainings) - 1)
        return trainings[:, 0].var(ddof=1), trainings.shape[1] * resampled

    def p_value(self, first: Sequence[float], second: Sequence[float]) -> float:
        """Two-sided p of a paired bootstrap: twice the share of replicates in which the one ahead is not.

        Raises:
            ValueError: the two are not of the same replicates.
        """
        if len(first) != len(second):
            raise ValueError(f"{len(first)} and {len(second)} replicates cannot be paired")
        differences = np.asarray(first, float)[1:] - np.asarray(second, float)[1:]
        below, above = int((differences <= 0).sum()), int((differences >= 0).sum())
        return min(1.0, 2 * (1 + min(below, above)) / (1 + len(differences)))

    def variance(self, evidence: np.ndarray) -> float:
        """Sampling variance of a score, or of a difference of scores, by its evidence: that over the replicates."""
        return float(np.var(np.asarray(evidence, np.float64)[1:]))

    def least_clear(self, evidence: Sequence[float]) -> float | None:
        """None: of a ranking there is no smallest difference."""
        return None

    def interval(self, score: float, evidence: Sequence[float]) -> tuple[float, float]:
        """95 % interval of a score: the replicates' quantiles about their mean, moved to the score."""
        return _about(score, np.asarray(evidence, float)[1:])

    def per_class(self, probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> list[dict]:
        """Of each class: positives, average precision by both definitions, and the official one's 95 % interval."""
        probabilities, labels = self.ranked(probabilities, labels)
        found = average_precision.of_classes(probabilities, labels)
        merged = average_precision.of_classes(probabilities, labels, average_precision.merged)
        spread = average_precision.resampled(probabilities, labels)
        positives = labels.reshape(-1, labels.shape[-1]).sum(0)
        rows = []
        for number, name in enumerate(classes):
            known = spread[~np.isnan(spread[:, number]), number]
            interval = _about(found[number], known) if len(known) else (None, None)
            absent = np.isnan(found[number])
            rows.append({
                "class": name, "positives": int(positives[number]),
                "ap": None if absent else float(found[number]), "ap_sklearn": None if absent else float(merged[number]),
                "low": interval[0], "high": interval[1]})
        return rows


def _about(score: float, replicates: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(replicates, [LOW, HIGH]) - replicates.mean()
    return max(0.0, score + float(low)), min(1.0, score + float(high))
