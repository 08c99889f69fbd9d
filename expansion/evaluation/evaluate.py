"""Evaluation of a network on a split, by the protocol of its task, streamed so that memory stays bounded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from expansion.data.dataset import VideoDataset
from expansion.data.videos import labelled_videos, labels_and_ids
from expansion.data.views import evaluation_views
from expansion.evaluation.networks import Network, keras_network
from expansion.evaluation.windows import at_points, of_views
from expansion.foundation.errors import InputError
from expansion.network.model import X3D
from expansion.recipe import ClipSettings
from expansion.tasks.localization import LOCALIZATION
from expansion.tasks.multi_label import MULTI_LABEL
from expansion.tasks.registry import learnable
from expansion.tasks.segments import labels_at, labels_of_video, point_times
from expansion.tasks.single_label import SINGLE_LABEL, Baseline
from expansion.tasks.task import Task

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What a model says of a split.

    Args:
        probabilities: (videos, classes), those of all views combined; of localization (videos, points, classes).
        labels: (videos,) of one class; of several (videos, classes) of bool, of localization (videos, points, classes).
        video_ids: one per video, in the same order.
        task: what was asked.
        lengths: seconds of each video, where the labels have times.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    video_ids: tuple[str, ...]
    task: Task = SINGLE_LABEL
    lengths: np.ndarray | None = None

    @classmethod
    def joined(cls, parts: Sequence[Evaluation]) -> Evaluation:
        """The evaluations of different videos by the same task as one."""
        if len(parts) == 1:
            return parts[0]
        lengths = None if parts[0].lengths is None else np.concatenate([part.lengths for part in parts])
        return cls(np.concatenate([part.probabilities for part in parts]), np.concatenate([part.labels for part in parts]),
                   tuple(name for part in parts for name in part.video_ids), parts[0].task, lengths)

    @functools.cached_property
    def metrics(self) -> dict[str, float]:
        """The figures of the task, the score first."""
        return self.task.metrics(self.probabilities, self.labels)

    @property
    def score(self) -> float:
        """What a search maximises: top-1, or mAP."""
        return self.metrics[self.task.score]

    @functools.cached_property
    def evidence(self) -> np.ndarray:
        """What two networks are paired by."""
        return self.task.evidence(self.probabilities, self.labels)

    def kept(self) -> dict[str, list]:
        """The answers to each video, as a trial keeps them."""
        return self.task.kept(self.probabilities, self.labels)

    # Of one class per video

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
        return self.metrics["loss"]

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
                     progress: Progress | None = None, protocol: str | None = None) -> Evaluation:
    """Evaluation of a network in any form on a split.

    One class per video is told by the mean over views, several by their maximum. Localization is scored at 25 points of each
    video, by windows of the trained length; a network that answers for clips slides over them if `protocol` says so.

    Args:
        settings: number of views and crops, and scale.
        batch: clips in a forward pass; None for as many as fit (Network.batch).
        progress: called with (videos begun, videos).
        protocol: of PROTOCOLS; None for that of the network's task.

    Raises:
        InputError: the split has no records, the classes are others than the network's, or the labels are for another task.
    """
    data.check_classes(network.classes, network.class_names)
    check_task(network, data)
    if protocol == "points" and LOCALIZATION not in learnable(data.manifest.task):
        raise InputError(f"{data.path}: its labels are for {data.manifest.task}; scores at points need labels with times")
    return PROTOCOLS[protocol or network.task.protocol](network, data, split, settings, batch, progress)


def _mean_of_views(network: Network, data: VideoDataset, split: str, settings: ClipSettings, batch: int | None,
                   progress: Progress | None) -> Evaluation:
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


def _maximum_of_views(network: Network, data: VideoDataset, split: str, settings: ClipSettings, batch: int | None,
                      progress: Progress | None) -> Evaluation:
    videos = labelled_videos(data, split)
    found = of_views(network, data, split, settings, videos, batch, progress)
    labels = np.array([labels_of_video(video.segments.numbers, network.classes) for video in videos])
    return Evaluation(found, labels, tuple(video.video_id for video in videos), MULTI_LABEL,
                      np.array([video.segments.length for video in videos]))


def _at_points(network: Network, data: VideoDataset, split: str, settings: ClipSettings, batch: int | None,
               progress: Progress | None) -> Evaluation:
    videos, task = labelled_videos(data, split), LOCALIZATION
    lengths = np.array([video.segments.length for video in videos])
    times = [point_times(length, task.points) for length in lengths]
    found = at_points(network, data, split, settings, videos, times, batch, progress)
    labels = np.array([labels_at(of_video, *video.segments[:3], network.classes) for video, of_video in zip(videos, times)])
    return Evaluation(found, labels, tuple(video.video_id for video in videos), task, lengths)


PROTOCOLS = {"mean of views": _mean_of_views, "views": _maximum_of_views, "points": _at_points}  # by Task.protocol


def check_task(network: Network, data: VideoDataset) -> None:
    """Compares the task of a network with what the labels of a data set are for.

    Raises:
        InputError: the network cannot be tried on them.
    """
    allowed = [task.name for task in learnable(data.manifest.task)]
    if network.task.name not in allowed:
        raise InputError(f"{data.path}: its labels are for {data.manifest.task}, but the network is for {network.task.name}; "
                         f"allowed are networks for {' and '.join(allowed)}")


def evaluate(model: X3D, data: VideoDataset, split: str = "val", settings: ClipSettings = ClipSettings(),
             batch: int | None = None) -> Evaluation:
    """Evaluation of a Keras model on a split, at the input size that the settings ask for.

    Args:
        settings: number of views and crops, and scale.
        batch: clips in a forward pass; None for as many as fit (Network.batch).
    """
    return evaluate_network(keras_network(model, settings.evaluation_size(model.spec.size)), data, split, settings, batch)
