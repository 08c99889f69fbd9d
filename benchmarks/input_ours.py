"""Worker: clips from records by this project, or in the seed's way."""

from __future__ import annotations

import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from benchmarks import worker  # noqa: E402

BATCH = 8


def seed_clips(data, spec, clip_settings, threads: int):
    """The way of the code that this project began with: decode every frame of the record, then choose."""
    import tensorflow as tf

    from expansion.data import clips
    from expansion.data.videos import parse, read

    low, high = clip_settings.jitter

    def clip(number, record):
        video = parse(record)
        frames = tf.map_fn(lambda jpeg: tf.io.decode_jpeg(jpeg, 3), video.frames,
                           fn_output_signature=tf.TensorSpec([None, None, 3], tf.uint8))
        draw = tf.random.stateless_uniform([2], tf.stack([number, 0]))
        total = tf.shape(frames)[0]
        start = tf.cast(draw[0] * tf.cast(total - spec.span + 1, tf.float32), tf.int32)
        chosen = tf.gather(frames, clips.frame_indices(start, total, spec))
        sides = tf.cast(tf.stack([video.height, video.width]), tf.float32)
        scale = spec.size * (low + draw[1] * (high - low)) / tf.reduce_min(sides)
        shape = tf.cast(tf.math.ceil(scale * sides), tf.int32)
        resized = tf.cast(tf.image.resize(chosen, shape), tf.uint8)
        crop = tf.image.stateless_random_crop(resized, (spec.frames, spec.size, spec.size, 3), tf.stack([number, 1]))
        return crop, video.label

    return read(data, "train").repeat().enumerate().map(clip, threads).batch(BATCH).prefetch(1)


def start():
    settings = worker.settings()
    import tensorflow as tf

    from expansion.data import clips
    from expansion.data.dataset import VideoDataset
    from expansion.data.frame_index import FrameIndex
    from expansion.data.views import evaluation_views
    from expansion.recipe import ClipSettings
    from expansion.spec import NAMED

    data, spec, clip_settings = VideoDataset.open(settings["records"]), NAMED["XS"], ClipSettings()
    about = {"tensorflow": tf.__version__}
    if settings["way"] in ("whole", "memory"):  # as with records that have no index, or are not on this machine
        FrameIndex.open = classmethod(lambda *_: None)
    if settings["way"] == "whole":
        clips.CACHE_BYTES = 0  # as with more of them than fit
    if settings["mode"] == "views":
        dataset = evaluation_views(data, "val", spec, clip_settings, BATCH).repeat()
    elif settings["way"] == "seed":
        dataset = seed_clips(data, spec, clip_settings, settings["threads"])
    else:
        dataset = clips.training_clips(data, spec, clip_settings, BATCH, 0)
    options = tf.data.Options()
    options.threading.private_threadpool_size = settings["threads"]
    dataset = dataset.with_options(options)
    batches = iter(dataset)
    count = 1 if settings["way"] == "seed" else 10  # a step of some length, so that what is prefetched does not decide
    items = count * BATCH // (clip_settings.views if settings["mode"] == "views" else 1)
    return lambda: [batch.numpy() for batch, _ in itertools.islice(batches, count)], items, about


if __name__ == "__main__":
    worker.serve(start)
