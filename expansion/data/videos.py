"""The videos of a split for tf.data, nothing of them decoded: by their index where there is one, else from whole records."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from expansion.data import records
from expansion.data.dataset import VideoDataset
from expansion.data.frame_index import SEVERAL, FrameIndex
from expansion.data.labels import FORMS, Segments, seconds
from expansion.data.segment_index import SegmentIndex
from expansion.data.shutdown_gate import ExitGate


class Video(NamedTuple):
    """A video: label (a number, or Segments), size in pixels, and its frames, (frames,): JPEG strings, or rows of the index."""

    frames: tf.Tensor
    label: tf.Tensor | Segments
    height: tf.Tensor
    width: tf.Tensor
    video_id: tf.Tensor | None = None


class IndexedVideos:
    """Videos by their number. What is read of them is the frames that are asked for.

    Reading is Python's (`tf.numpy_function`): 0.07 ms per clip of 4 frames, where a dataset of TensorFlow's for each
    stretch of a file takes 1 to 2 ms, and a whole record of 10 seconds 1.2 ms.
    """

    def __init__(self, index: FrameIndex, segments: SegmentIndex | None = None):
        self._read = ExitGate(index.read, tf.string)
        self.count = len(index.videos)
        self._first = tf.constant(index.first)
        self._columns = {name: tf.constant(index.videos[name]) for name in index.videos.dtype.names}
        self._label = self._segments(segments) if segments else lambda number: self._columns["label"][number]

    def handles(self) -> tf.data.Dataset:
        """What `video` takes, in the order of the records."""
        return tf.data.Dataset.range(self.count)

    def video(self, number) -> Video:
        """The video of a number."""
        frames, height, width = (self._columns[name][number] for name in ("frames", "height", "width"))
        first = self._first[number]
        return Video(tf.range(first, first + tf.cast(frames, tf.int64)), self._label(number), height, width)

    @staticmethod
    def _segments(index: SegmentIndex):
        """A function of a video's number to its Segments."""
        first, timing = tf.constant(index.first), {name: tf.constant(index.timing[name]) for name in index.timing.dtype.names}
        columns = (tf.constant(index.segments["label"]), *(
            tf.constant(seconds(index.segments[name])) for name in ("start", "end")))
        length = tf.constant(seconds(index.timing["length"]))

        def label(number):
            begin = first[number]
            end = begin + tf.cast(timing["segments"][number], tf.int64)
            return Segments(*(column[begin:end] for column in columns), timing["fps"][number], length[number])

        return label

    def read(self, frames):
        """JPEG strings (frames,) of frames of one video."""
        return tf.ensure_shape(self._read(frames), frames.shape)


class RecordVideos:
    """Videos from whole records, one after the other: records without an index, compressed, or not on this machine."""

    def __init__(self, data: VideoDataset, split: str):
        self._data, self._split = data, split

    def handles(self) -> tf.data.Dataset:
        """What `video` takes, in the order of the records."""
        return read(self._data, self._split)

    def video(self, record) -> Video:
        """The video of a serialised record."""
        return parse(record, self._data.task.labels)

    def read(self, frames):
        """The frames themselves, which are JPEG strings."""
        return frames


def open_videos(data: VideoDataset, split: str) -> IndexedVideos | RecordVideos:
    """The videos of a split.

    Raises:
        InputError: the split has no records, or an index that does not fit them.
    """
    index = FrameIndex.open(data, split)
    if index is None:
        return RecordVideos(data, split)
    several = (index.videos["label"] == SEVERAL).any()
    return IndexedVideos(index, SegmentIndex.open(data.path, split, len(index.videos)) if several else None)


def parse(record, labels: str = "class") -> Video:
    """A serialised tf.train.Example to a Video with JPEG strings.

    Args:
        labels: their form, as Task.labels of the data's task names it.
    """
    form = FORMS[labels]
    scalars = {name: tf.io.FixedLenFeature([], tf.int64) for name in (records.HEIGHT, records.WIDTH)}
    parsed = tf.io.parse_single_example(record, scalars | form.features | {
        records.JPEG: tf.io.RaggedFeature(tf.string),
        records.VIDEO_ID: tf.io.FixedLenFeature([], tf.string),
    })
    return Video(parsed[records.JPEG], form.read(parsed), tf.cast(parsed[records.HEIGHT], tf.int32),
                 tf.cast(parsed[records.WIDTH], tf.int32), parsed[records.VIDEO_ID])


def read(data: VideoDataset, split: str) -> tf.data.Dataset:
    """Serialised records of a split, in the order of the shards."""
    return of_files(data.files(split))


def of_files(files, compressed: bool | None = None) -> tf.data.Dataset:
    """Serialised records of shards; whether they are compressed is taken from the first one's name unless given."""
    compressed = files[0].endswith(".gz") if compressed is None else compressed
    return tf.data.TFRecordDataset(files, "GZIP" if compressed else None)


class LabelledVideo(NamedTuple):
    """What is known of a video without its pixels: id, number of frames, and its Segments as NumPy arrays."""

    video_id: str
    frames: int
    segments: Segments


def labelled_videos(data: VideoDataset, split: str) -> list[LabelledVideo]:
    """The videos of a split with several labels each, in the order of its records."""
    found = read(data, split).map(lambda record: parse(record, data.task.labels), tf.data.AUTOTUNE)
    described = found.map(lambda video: (video.video_id, tf.size(video.frames), video.label)).as_numpy_iterator()
    return [LabelledVideo(video_id.decode(), int(frames), segments) for video_id, frames, segments in described]


def labels_and_ids(data: VideoDataset, split: str) -> tuple[list[int], list[str]]:
    """Labels and video ids of a split, in the order of its records."""
    found = [(int(video.label), video.video_id.numpy().decode()) for video in read(data, split).map(parse)]
    return [label for label, _ in found], [video_id for _, video_id in found]


def in_order(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset with the same elements in the same order in every run; reading begins with its iterator."""
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_warm_start = True  # while the training is being traced, not when it asks for a first batch
    options.autotune.enabled = True
    return dataset.with_options(options)
