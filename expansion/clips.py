"""Clips from records by tf.data: choose the frames first, then decode only those, cropped.

Phases: read, parse, choose frames, decode and crop, resize, batch. Randomness is stateless: clip number n of a seed is
the same clip in every run, whatever the number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from expansion import records
from expansion.dataset import VideoDataset
from expansion.recipe import ClipSettings
from expansion.spec import Spec

SHUFFLE_RECORDS = 1024


class Video(NamedTuple):
    """A parsed record: JPEG strings (frames,), label, size in pixels."""

    jpeg: tf.Tensor
    label: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    video_id: tf.Tensor


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


def view_starts(total, spec: Spec, views: int):
    """First frames of up to `views` different clips, spread evenly over a video of `total` frames."""
    last = tf.maximum(total - spec.span, 0)
    starts = tf.linspace(0.0, tf.cast(last, tf.float32), views) if views > 1 else tf.cast([last // 2], tf.float32)
    return tf.unique(tf.cast(tf.round(starts), tf.int32)).y


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
    crop = tf.map_fn(
        lambda image: tf.io.decode_and_crop_jpeg(image, box, channels=3, ratio=ratio, dct_method="INTEGER_FAST"),
        jpeg, fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8))
    resized = tf.cond(
        tf.equal(window, size), lambda: crop,
        lambda: tf.cast(tf.round(tf.image.resize(crop, (size, size))), tf.uint8))
    return tf.ensure_shape(resized, (None, size, size, 3))


def training_clip(video: Video, seed, spec: Spec, settings: ClipSettings, ratio: int):
    """A random clip, (frames, size, size, 3): random start, scale, place and, if set, mirroring."""
    total = tf.shape(video.jpeg)[0]
    draw = tf.random.stateless_uniform([5], seed)
    last = tf.maximum(total - spec.span, 0)
    start = tf.minimum(tf.cast(draw[0] * tf.cast(last + 1, tf.float32), tf.int32), last)
    low, high = settings.jitter
    short = tf.cast(tf.minimum(video.height, video.width), tf.float32)
    side = tf.cast(tf.round(short / (low + draw[1] * (high - low))), tf.int32)
    top = tf.cast(draw[2] * tf.cast(video.height - side + 1, tf.float32), tf.int32)
    left = tf.cast(draw[3] * tf.cast(video.width - side + 1, tf.float32), tf.int32)
    clip = decode_clip(tf.gather(video.jpeg, frame_indices(start, total, spec)), top, left, side, spec.size, ratio)
    if settings.flip:
        clip = tf.cond(draw[4] < 0.5, lambda: tf.reverse(clip, [2]), lambda: clip)
    return tf.ensure_shape(clip, (spec.frames, spec.size, spec.size, 3))


def evaluation_clips(video: Video, spec: Spec, settings: ClipSettings, ratio: int = 1):
    """All views of a video, (views, frames, size, size, 3): spread in time, cropped in the centre."""
    total = tf.shape(video.jpeg)[0]
    starts = view_starts(total, spec, settings.views)
    indices = tf.map_fn(lambda start: frame_indices(start, total, spec), starts)
    # Views overlap where the video is short: each frame is decoded once.
    needed, place = tf.unique(tf.reshape(indices, [-1]))
    short = tf.minimum(video.height, video.width)
    side = tf.cast(tf.round(tf.cast(short, tf.float32) / settings.eval_scale), tf.int32)
    pixels = decode_clip(tf.gather(video.jpeg, needed), (video.height - side) // 2, (video.width - side) // 2,
                         side, spec.size, ratio)
    return tf.reshape(tf.gather(pixels, place), (-1, spec.frames, spec.size, spec.size, 3))


def read(data: VideoDataset, split: str) -> tf.data.Dataset:
    """Serialised records of a split, in the order of the shards."""
    files = data.files(split)
    compression = "GZIP" if files[0].endswith(".gz") else None
    return tf.data.TFRecordDataset(files, compression_type=compression)


def _options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = True
    return dataset.with_options(options)


def training_clips(data: VideoDataset, spec: Spec, settings: ClipSettings, batch: int, seed: int,
                   first_clip: int = 0) -> tf.data.Dataset:
    """Endless batches of random clips: (batch, frames, size, size, 3) of uint8 and labels (batch,).

    Args:
        seed: settles the order of the videos and every random choice.
        first_clip: number of clips to pass over, for a training that goes on where it stopped.
    """
    ratio = jpeg_ratio(data.short_side, spec.size, settings.jitter[1])

    def clip(number, record):
        video = parse(record)
        seeds = tf.stack([tf.cast(number, tf.int64), tf.constant(seed, tf.int64)])
        return training_clip(video, seeds, spec, settings, ratio), video.label

    dataset = read(data, "train")
    if data.manifest["splits"]["train"].get("bytes", 0) < 1 << 30:
        dataset = dataset.cache()
    shuffle = min(data.videos("train"), SHUFFLE_RECORDS)
    dataset = dataset.shuffle(shuffle, seed=seed, reshuffle_each_iteration=True).repeat().enumerate()
    dataset = dataset.skip(first_clip).map(clip, tf.data.AUTOTUNE).batch(batch, drop_remainder=True)
    return _options(dataset.prefetch(2))


def evaluation_views(data: VideoDataset, split: str, spec: Spec, settings: ClipSettings, batch: int) -> tf.data.Dataset:
    """All views of all videos of a split in order: batches of clips, and the number of the video each belongs to."""
    ratio = jpeg_ratio(data.short_side, spec.size, settings.eval_scale)

    def views(number, record):
        clips = evaluation_clips(parse(record), spec, settings, ratio)
        return clips, tf.fill([tf.shape(clips)[0]], number)

    dataset = read(data, split).enumerate().map(views, tf.data.AUTOTUNE).unbatch()
    return _options(dataset.batch(batch).prefetch(2))


def labels_and_ids(data: VideoDataset, split: str) -> tuple[list[int], list[str]]:
    """Labels and video ids of a split, in the order of its records."""
    found = [(int(video.label), video.video_id.numpy().decode()) for video in read(data, split).map(parse)]
    return [label for label, _ in found], [video_id for _, video_id in found]
