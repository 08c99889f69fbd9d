"""Clips from records by tf.data: choose the frames first, then read and decode only those, cropped.

Phases: choose frames and window, read, decode and crop, resize, batch. Records without an index (see frame_index), or not
on this machine, are read whole and parsed before. Randomness is stateless: the clips of an epoch and their order are a
function of the seed and the epoch alone, whatever ran before and however many threads run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from expansion.data.augment import augment_clip, mix_batch
from expansion.data.dataset import VideoDataset
from expansion.data.labels import CLIP_LABELS
from expansion.data.videos import IndexedVideos, RecordVideos, Video, in_order, of_files, open_videos, parse
from expansion.recipe import Augmentation, ClipSettings
from expansion.spec import Spec

SHUFFLE_CLIPS = 1024
CACHE_BYTES = 1 << 30  # records of a training split without an index stay in memory up to this size


class Cut(NamedTuple):
    """A clip that is chosen but not decoded: frames (frames,) as in Video, its label, square window in source pixels, and the
    seed (2,) of what is still to be drawn for it."""

    frames: tf.Tensor
    label: tf.Tensor
    top: tf.Tensor
    left: tf.Tensor
    side: tf.Tensor
    mirrored: tf.Tensor
    seed: tf.Tensor


def frame_indices(start, total, spec: Spec, stride=None):
    """Frames of a clip that begins at `start`, (spec.frames,). Past the end the last frame is held."""
    return tf.minimum(start + (spec.stride if stride is None else stride) * tf.range(spec.frames), total - 1)


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


def choose_clip(video: Video, seed, spec: Spec, settings: ClipSettings, strides: tuple[int, int] | None = None, *,
                labels: str = "class", classes: int = 0) -> Cut:
    """A random clip, nothing read or decoded: random start, scale, place and, if set, mirroring.

    Args:
        strides: least and largest, of which one is drawn as well; None for the spec's own.
        labels, classes: what the label of a clip is, by Task.labels, and how many classes there are.
    """
    total = tf.shape(video.frames)[0]
    draw = tf.random.stateless_uniform([5], seed)
    stride, span = None, spec.span
    if strides and strides[0] < strides[1]:
        stride = tf.random.stateless_uniform([], tf.random.fold_in(seed, 1), strides[0], strides[1] + 1, tf.int32)
        span = (spec.frames - 1) * stride + 1
    last = tf.maximum(total - span, 0)
    start = tf.minimum(tf.cast(draw[0] * tf.cast(last + 1, tf.float32), tf.int32), last)
    low, high = settings.jitter
    short = tf.cast(tf.minimum(video.height, video.width), tf.float32)
    side = tf.cast(tf.round(short / (low + draw[1] * (high - low))), tf.int32)
    top = tf.cast(draw[2] * tf.cast(video.height - side + 1, tf.float32), tf.int32)
    left = tf.cast(draw[3] * tf.cast(video.width - side + 1, tf.float32), tf.int32)
    indices = frame_indices(start, total, spec, stride)
    label = CLIP_LABELS[labels](video.label, indices, classes)
    return Cut(tf.gather(video.frames, indices), label, top, left, side, tf.logical_and(settings.flip, draw[4] < 0.5),
               tf.random.fold_in(seed, 2))


def cut_clip(cut: Cut, spec: Spec, ratio: int):
    """The pixels of a chosen clip whose frames are JPEG strings, (frames, size, size, 3)."""
    clip = decode_clip(cut.frames, cut.top, cut.left, cut.side, spec.size, ratio)
    clip = tf.cond(cut.mirrored, lambda: tf.reverse(clip, [2]), lambda: clip)
    return tf.ensure_shape(clip, (spec.frames, spec.size, spec.size, 3))


def _shuffled(dataset: tf.data.Dataset, size: int, order) -> tf.data.Dataset:
    return dataset.shuffle(size, seed=order, reshuffle_each_iteration=False)


def _chosen_by_index(videos: IndexedVideos, choose, workers: int, worker: int):
    """A function of a pass's key and order to the clips of a worker's videos, in an order of all of them."""
    def chosen(key, order):
        numbers = tf.data.Dataset.range(worker, videos.count, workers)
        return _shuffled(numbers, videos.count, order).map(
            lambda number: choose(videos.video(number), tf.random.fold_in(key, number)), tf.data.AUTOTUNE)

    return chosen


def _chosen_from_records(data: VideoDataset, choose, workers: int, worker: int):
    """The same from whole records: shards in a new order, then the clips of SHUFFLE_CLIPS videos among each other."""
    files = data.files("train")
    compressed = files[0].endswith(".gz")
    if len(files) >= workers:
        files, workers, worker = files[worker::workers], 1, 0

    def parsed(record):
        return parse(record, data.task.labels)

    def records_of(files):  # with fewer files than workers, each reads all of them for its share of the records
        return of_files(files, compressed).shard(workers, worker)

    small = data.manifest.splits["train"].bytes < CACHE_BYTES
    cached = records_of(files).map(parsed, tf.data.AUTOTUNE).cache()

    def chosen(key, order):
        def choose_one(number, found):  # parsed with its choice, a record of large data is no larger than its clip
            return choose(found if small else parsed(found), tf.random.fold_in(key, number))

        videos = cached if small else records_of(tf.random.experimental.stateless_shuffle(files, key))
        clips = videos.enumerate().map(choose_one, tf.data.AUTOTUNE)
        # Shuffled before they are decoded and without the frames that no clip needs, they are small.
        return _shuffled(clips, min(data.videos("train"), SHUFFLE_CLIPS), order)

    return chosen


def training_clips(data: VideoDataset, spec: Spec, settings: ClipSettings, batch: int, seed: int, *,
                   first_epoch: int = 0, epoch_clips: int | None = None, workers: int = 1, worker: int = 0,
                   augment: Augmentation = Augmentation(), clips_per_video: int = 1, labels: str = "class") -> tf.data.Dataset:
    """Endless batches of random clips: (batch, frames, size, size, 3) of uint8 and labels.

    Labels are (batch,) of one class, or soft ones of mixed clips, (batch, classes). Of several they are 0 or 1 of each class of
    the clip, (batch, classes), or of its frames, (batch, frames, classes).

    Args:
        seed: determines, with the number of the epoch, the order of the videos and every random choice.
        first_epoch: epoch to begin with, from 0; those before it cost nothing.
        epoch_clips: clips of an epoch: every video once, then the first ones of a new order. Default: the least
            multiple of the batch that has room for all videos.
        workers, worker: how many share the videos, and which of them this is, from 0.
        augment: what is done to clips.
        clips_per_video: clips of each video, one after the other.
        labels: what the label of a clip is, by Task.labels.
    """
    epoch_clips = epoch_clips or -(-data.videos("train") * clips_per_video // batch) * batch
    videos = open_videos(data, "train")

    def choose(video, seed):
        return choose_clip(video, seed, spec, settings, labels=labels, classes=len(data.classes))

    cuts = chosen_in_epoch(data, videos, several(choose, clips_per_video), seed, workers, worker)

    def of_epoch(epoch):
        chosen = cuts(epoch)
        return (chosen.unbatch() if clips_per_video > 1 else chosen).take(epoch_clips)

    dataset = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(of_epoch)
    return in_order(batched(dataset, batch, data, videos, spec, settings, augment).prefetch(2))


def several(choose: Callable, count: int) -> Callable:
    """A choice of so many clips of a video in one Cut, each of its fields with one more dimension; of one, the choice itself."""
    if count == 1:
        return choose
    return lambda video, seed: Cut(*map(tf.stack, zip(*(choose(video, tf.random.fold_in(seed, 10 + number))
                                                         for number in range(count)))))


def chosen_in_epoch(data: VideoDataset, videos: IndexedVideos | RecordVideos, choose: Callable, seed: int, workers: int = 1,
                    worker: int = 0) -> Callable[[tf.Tensor], tf.data.Dataset]:
    """A function of an epoch to the Cuts of its clips: every video once, then again in another order, without end.

    Args:
        choose: of a Video and a seed (2,), the Cut.
        seed, workers, worker: as training_clips takes them.
    """
    if isinstance(videos, IndexedVideos):
        chosen = _chosen_by_index(videos, choose, workers, worker)
    else:
        chosen = _chosen_from_records(data, choose, workers, worker)

    def one_pass(key):
        tf.random.set_seed(1)  # of this function's graph: else the order would hang on the global seed as well
        return chosen(key, tf.random.stateless_uniform([], key, 0, tf.int32.max, tf.int64))

    def one_epoch(epoch):
        passes = tf.data.Dataset.range(tf.int64.max)
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        return passes.flat_map(lambda number: one_pass(tf.random.fold_in(key, number)))

    return one_epoch


def batched(cuts: tf.data.Dataset, batch: int, data: VideoDataset, videos: IndexedVideos | RecordVideos, spec: Spec,
            settings: ClipSettings, augment: Augmentation = Augmentation()) -> tf.data.Dataset:
    """Batches of what is cut, augmented: pixels (batch, frames, size, size, 3) of uint8, and labels as training_clips has."""
    ratio = jpeg_ratio(data.short_side, spec.size, settings.jitter[1])

    def clip(cut):
        pixels = cut_clip(cut._replace(frames=videos.read(cut.frames)), spec, ratio)
        if augment.changes_clips:
            pixels = augment_clip(pixels, cut.seed, augment)
        return (pixels, cut.label, cut.seed) if augment.mixes else (pixels, cut.label)

    def mixed(clips, labels, seeds):
        return mix_batch(clips, labels, seeds[0], len(data.classes), augment)

    whole = cuts.map(clip, tf.data.AUTOTUNE).batch(batch, drop_remainder=True)
    return whole.map(mixed, tf.data.AUTOTUNE) if augment.mixes else whole
