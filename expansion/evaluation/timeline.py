"""What holds when in a video file, read as a stream: memory is that of a window, however long the video is.

Windows of the trained length move over the video. Of a network that answers for frames a time takes the window whose middle is
nearest, and what it says between two of its frames is interpolated; one that answers for clips says one thing per window.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from expansion.data.videos import Video
from expansion.data.views import ViewCutter
from expansion.evaluation.networks import Network
from expansion.evaluation.windows import padded_answers
from expansion.foundation.errors import InputError
from expansion.recipe import ClipSettings
from expansion.video.settings import VideoSettings

DAYS = 30 * 86400.0  # seconds of decoding that are allowed: a long video may take long


@dataclass(frozen=True)
class Held:
    """A stretch of a video in which a class is at least as probable as asked: seconds, and the largest probability."""

    label: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Timeline:
    """What a network says of each time of a video.

    Args:
        video: path of the file.
        classes: their names.
        times: seconds, (times,), from 0 on in equal steps; each stands for the time up to the next.
        probabilities: (times, classes).
        length: seconds of the video.
    """

    video: str
    classes: tuple[str, ...]
    times: np.ndarray
    probabilities: np.ndarray
    length: float

    def held(self, threshold: float = 0.5) -> list[Held]:
        """Where each class is at least as probable as a threshold, in the order of their starts."""
        found = []
        ends = np.append(self.times[1:], self.length)
        above = self.probabilities >= threshold
        edges = np.diff(above.astype(np.int8), axis=0, prepend=0, append=0)
        for number, name in enumerate(self.classes):
            begins, stops = np.flatnonzero(edges[:, number] == 1), np.flatnonzero(edges[:, number] == -1)
            found += [Held(name, float(self.times[begin]), float(ends[stop - 1]),
                           float(self.probabilities[begin:stop, number].max())) for begin, stop in zip(begins, stops)]
        return sorted(found, key=lambda one: (one.start, one.end, one.label))


@dataclass(frozen=True)
class _Window:
    """A window that was asked: seconds of its frames (frames,), and what the network says, (steps, classes)."""

    times: np.ndarray
    answers: np.ndarray

    @property
    def middle(self) -> float:
        return (self.times[0] + self.times[-1]) / 2

    def at(self, times: np.ndarray) -> np.ndarray:
        """What it says at times, (times, classes)."""
        if len(self.answers) == 1:
            return np.repeat(self.answers, len(times), axis=0)
        return np.stack([np.interp(times, self.times, column) for column in self.answers.T], axis=1)


def timeline(network: Network, path: str | os.PathLike, clips: ClipSettings, stored: VideoSettings, every: float = 0.5,
             progress: Callable[[float], None] | None = None) -> Timeline:
    """What a network says of a video every so many seconds.

    Args:
        clips: how clips are cut: scale and crops.
        stored: how the video is decoded: frames per second, pixels.
        every: seconds from one time to the next.
        progress: called with the seconds that are done.

    Raises:
        InputError: the video cannot be decoded, or the step is not above 0.
    """
    if not 0 < every < math.inf:
        raise InputError(f"every is {every:g} s; a number of seconds above 0 is needed")
    stored = stored.model_copy(update={"timeout": DAYS})
    rows: list[np.ndarray] = []
    length = [0.0]
    for values in _scores(_windows(network, os.fspath(path), clips, stored, every, length), every, length):
        rows.append(values.astype(np.float32))
        if progress:
            progress(len(rows) * every)
    names = network.class_names or tuple(str(number) for number in range(network.classes))
    return Timeline(os.fspath(path), tuple(names), np.arange(len(rows)) * every, np.array(rows), length[0])


def _scores(windows: Iterator[_Window], every: float, length: list[float]) -> Iterator[np.ndarray]:
    """The answer at each time, (classes,), as soon as it is known which window is nearest to it."""
    number, last = 0, None
    for window in windows:
        if last is not None:
            border, first = (last.middle + window.middle) / 2, number
            while number * every < border:
                number += 1
            yield from last.at(np.arange(first, number) * every)
        last = window
    first = number
    while number * every < length[0] or number == 0:
        number += 1
    yield from last.at(np.arange(first, number) * every)


def _windows(network: Network, path: str, clips: ClipSettings, stored: VideoSettings, every: float,
             length: list[float]) -> Iterator[_Window]:
    """The windows of a video in turn, asked in forward passes of one fixed number of them; sets the length at the end."""
    size = network.batch()
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    for found in _cut(network, path, clips, stored, every, length):
        waiting.append(found)
        if len(waiting) == size:
            yield from _asked(network, waiting, size)
            waiting = []
    if waiting:
        yield from _asked(network, waiting, size)


def _asked(network: Network, waiting: list[tuple[np.ndarray, np.ndarray]], size: int) -> Iterator[_Window]:
    crops = len(waiting[0][1])
    answers = np.concatenate(padded_answers(network, np.concatenate([cut for _, cut in waiting]), size))
    answers = answers.reshape(len(waiting), crops, *answers.shape[1:]).max(axis=1)
    for (times, _), said in zip(waiting, answers):
        yield _Window(times, said)


def _cut(network: Network, path: str, clips: ClipSettings, stored: VideoSettings, every: float,
         length: list[float]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Seconds of the frames of each window, (frames,), and its pixels, (crops, frames, size, size, 3) of uint8."""
    from expansion.video.frames import stored_frames  # PyAV: an extra
    from expansion.video.reasons import Rejected

    spec, hop = network.spec, None
    ring: deque[tuple[bytes, float]] = deque(maxlen=spec.span)
    total, cut_at, cutter, shape = 0, None, None, (0, 0)

    def window():
        frames, times = zip(*ring)
        video = Video(tf.constant(frames), tf.constant(0), tf.constant(shape[1]), tf.constant(shape[0]))
        views = cutter.views(video)._replace(starts=tf.constant([0]))
        pixels = np.concatenate([cutter.chunk(video, views, number).numpy() for number in range(int(cutter.chunks(views)))])
        chosen = np.minimum(np.arange(spec.frames) * spec.stride, len(times) - 1)
        return np.array(times)[chosen], pixels

    try:
        for jpeg, times, picture, shape in stored_frames(path, stored):
            cutter = cutter or ViewCutter(spec, clips, network.size, min(shape))
            for _ in range(times):
                ring.append((jpeg, total / stored.fps if stored.fps else picture.time))
                total += 1
                hop = hop or _hop(network, every, picture.until - picture.time if not stored.fps else 1 / stored.fps)
                if total >= spec.span and (total - spec.span) % hop == 0:
                    cut_at = total
                    yield window()
            length[0] = picture.until
    except Rejected as reason:
        raise InputError(f"{path}: {reason.code}: {reason.detail}") from None
    if not total:
        raise InputError(f"{path}: no_frames: no frame could be decoded")
    if cut_at != total:
        yield window()


def _hop(network: Network, every: float, frame: float) -> int:
    """Frames from one window to the next: half of it, or one time step where a window says one thing alone."""
    of_frames = network.task.answers == "frames"
    return max(1, network.spec.span // 2) if of_frames else max(1, round(every / max(frame, 1e-3)))
