"""What a network says of video files: decoded as ingestion does, cut into views as evaluation does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from expansion.data.videos import Video
from expansion.data.views import ViewCutter, view_frames
from expansion.evaluation.networks import Network, network_for
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.network.model import X3D
from expansion.network.preprocessing import UNKNOWN, Preprocessing
from expansion.recipe import ClipSettings
from expansion.video.reasons import Rejected
from expansion.video.settings import VideoSettings


@dataclass(frozen=True)
class Prediction:
    """What a network says of one video.

    Args:
        video: path of the file.
        classes: their names; their numbers, as text, where the network does not carry names.
        probabilities: (classes,), the mean of the views, or with several labels their largest; zeros where there is no answer.
        views: how many views the video had.
        fps: frames per second that were looked at; None where there is no answer.
        error: why there is no answer; None where there is one.
    """

    video: str
    classes: tuple[str, ...]
    probabilities: np.ndarray
    views: int
    fps: float | None = None
    error: str | None = None

    @property
    def label(self) -> str | None:
        """The most probable class; None where there is no answer."""
        return self.top(1)[0][0] if self.error is None else None

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes with their probabilities, most probable first; none where there is no answer."""
        order = np.argsort(-self.probabilities, kind="stable")[:k if self.error is None else 0]
        return [(self.classes[index], float(self.probabilities[index])) for index in order]


def predict(model: X3D | Network | str | os.PathLike, videos: str | os.PathLike | Sequence[str | os.PathLike], *,
            views: int | None = None, crops: int | None = None, fps: float | None = None,
            short_side: int | None = None) -> Prediction | list[Prediction]:
    """The class probabilities of video files, by clips spread along each: their mean, or with several labels the largest.

    A network knows how the videos of its training were decoded (X3D.preprocessing), and looks at others in the same way:
    at the frame rate and the size of the records, and at as much of a video.

    Args:
        model: a Keras model, a .keras file, a SavedModel's folder or a .tflite file.
        videos: a path of a video or of a folder of videos, or several such.
        views: clips a video; None for what the network carries, else 10.
        crops: 1 or 3 of each clip; None for what the network carries, else 1.
        fps: frames per second to look at; None for those of the training, else each video's own.
        short_side: pixels to decode at; None for those of the training, else what the crops need.

    Returns:
        One prediction for the path of a video, a list for several or for a folder. In a list, a video that cannot be used
        has a prediction without an answer that says why (Prediction.error); the others have theirs. A folder is searched
        with all below it, and what is no video there is left out.

    Raises:
        InputError: the model or the only video cannot be used, or a folder holds no video; says why.
    """
    several = not isinstance(videos, (str, os.PathLike))
    paths = [path for one in (videos if several else [videos]) for path in video_paths(os.fspath(one))[0]]
    found = list(predictions(model, paths, views=views, crops=crops, fps=fps, short_side=short_side))
    if several or paths != [os.fspath(videos)]:
        return found
    if found[0].error:
        raise InputError(f"{found[0].video}: {found[0].error}")
    return found[0]


def video_paths(path: str) -> tuple[list[str], list[str]]:
    """The videos that a path stands for, and files that are none: of a folder those in and below it, sorted.

    Hidden files and folders are passed over. A folder without a video stands for itself, which has no answer.
    """
    if not os.path.isdir(path):
        return [path], []
    from expansion.video.found import is_video  # PyAV: an extra

    videos, others = [], []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            one = os.path.join(folder, name)
            (videos if is_video(one) else others).append(one)
    return videos or [path], others


def predictions(model, videos: Sequence[str | os.PathLike], *, views: int | None = None, crops: int | None = None,
                fps: float | None = None, short_side: int | None = None,
                otherwise: Preprocessing = UNKNOWN) -> Iterator[Prediction]:
    """As `predict`, one video after the other, with or without an answer.

    Args:
        otherwise: how videos are decoded and cut where the network does not say.
    """
    wanted = {name: value for name, value in {"views": views, "crops": crops}.items() if value is not None}
    network, clips = network_for(model, wanted, otherwise)
    video = decoding(network, clips, otherwise, fps, short_side)
    for path in videos:
        yield _predict(network, os.fspath(path), clips, video)


def decoding(network: Network, clips: ClipSettings, otherwise: Preprocessing = UNKNOWN, fps: float | None = None,
             short_side: int | None = None) -> VideoSettings:
    """How videos are decoded for a network: as in its training, at another rate or size where one is given.

    Raises:
        InputError: a rate or size that is not allowed.
    """
    known = network.preprocessing.otherwise(otherwise).video
    enough = clips.model_copy(update={"crops": 3}).evaluation_size(network.spec.size)
    values = known.model_dump() if known else {"short_side": max(enough, 16)}
    given = {name: value for name, value in {"fps": fps, "short_side": short_side}.items() if value is not None}
    return parse_settings(VideoSettings, values | given, "predict")


def _sum(total: np.ndarray, found: np.ndarray) -> np.ndarray:
    return total + found.sum(axis=0)


def _largest(total: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.maximum(total, found.max(axis=0))


# How the answers to the views of a video become one, by Task.protocol: from zeros on, then with the number of views.
COMBINED = {
    "mean of views": (_sum, lambda total, count: total / count),
    "views": (_largest, lambda total, count: total),
    "points": (_largest, lambda total, count: total),
}


def _predict(network: Network, path: str, clips: ClipSettings, decoded: VideoSettings) -> Prediction:
    from expansion.video.picked import pick  # PyAV: an extra

    names = tuple(network.class_names) or tuple(str(index) for index in range(network.classes))
    try:
        if os.path.isdir(path):
            raise Rejected("empty", "a folder without a video")
        picked = pick(path, decoded, lambda total: view_frames(total, network.spec, clips.views))
    except Rejected as reason:
        return Prediction(path, names, np.zeros(network.classes), 0, error=str(reason))
    video = Video(tf.range(picked.frames), tf.constant(0), tf.constant(picked.height), tf.constant(picked.width))
    cutter = ViewCutter(network.spec, clips, network.size, min(picked.height, picked.width))
    add, finish = COMBINED[network.task.protocol]
    of_video, total, count = cutter.views(video), np.zeros(network.classes), 0
    most = network.batch()
    for number in range(int(cutter.chunks(of_video))):
        pixels = cutter.chunk(video, of_video, number, lambda frames: tf.constant([picked.jpegs[n] for n in frames.numpy()]))
        for first in range(0, len(pixels), most):
            found = network.predict(pixels[first:first + most].numpy())
            total = add(total, found.reshape(-1, network.classes))
            count += len(found)
    return Prediction(path, names, finish(total, count), count, picked.fps)
