"""Average precision, in the two definitions that are in use, and how far it is known from so many videos.

`official` is Charades' own (Charades_v1_classify.m and _localize.m): a stable sort, one precision at each positive, no merging
of ties. `merged` is scikit-learn's average_precision_score: equal scores are one threshold. Neither interpolates.
"""

from __future__ import annotations

import numpy as np

REPLICATES = 500  # resampled sets of videos
CHUNK = 1 << 22  # numbers of a block of replicates


def _ranked(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels by falling score, equal scores in their order, and the place of each, from 1."""
    order = np.argsort(-np.asarray(scores, float), kind="stable")
    return np.asarray(labels, bool)[order], np.arange(1, len(order) + 1)


def official(scores, labels) -> float:
    """Average precision of a class by Charades' scripts; NaN without positives. A missing score is -inf."""
    hits, places = _ranked(scores, labels)
    return float((np.cumsum(hits) / places)[hits].mean()) if hits.any() else float("nan")


def merged(scores, labels) -> float:
    """scikit-learn's average_precision_score: sum of (recall gained) * precision over distinct scores; NaN without positives."""
    hits, places = _ranked(scores, labels)
    if not hits.any():
        return float("nan")
    falling = -np.sort(-np.asarray(scores, float), kind="stable")
    last = np.append(falling[1:] != falling[:-1], True)  # of the rows of a score
    found = np.cumsum(hits)[last]
    return float((np.diff(found, prepend=0) * found / places[last]).sum() / hits.sum())


def of_classes(scores: np.ndarray, labels: np.ndarray, definition=official) -> np.ndarray:
    """Average precision of each class, (classes,), from scores and labels (..., classes); NaN without positives."""
    classes = scores.shape[-1]
    rows, truth = scores.reshape(-1, classes), labels.reshape(-1, classes)
    return np.array([definition(rows[:, number], truth[:, number]) for number in range(classes)])


def mean_of_classes(per_class: np.ndarray) -> float:
    """mAP: the mean over the classes that have positives; NaN where none has."""
    known = per_class[~np.isnan(per_class)]
    return float(known.mean()) if len(known) else float("nan")


def weighted_mean(per_class: np.ndarray, labels: np.ndarray) -> float:
    """wAP of Charades' scripts: each class weighs as much as it has positives."""
    positives = labels.reshape(-1, labels.shape[-1]).sum(0)
    known = positives > 0
    return float((per_class[known] * positives[known]).sum() / positives[known].sum()) if known.any() else float("nan")


def resampled(scores: np.ndarray, labels: np.ndarray, replicates: int = REPLICATES) -> np.ndarray:
    """Average precision of each class on sets of videos drawn with replacement, (replicates, classes).

    The draws depend on the number of videos alone, so two networks that were tried on the same videos are paired: subtract one
    result from the other. All rows of a video are drawn together. A video that is drawn twice counts as a tie.

    Args:
        scores, labels: (videos, classes) or (videos, points, classes).
    """
    videos, classes = len(scores), scores.shape[-1]
    drawn = np.random.default_rng(0).multinomial(videos, np.full(videos, 1 / videos), replicates).astype(np.float32)
    rows = int(np.prod(scores.shape[1:-1], dtype=int))
    owner = np.repeat(np.arange(videos), rows)
    flat, truth = scores.reshape(-1, classes), labels.reshape(-1, classes).astype(bool)
    found = np.full((replicates, classes), np.nan)
    for number in range(classes):
        hits, _ = _ranked(flat[:, number], truth[:, number])
        if not hits.any():
            continue
        order = owner[np.argsort(-flat[:, number].astype(float), kind="stable")]
        last = int(np.flatnonzero(hits)[-1]) + 1  # what is ranked below the last positive has no part in it
        step = max(1, CHUNK // last)
        for first in range(0, replicates, step):
            weights = drawn[first:first + step, order[:last]]
            seen = np.cumsum(weights, axis=1, dtype=np.float64)[:, hits[:last]]
            weights = weights[:, hits[:last]]
            right = np.cumsum(weights, axis=1, dtype=np.float64)
            with np.errstate(invalid="ignore", divide="ignore"):
                precision = np.where(seen > 0, right / seen, 0.0)
                found[first:first + step, number] = (weights * precision).sum(1) / right[:, -1]
    return found
