"""What a network says of video files: decoded as ingestion does, cut into views as evaluation does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from expansion.data.videos import Video
from expansion.data.views import ViewCutter
from expansion.evaluation.networks import Network, keras_network, open_network
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.network.model import X3D
from expansion.recipe import ClipSettings
from expansion.video.settings import VideoSettings


@dataclass(frozen=True)
class Prediction:
    """What a network says of one video.

    Args:
        video: path of the file.
        classes: their names; their numbers, as text, where the network does not carry names.
        probabilities: (classes,), the mean of the views.
        views: how many views the video had.
    """

    video: str
    classes: tuple[str, ...]
    probabilities: np.ndarray
    views: int

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.top(1)[0][0]

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes with their probabilities, most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.classes[index], float(self.probabilities[index])) for index in order]


def predict(model: X3D | Network | str | os.PathLike, videos: str | os.PathLike | Sequence[str | os.PathLike], *,
            views: int | None = None, crops: int | None = None, fps: float | None = None,
            short_side: int | None = None) -> Prediction | list[Prediction]:
    """The class probabilities of video files, averaged over clips spread along each.

    Args:
        model: a Keras model, a .keras file, a SavedModel's folder or a .tflite file.
        videos: a path, or several.
        views: clips a video; None for what the network carries, else 10.
        crops: 1 or 3 of each clip; None for what the network carries, else 1.
        fps: frames per second to look at, where the network was trained on videos ingested at a rate; None takes each
            video's own frames.
        short_side: pixels to decode at: that of the ingested frames. None for what the crops need.

    Returns:
        One prediction for a path, a list for several.

    Raises:
        InputError: a video or the model cannot be used; says why.
    """
    several = not isinstance(videos, (str, os.PathLike))
    found = list(predictions(model, videos if several else [videos], views=views, crops=crops, fps=fps,
                             short_side=short_side))
    return found if several else found[0]


def predictions(model, videos: Sequence[str | os.PathLike], *, views: int | None = None, crops: int | None = None,
                fps: float | None = None, short_side: int | None = None,
                clips: ClipSettings | None = None) -> Iterator[Prediction]:
    """As `predict`, one video after the other; `clips` is how the network's training cut its clips, if known."""
    network, settings = _network(model, clips, {"views": views, "crops": crops})
    needed = settings.model_copy(update={"crops": 3}).evaluation_size(network.spec.size)
    stored = parse_settings(VideoSettings, {"fps": fps, "short_side": short_side or max(needed, 16)}, "predict")
    for video in videos:
        yield _predict(network, os.fspath(video), settings, stored)


def _network(model, clips: ClipSettings | None, wanted: dict) -> tuple[Network, ClipSettings]:
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if isinstance(model, (str, os.PathLike)):
        settings = _changed(clips or ClipSettings(), wanted)
        network = open_network(model, settings)
        return network, _changed(clips or network.clips or ClipSettings(), wanted)
    settings = _changed(clips or getattr(model, "clips", None) or ClipSettings(), wanted)
    if isinstance(model, X3D):
        return keras_network(model, settings.evaluation_size(model.spec.size)), settings
    return model, settings


def _changed(settings: ClipSettings, wanted: dict) -> ClipSettings:
    return parse_settings(ClipSettings, settings.model_dump() | wanted, "predict")


def _predict(network: Network, path: str, settings: ClipSettings, stored: VideoSettings) -> Prediction:
    from expansion.video.decode import Rejected  # PyAV: an extra
    from expansion.video.frames import store

    try:
        frames = store(path, stored)
    except Rejected as reason:
        raise InputError(f"{path}: {reason.code}: {reason.detail}") from None
    video = Video(tf.constant(frames.jpegs), tf.constant(0), tf.constant(frames.height), tf.constant(frames.width),
                  tf.constant(path))
    cutter = ViewCutter(network.spec, settings, network.size, min(frames.height, frames.width))
    of_video, total, count = cutter.views(video), np.zeros(network.classes), 0
    most = network.batch()
    for number in range(int(cutter.chunks(of_video))):
        clips = cutter.chunk(video, of_video, number).numpy()
        for first in range(0, len(clips), most):
            found = network.predict(clips[first:first + most])
            total += found.sum(axis=0)
            count += len(found)
    names = network.class_names or tuple(str(index) for index in range(network.classes))
    return Prediction(path, tuple(names), total / count, count)
