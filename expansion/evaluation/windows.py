"""Scores of videos by windows of the trained length, each video on its own.

A window never has more or fewer frames than the network was trained on, so squeeze-excite, which takes its mean over a clip,
sees what it has learnt. A forward pass holds windows of one video alone and is filled up to a fixed number of them, so the score
of a video does not depend on which others are evaluated, nor on their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from expansion.data.dataset import VideoDataset
from expansion.data.videos import LabelledVideo, in_order, open_videos
from expansion.data.views import CHUNKS, ViewCutter
from expansion.evaluation.networks import Network
from expansion.recipe import ClipSettings
from expansion.spec import Spec
from expansion.tasks.multi_label import MULTI_LABEL

Progress = Callable[[int, int], None]


def of_views(network: Network, data: VideoDataset, split: str, settings: ClipSettings, videos: Sequence[LabelledVideo],
             batch: int | None = None, progress: Progress | None = None) -> np.ndarray:
    """The largest probability of each class over the views of each video, (videos, classes)."""
    plans = [spread_starts(video.frames, network.spec, settings.views) for video in videos]
    found = [MULTI_LABEL.combine(answers.reshape(-1, network.classes))
             for answers in window_answers(network, data, split, settings, plans, batch, progress)]
    return np.array(found).reshape(len(videos), network.classes)


def at_points(network: Network, data: VideoDataset, split: str, settings: ClipSettings, videos: Sequence[LabelledVideo],
              times: Sequence[np.ndarray], batch: int | None = None, progress: Progress | None = None) -> np.ndarray:
    """The probabilities of each class at times of each video, (videos, points, classes).

    Args:
        times: seconds, (points,) of each video.
    """
    frames = [of_video * video.segments.fps for of_video, video in zip(times, videos)]
    starts = [centred_starts(of_video, video.frames, network.spec) for of_video, video in zip(frames, videos)]
    plans = [np.unique(of_video) for of_video in starts]
    found = []
    for answers, plan, of_points, own in zip(
            window_answers(network, data, split, settings, plans, batch, progress), plans, frames, starts):
        windows = answers[:, np.searchsorted(plan, own)]  # (crops, points, steps, classes)
        found.append(at_frames(windows, of_points - own, network.spec.stride).max(axis=0))
    return np.array(found)


def spread_starts(total: int, spec: Spec, views: int) -> np.ndarray:
    """First frames of up to `views` different windows, spread evenly over a video of `total` frames."""
    last = max(total - spec.span, 0)
    starts = np.linspace(0, last, views) if views > 1 else np.array([last // 2])
    return np.unique(np.rint(starts)).astype(np.int32)


def centred_starts(frames: np.ndarray, total: int, spec: Spec) -> np.ndarray:
    """First frame of the window about each of some places in a video of `total` frames, moved inside where it would leave it.

    Args:
        frames: places, in frames and parts of them.
    """
    return np.clip(np.rint(frames - (spec.span - 1) / 2), 0, max(total - spec.span, 0)).astype(np.int32)


def at_frames(answers: np.ndarray, places: np.ndarray, stride: int) -> np.ndarray:
    """What windows say at a place in each, (..., points, classes), between two of their frames by linear interpolation.

    Args:
        answers: (..., points, steps, classes), one window per point; one step stands for all of its window.
        places: frames from the window's first, (points,).
    """
    steps = answers.shape[-2]
    at = np.clip(places / stride, 0, steps - 1)
    before = np.floor(at).astype(int)
    after, share = np.minimum(before + 1, steps - 1), (at - before)[:, None].astype(answers.dtype)
    points = np.arange(len(places))
    return (1 - share) * answers[..., points, before, :] + share * answers[..., points, after, :]


def window_answers(network: Network, data: VideoDataset, split: str, settings: ClipSettings, plans: Sequence[np.ndarray],
                   batch: int | None = None, progress: Progress | None = None) -> Iterator[np.ndarray]:
    """What a network says of windows of each video, in the order of the records: (crops, windows, steps, classes).

    Steps are the frames of a window, or one where the network answers for clips.

    Args:
        plans: first frames of the windows of each video, (windows,).
        batch: windows in a forward pass; None for as many as fit.
    """
    cutter = ViewCutter(network.spec, settings, network.size, data.short_side)
    size = min(network.batch(batch), cutter.chunk_views)
    found: list[np.ndarray] = []
    current = 0
    for number, clips in _planned_clips(data, split, cutter, plans):
        if int(number) != current:
            yield _by_crop(found, len(plans[current]))
            found, current = [], int(number)
        found += padded_answers(network, clips.numpy(), size)
        if progress:
            progress(current + 1, len(plans))
    if found:
        yield _by_crop(found, len(plans[current]))


def padded_answers(network: Network, clips: np.ndarray, size: int) -> list[np.ndarray]:
    """What a network says of clips, (clips, steps, classes) in parts, by forward passes of exactly `size` clips."""
    parts = []
    for first in range(0, len(clips), size):
        part = clips[first:first + size]
        filled = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)]) if len(part) < size else part
        answers = network.predict(filled)[:len(part)]
        parts.append(answers.reshape(len(part), -1, network.classes))
    return parts


def _by_crop(parts: list[np.ndarray], windows: int) -> np.ndarray:
    answers = np.concatenate(parts)
    return answers.reshape(-1, windows, *answers.shape[1:])


def _planned_clips(data: VideoDataset, split: str, cutter: ViewCutter, plans: Sequence[np.ndarray]) -> tf.data.Dataset:
    """Number of the video and clips (windows, frames, size, size, 3) of uint8, crop by crop, of each video in turn."""
    videos = open_videos(data, split)
    starts = tf.data.Dataset.from_generator(lambda: iter(plans), output_signature=tf.TensorSpec([None], tf.int32))

    def views_of(handle, starts):
        video = videos.video(handle)
        return video, cutter.views(video)._replace(starts=starts)

    def chunks_of_video(number, planned):
        handle, starts = planned
        chunks = cutter.chunks(views_of(handle, starts)[1])
        return tf.data.Dataset.range(tf.cast(chunks, tf.int64)).map(
            lambda chunk: (number, handle, starts, tf.cast(chunk, tf.int32)))

    def decode(number, handle, starts, chunk):
        return number, cutter.chunk(*views_of(handle, starts), chunk, videos.read)

    dataset = tf.data.Dataset.zip((videos.handles(), starts)).enumerate().flat_map(chunks_of_video)
    return in_order(dataset.map(decode, CHUNKS).prefetch(1))
