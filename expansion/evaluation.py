"""K-view evaluation: softmax averaged over the views of a video, streamed so that memory stays bounded."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from expansion.clips import evaluation_views, labels_and_ids
from expansion.dataset import VideoDataset
from expansion.model import X3D
from expansion.recipe import ClipSettings


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
        return self.predictions == self.labels

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

    def confusion(self) -> np.ndarray:
        """Counts, (label, prediction)."""
        classes = self.probabilities.shape[1]
        counts = np.zeros((classes, classes), int)
        np.add.at(counts, (self.labels, self.predictions), 1)
        return counts


class Evaluator:
    """Evaluates one model; the compiled forward pass is kept between calls."""

    def __init__(self, model: X3D):
        self.model = model
        shape = (None, *model.input_shape[1:])

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)], autograph=False)
        def forward(clips):
            return tf.nn.softmax(model(clips, training=False))

        self._forward = forward

    def __call__(self, data: VideoDataset, split: str, settings: ClipSettings, batch: int = 32) -> Evaluation:
        labels, video_ids = labels_and_ids(data, split)
        sums = np.zeros((len(labels), self.model.classes))
        views = np.zeros(len(labels))
        for clips, numbers in evaluation_views(data, split, self.model.spec, settings, batch):
            numbers = numbers.numpy()
            np.add.at(sums, numbers, self._forward(clips).numpy())
            np.add.at(views, numbers, 1)
        return Evaluation(sums / views[:, None], np.asarray(labels), tuple(video_ids))

    def latency(self, calls: int = 11, at_most: float = 2.0) -> float:
        """Median seconds of a forward pass of one clip, after two to warm up, in about `at_most` seconds."""
        clip = tf.zeros((1, *self.model.input_shape[1:]), tf.uint8)
        seconds: list[float] = []
        for _ in range(2 + calls):
            began = time.perf_counter()
            self._forward(clip).numpy()
            seconds.append(time.perf_counter() - began)
            if len(seconds) > 3 and sum(seconds) > at_most:
                break
        return statistics.median(seconds[2:])


def evaluate(model: keras.Model, data: VideoDataset, split: str = "val",
             settings: ClipSettings = ClipSettings(), batch: int = 32) -> Evaluation:
    """K-view evaluation of a model on a split.

    Args:
        model: an X3D model.
        settings: number of views and scale.
        batch: clips in a forward pass.
    """
    return Evaluator(model)(data, split, settings, batch)
