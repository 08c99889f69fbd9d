"""What a network's features are worth on other videos, before anything is trained: a linear classifier on them, in seconds.

Regularised least squares on one view a video, whose regularisation is chosen by the leave-one-out error, which has a closed
form (Rifkin and Lippert, "Notes on Regularized Least Squares", MIT CBCL 2007). Public features on few videos are often best
judged so (Kornblith et al., arXiv 1805.08974).
"""

from __future__ import annotations

import time

import keras
import numpy as np
import tensorflow as tf

from expansion.complexity import complexity, fitting_batch
from expansion.data.dataset import VideoDataset
from expansion.data.videos import labels_and_ids
from expansion.data.views import evaluation_views
from expansion.network.model import X3D
from expansion.recipe import ClipSettings
from expansion.search.probe import Probe

FEATURES = "head_linear"  # the layer before dropout and the last one
WORK = 1.5e12  # multiply-adds that the features may take: about half a minute of 2 CPU cores
LEAST = 20  # videos of a split, however large the network is
STRENGTHS = 10.0 ** np.arange(-6, 3)  # of the regularisation, as multiples of the features' mean square


def can_probe(data: VideoDataset) -> bool:
    """Whether a data set can be probed: the classifier names one class per video."""
    return data.task.labels == "class"


def linear_probe(model: X3D, data: VideoDataset, *, work: float = WORK) -> Probe:
    """Trains a linear classifier on what the network's last layer sees of the training videos, and tries it on validation's.

    Args:
        work: multiply-adds that both splits may take; where there are more videos, the first ones are taken, which ingestion
            has put in a random order. At least LEAST of each.

    Raises:
        InputError: a split has no records.
    """
    began = time.perf_counter()
    of_clip = complexity(model.spec, model.classes).macs
    counts = {split: data.videos(split) for split in ("train", "val")}
    share = min(1.0, work / (of_clip * sum(counts.values())))
    most = {split: min(count, max(LEAST, int(share * count))) for split, count in counts.items()}
    train, labels = features(model, data, "train", most["train"])
    val, expected = features(model, data, "val", most["val"])
    found = least_squares(train, labels, val, len(data.classes)).argmax(axis=1)
    return Probe(float((found == expected).mean()), float(np.bincount(expected).max() / len(expected)), len(labels),
                 len(expected), time.perf_counter() - began)


def features(model: X3D, data: VideoDataset, split: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    """What the last layer sees of the middle view of the first videos of a split, (videos, 2048), and labels (videos,)."""
    network = keras.Model(model.input, model.get_layer(FEATURES).output)

    @tf.function(autograph=False, reduce_retracing=True)
    def of_clips(clips):
        return network(clips, training=False)

    settings = ClipSettings(views=1)
    found: list[np.ndarray] = []
    for clips, _ in evaluation_views(data, split, model.spec, settings, fitting_batch(model.spec, model.size), model.size):
        found.append(of_clips(clips).numpy())
        if sum(map(len, found)) >= most:
            break
    labels, _ = labels_and_ids(data, split)
    return np.concatenate(found)[:most].astype(np.float64), np.asarray(labels[:most])


def least_squares(train: np.ndarray, labels: np.ndarray, others: np.ndarray, classes: int) -> np.ndarray:
    """Scores of other videos, (videos, classes), by regularised least squares on one-hot labels.

    Of STRENGTHS the one with the fewest leave-one-out errors is taken; of equals the strongest.
    """
    mean = train.mean(axis=0)
    train, others = train - mean, others - mean
    scale = np.sqrt(max((train**2).mean() * train.shape[1], 1e-12))
    train, others = train / scale, others / scale
    targets = np.eye(classes)[labels]
    offset = targets.mean(axis=0)
    values, vectors = np.linalg.eigh(train @ train.T)
    rotated = vectors.T @ (targets - offset)
    best, fewest = None, np.inf
    for strength in STRENGTHS[::-1] * len(labels):
        inverse = 1 / (np.maximum(values, 0) + strength)
        weights = vectors @ (inverse[:, None] * rotated)
        left_out = targets - weights / ((vectors**2) @ inverse)[:, None]  # the score without the video itself
        errors = (left_out.argmax(axis=1) != labels).sum()
        if errors < fewest:
            best, fewest = weights, errors
    return others @ (train.T @ best) + offset
