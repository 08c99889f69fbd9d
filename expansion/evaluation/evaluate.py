"""Multi-view evaluation: softmax averaged over the views of a video, streamed so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from expansion.data.dataset import VideoDataset
from expansion.data.videos import labels_and_ids
from expansion.data.views import evaluation_views
from expansion.evaluation.networks import Network, keras_network
from expansion.foundation.errors import InputError
from expansion.network.model import X3D
from expansion.recipe import ClipSettings
from expansion.tasks.single_label import SINGLE_LABEL, Baseline


@dataclass(frozen=True)
class Evaluation:
    """What a model says of a split.

    Args:
        probabilities: (videos, classes), the mean of the views.
        labels: (videos,).
        video_ids: one a video, in the same order.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    video_ids: tuple[str, ...]

    @property
    def predictions(self) -> np.ndarray:
        """The most probable class of each video, (videos,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def correct(self) -> np.ndarray:
        """Which videos have their label on top, (videos,)."""
        return SINGLE_LABEL.per_video(self.probabilities, self.labels)

    @property
    def accuracy(self) -> float:
        return float(self.correct.mean())

    def top(self, k: int) -> float:
        """Share of the videos with their label among the k most probable classes."""
        k = min(k, self.probabilities.shape[1])
        best = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return float((best == self.labels[:, None]).any(axis=1).mean())

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of the labels, in nats."""
        chosen = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    def baseline(self) -> Baseline:
        """What the accuracy is to be compared with."""
        return Baseline.of(self.confusion())

    def confusion(self) -> np.ndarray:
        """Counts, (label, prediction)."""
        classes = self.probabilities.shape[1]
        counts = np.zeros((classes, classes), int)
        np.add.at(counts, (self.labels, self.predictions), 1)
        return counts


def evaluate_network(network: Network, data: VideoDataset, split: str = "val",
                     settings: ClipSettings = ClipSettings(), batch: int | None = None,
                     progress: Callable[[int, int], None] | None = None) -> Evaluation:
    """Multi-view evaluation of a network in any form on a split.

    Args:
        settings: number of views and crops, and scale.
        batch: clips in a forward pass; None for as many as fit (Network.batch).
        progress: called with (videos begun, videos).

    Raises:
        InputError: the split has no records, or the classes are others than the network's.
    """
    data.check_classes(network.classes, network.class_names)
    labels, video_ids = labels_and_ids(data, split)
    if any(not 0 <= label < network.classes for label in labels):
        raise InputError(f"{data.path}: a label of split {split!r} is outside the {network.classes} classes")
    sums = np.zeros((len(labels), network.classes))
    views = np.zeros(len(labels))
    for clips, numbers in evaluation_views(data, split, network.spec, settings, network.batch(batch), network.size):
        numbers = numbers.numpy()
        np.add.at(sums, numbers, network.predict(clips))
        np.add.at(views, numbers, 1)
        if progress:
            progress(int(numbers[-1]) + 1, len(labels))
    return Evaluation(SINGLE_LABEL.combine(sums, views), np.asarray(labels), tuple(video_ids))


def evaluate(model: X3D, data: VideoDataset, split: str = "val", settings: ClipSettings = ClipSettings(),
             batch: int | None = None) -> Evaluation:
    """Multi-view evaluation of a Keras model on a split, at the input size that the settings ask for.

    Args:
        settings: number of views and crops, and scale.
        batch: clips in a forward pass; None for as many as fit (Network.batch).
    """
    return evaluate_network(keras_network(model, settings.evaluation_size(model.spec.size)), data, split, settings, batch)
