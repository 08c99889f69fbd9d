"""Labels in TensorFlow: what a record says of its video, and what a clip of it has for a label.

One class is one number. Several labels are segments, whose times are whole microseconds in the records: they come back as the
very numbers that were written, and a time that a label begins at is not lost to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from expansion.data import records


class Segments(NamedTuple):
    """Segments of a video: class, start and end in seconds, (segments,) each; frames per second; length in seconds."""

    numbers: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    fps: tf.Tensor
    length: tf.Tensor


@dataclass(frozen=True)
class LabelForm:
    """How one kind of label is read.

    Args:
        features: of a record, for tf.io.parse_single_example.
        read: makes the label of what was parsed.
    """

    features: dict
    read: Callable[[dict], tf.Tensor | Segments]


def _class(parsed: dict) -> tf.Tensor:
    return tf.cast(parsed[records.LABEL], tf.int32)


def seconds(micros):
    """Whole microseconds as seconds; also of NumPy arrays."""
    if isinstance(micros, np.ndarray):
        return micros / records.MICROS
    return tf.cast(micros, tf.float64) / records.MICROS


def _segments(parsed: dict) -> Segments:
    return Segments(
        tf.cast(parsed[records.SEGMENT_LABELS], tf.int32), seconds(parsed[records.SEGMENT_STARTS]),
        seconds(parsed[records.SEGMENT_ENDS]), tf.cast(parsed[records.FPS], tf.float64), seconds(parsed[records.LENGTH]))


_ONE = LabelForm({records.LABEL: tf.io.FixedLenFeature([], tf.int64)}, _class)
_SEVERAL = LabelForm({
    **{name: tf.io.RaggedFeature(tf.int64) for name in (
        records.SEGMENT_LABELS, records.SEGMENT_STARTS, records.SEGMENT_ENDS)},
    records.FPS: tf.io.FixedLenFeature([], tf.float32), records.LENGTH: tf.io.FixedLenFeature([], tf.int64)}, _segments)
FORMS = {"class": _ONE, "clip": _SEVERAL, "frames": _SEVERAL}  # by Task.labels


def _many_hot(numbers, holds, classes: int):
    """(rows, segments) of bool to (rows, classes) of float32."""
    hot = tf.one_hot(numbers, classes, dtype=tf.float32)
    return tf.minimum(tf.matmul(tf.cast(holds, tf.float32), hot), 1.0)


def _of_clip(label: Segments, indices, classes: int):
    """What holds at some time from the first to the last frame of a clip, (classes,)."""
    times = tf.cast(indices, tf.float64) / label.fps
    holds = tf.logical_and(label.starts <= times[-1], label.ends >= times[0])
    holds = tf.logical_and(holds, label.starts <= label.ends)
    return _many_hot(label.numbers, holds[None], classes)[0]


def _of_frames(label: Segments, indices, classes: int):
    """What holds at each frame of a clip, (frames, classes); the rule is tasks.segments.labels_at."""
    times = (tf.cast(indices, tf.float64) / label.fps)[:, None]
    holds = tf.logical_and(label.starts[None] <= times, times <= label.ends[None])
    return _many_hot(label.numbers, holds, classes)


# Label of a clip from that of its video and the frames that it has, in order; by Task.labels.
CLIP_LABELS: dict[str, Callable] = {
    "class": lambda label, indices, classes: label,
    "clip": _of_clip,
    "frames": _of_frames,
}
