"""Clips from records by tf.data: choose the frames first, then decode only those, cropped.

Phases: read, parse, choose frames and window, decode and crop, resize, batch. Randomness is stateless: the clips of an
epoch and their order are a function of the seed and the epoch alone, whatever ran before and however many threads run.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from expansion.spec import Spec
from expansion.training import records
from expansion.training.dataset import VideoDataset
from expansion.training.recipe import ClipSettings

SHUFFLE_CLIPS = 1024
CACHE_BYTES = 1 << 30  # records of a training split up to this size stay in memory


class Video(NamedTuple):
    """A parsed record: JPEG strings (frames,), label, size in pixels."""

    jpeg: tf.Tensor
    label: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    video_id: tf.Tensor


class Cut(NamedTuple):
    """A clip that is chosen but not decoded: JPEG strings (frames,), label, square window in source pixels."""

    jpeg: tf.Tensor
    label: tf.Tensor
    top: tf.Tensor
    left: tf.Tensor
    side: tf.Tensor
    mirrored: tf.Tensor


def parse(record) -> Video:
    """A serialised tf.train.Example to a Video; nothing is decoded yet."""
    scalars = {name: tf.io.FixedLenFeature([], tf.int64) for name in (records.LABEL, records.HEIGHT, records.WIDTH)}
    parsed = tf.io.parse_single_example(record, scalars | {
        records.JPEG: tf.io.RaggedFeature(tf.string),
        records.VIDEO_ID: tf.io.FixedLenFeature([], tf.string),
    })
    return Video(parsed[records.JPEG], tf.cast(parsed[records.LABEL], tf.int32), tf.cast(parsed[records.HEIGHT], tf.int32),
                 tf.cast(parsed[records.WIDTH], tf.int32), parsed[records.VIDEO_ID])


def frame_indices(start, total, spec: Spec):
    """Frames of a clip that begins at `start`, (spec.frames,). Past the end the last frame is held."""
    return tf.minimum(start + spec.stride * tf.range(spec.frames), total - 1)


def jpeg_ratio(short_side: int, size: int, largest_scale: float) -> int:
    """Largest reduction a JPEG can be decoded at (1, 2, 4 or 8) so that no crop has to be enlarged for it."""
    return max(ratio for ratio in (1, 2, 4, 8) if ratio == 1 or short_side / largest_scale / ratio >= size)


def decode_clip(jpeg, top, left, side, size: int, ratio: int = 1):
    """JPEG strings (frames,) to pixels (frames, size, size, 3) of uint8, from a square window of the source.

    Args:
        top, left, side: the window in source pixels.
        size: pixels of the result.
        ratio: reduction of the JPEG decoder itself: 1, 2, 4 or 8.
    """
    shape = tf.image.extract_jpeg_shape(jpeg[0])
    # The decoder rounds a reduced image up; the window must stay inside it.
    height, width = ((side_of + ratio - 1) // ratio for side_of in (shape[0], shape[1]))
    window = tf.maximum(1, tf.minimum(side // ratio, tf.minimum(height, width)))
    top, left = tf.minimum(top // ratio, height - window), tf.minimum(left // ratio, width - window)
    box = tf.stack([top, left, window, window])

    def decode(image):
        return tf.io.decode_and_crop_jpeg(image, box, channels=3, ratio=ratio, dct_method="INTEGER_FAST")

    if jpeg.shape[0] is None:
        crop = tf.map_fn(decode, jpeg, fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8))
    else:  # a loop would cost 0.03 ms a frame
        crop = tf.stack([decode(image) for image in tf.unstack(jpeg)])
    resized = tf.cond(
        tf.equal(window, size), lambda: crop,
        lambda: tf.cast(tf.round(tf.image.resize(crop, (size, size))), tf.uint8))
    return tf.ensure_shape(resized, (None, size, size, 3))


def choose_clip(video: Video, seed, spec: Spec, settings: ClipSettings) -> Cut:
    """A random clip, nothing decoded: random start, scale, place and, if set, mirroring."""
    total = tf.shape(video.jpeg)[0]
    draw = tf.random.stateless_uniform([5], seed)
    last = tf.maximum(total - spec.span, 0)
    start = tf.minimum(tf.cast(draw[0] * tf.cast(last + 1, tf.float32), tf.int32), last)
    low, high = settings.jitter
    short = tf.cast(tf.minimum(video.height, video.width), tf.float32)
    side = tf.cast(tf.round(short / (low + draw[1] * (high - low))), tf.int32)
    top = tf.cast(draw[2] * tf.cast(video.height - side + 1, tf.float32), tf.int32)
    left = tf.cast(draw[3] * tf.cast(video.width - side + 1, tf.float32), tf.int32)
    jpeg = tf.gather(video.jpeg, frame_indices(start, total, spec))
    return Cut(jpeg, video.label, top, left, side, tf.logical_and(settings.flip, draw[4] < 0.5))


def cut_clip(cut: Cut, spec: Spec, ratio: int):
    """The pixels of a chosen clip, (frames, size, size, 3)."""
    clip = decode_clip(cut.jpeg, cut.top, cut.left, cut.side, spec.size, ratio)
    clip = tf.cond(cut.mirrored, lambda: tf.reverse(clip, [2]), lambda: clip)
    return tf.ensure_shape(clip, (spec.frames, spec.size, spec.size, 3))


def read(data: VideoDataset, split: str) -> tf.data.Dataset:
    """Serialised records of a split, in the order of the shards."""
    files = data.files(split)
    return tf.data.TFRecordDataset(files, _compression(files))


def _compression(files: list[str]) -> str | None:
    return "GZIP" if files[0].endswith(".gz") else None


def in_order(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The dataset with the same elements in the same order in every run."""
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = True
    return dataset.with_options(options)


def _training_videos(data: VideoDataset, workers: int, worker: int):
    """A function of a pass's key to a worker's videos; larger data come as records, the shards in a new order."""
    files = data.files("train")
    if len(files) >= workers:
        files, workers, worker = files[worker::workers], 1, 0

    def records_of(files):  # with fewer files than workers, each reads all of them for its share of the records
        return tf.data.TFRecordDataset(files, _compression(data.files("train"))).shard(workers, worker)

    if data.manifest["splits"]["train"].get("bytes", 0) < CACHE_BYTES:
        cached = records_of(files).map(parse, tf.data.AUTOTUNE).cache()
        return lambda key: cached
    return lambda key: records_of(tf.random.experimental.stateless_shuffle(files, key))


def training_clips(data: VideoDataset, spec: Spec, settings: ClipSettings, batch: int, seed: int, *,
                   first_epoch: int = 0, epoch_clips: int | None = None,
                   workers: int = 1, worker: int = 0) -> tf.data.Dataset:
    """Endless batches of random clips: (batch, frames, size, size, 3) of uint8 and labels (batch,).

    Args:
        seed: settles, with the number of the epoch, the order of the videos and every random choice.
        first_epoch: epoch to begin with, from 0; those before it cost nothing.
        epoch_clips: clips of an epoch: every video once, then the first ones of a new order. Default: the least
            multiple of the batch that has room for all videos.
        workers, worker: how many share the videos, and which of them this is, from 0.
    """
    ratio = jpeg_ratio(data.short_side, spec.size, settings.jitter[1])
    videos = data.videos("train")
    videos_of = _training_videos(data, workers, worker)
    epoch_clips = epoch_clips or -(-videos // batch) * batch

    def one_pass(key):
        def choose(number, found):
            video = found if isinstance(found, Video) else parse(found)
            return choose_clip(video, tf.random.fold_in(key, number), spec, settings)

        tf.random.set_seed(1)  # of this function's graph: else the order would hang on the global seed as well
        order = tf.random.stateless_uniform([], key, 0, tf.int32.max, tf.int64)
        chosen = videos_of(key).enumerate().map(choose, tf.data.AUTOTUNE)
        # Shuffled before they are decoded and without the frames that no clip needs, they are small.
        return chosen.shuffle(min(videos, SHUFFLE_CLIPS), seed=order, reshuffle_each_iteration=False)

    def one_epoch(epoch):
        passes = tf.data.Dataset.range(tf.int64.max)
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        return passes.flat_map(lambda number: one_pass(tf.random.fold_in(key, number))).take(epoch_clips)

    def clip(cut):
        return cut_clip(cut, spec, ratio), cut.label

    dataset = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(one_epoch)
    return in_order(dataset.map(clip, tf.data.AUTOTUNE).batch(batch, drop_remainder=True).prefetch(2))


def labels_and_ids(data: VideoDataset, split: str) -> tuple[list[int], list[str]]:
    """Labels and video ids of a split, in the order of its records."""
    found = [(int(video.label), video.video_id.numpy().decode()) for video in read(data, split).map(parse)]
    return [label for label, _ in found], [video_id for _, video_id in found]
