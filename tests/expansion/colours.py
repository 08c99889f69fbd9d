"""Records that any network learns in a few steps: still videos, one colour a class."""

import os

import numpy as np
import tensorflow as tf

from expansion.data import records
from expansion.data.dataset import VideoDataset
from expansion.data.example import example as serialised
from tests.expansion.manifests import manifest_of

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200), "grey": (120, 120, 120)}


def example(label: int, pixels, frames: int, video_id: str) -> bytes:
    """A serialised record of `frames` times the same picture, (height, width, 3)."""
    jpeg = tf.io.encode_jpeg(pixels, quality=95).numpy()
    return serialised({
        records.JPEG: [jpeg] * frames, records.LABEL: label, records.VIDEO_ID: video_id.encode(),
        records.HEIGHT: pixels.shape[0], records.WIDTH: pixels.shape[1]})


def write_colours(folder: str, train: int = 64, val: int = 8, size: int = 32, mixed: bool = False) -> VideoDataset:
    """A data set of videos of 8 frames, noise about their class' colour; classes take turns, or are mixed at random."""
    random = np.random.default_rng(0)
    for split, videos in (("train", train), ("val", val)):
        os.makedirs(os.path.join(folder, f"Split-{split}"))
        with tf.io.TFRecordWriter(os.path.join(folder, f"Split-{split}", "data_tfrecord-00000-of-00001")) as writer:
            labels = np.arange(videos) % len(COLOURS)
            for number, label in enumerate(random.permutation(labels) if mixed else labels):
                pixels = np.array(list(COLOURS.values())[label]) + random.normal(0, 20, (size, size, 3))
                writer.write(example(int(label), np.clip(pixels, 0, 255).astype(np.uint8), 8, f"{split}{number}"))
    manifest_of(list(COLOURS), {"train": train, "val": val}, folder=folder, short_side=size, fingerprint="colours").write(folder)
    return VideoDataset.open(folder)
