"""The index: every frame of every record where it says, errors that name the file, and an end without waiting."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from expansion import InputError
from expansion.data import records
from expansion.data.dataset import VideoDataset
from expansion.data.example import example
from expansion.data.frame_index import FRAME, VIDEO, FrameIndex, IndexWriter, index_of, index_paths
from expansion.foundation import files
from tests.expansion.manifests import manifest_of

JPEGS = st.lists(st.binary(min_size=0, max_size=300) | st.just(b"\xff" * 20_000), min_size=1, max_size=20)


def features(jpegs, label, height, width, video_id="v"):
    return {records.JPEG: jpegs, records.LABEL: label, records.HEIGHT: height, records.WIDTH: width,
            records.VIDEO_ID: video_id.encode(), records.FPS: 29.97, records.FRAMES: len(jpegs), records.GROUP: b""}


@settings(max_examples=60)
@given(JPEGS, st.integers(0, 2**31 - 1), st.integers(1, 8192), st.integers(1, 8192))
def test_rows_say_where_the_frames_are(jpegs, label, height, width):
    record = example(features(jpegs, label, height, width))
    for written in (record, tf.train.Example.FromString(record).SerializeToString()):  # ours, and as a proxy writes it
        videos, frames = index_of(written)
        assert videos.tolist() == [(len(jpegs), label, height, width)]
        assert [(b"." * 12 + written)[at:at + size] for _, size, at in frames.tolist()] == jpegs


@pytest.mark.parametrize("record", [
    b"", example({"jpeg": [b"a"], "label": 1}), example({"label": 1, "height": 2, "width": 3}), b"\x08\x01"])
def test_what_is_no_record_is_refused(record):
    with pytest.raises(ValueError, match="not a record|wire type"):
        index_of(record)


def rows_of(shards):
    content = io.BytesIO(), io.BytesIO()
    writer = IndexWriter(*content)
    for number, shard in enumerate(shards):
        if number:
            writer.next_shard()
        for record in shard:
            writer.add(record)
    return [one.getvalue() for one in content]


@pytest.fixture
def data(tmp_path):
    """Three videos of 2, 3 and 1 frames in two shards."""
    shards = [[example(features([b"a", b"bb"], 0, 8, 9)), example(features([b"ccc", b"", b"e"], 1, 8, 9))],
              [example(features([b"f" * 200], 2, 7, 6))]]
    (tmp_path / "Split-train").mkdir()
    for number, shard in enumerate(shards):
        with tf.io.TFRecordWriter(str(tmp_path / "Split-train" / f"data_tfrecord-0000{number}-of-00002")) as writer:
            for record in shard:
                writer.write(record)
    for path, content in zip(index_paths(str(tmp_path), "train"), rows_of(shards)):
        files.write_bytes(path, content)
    return VideoDataset(str(tmp_path), manifest_of("abc", {"train": 3}, folder=tmp_path, short_side=6))


def test_frames_are_read_from_their_shard(data):
    index = FrameIndex.open(data, "train")
    assert index.first.tolist() == [0, 2, 5] and index.videos["label"].tolist() == [0, 1, 2]
    assert index.read(np.array([4, 2, 3, 4])).tolist() == [b"e", b"ccc", b"", b"e"]
    assert index.read(np.array([5])).tolist() == [b"f" * 200]
    assert (VIDEO.itemsize, FRAME.itemsize) == (16, 16)


def test_no_index_is_none(data, tmp_path):
    (tmp_path / "index" / "train.frames").unlink()
    assert FrameIndex.open(data, "train") is None


@pytest.mark.parametrize("change", ["videos", "frames", "empty", "shards"])
def test_an_index_of_other_records_is_named(data, tmp_path, change):
    if change == "videos":
        data = VideoDataset(data.path, manifest_of("abc", {"train": 4}, folder=tmp_path))
    elif change == "shards":
        (tmp_path / "Split-train" / "data_tfrecord-00001-of-00002").unlink()
    else:
        path = tmp_path / "index" / "train.frames"
        path.write_bytes(path.read_bytes()[:-FRAME.itemsize] if change == "frames" else b"")
    with pytest.raises(InputError, match=r"index/train\.videos: not the index of the records beside it; ingest again"):
        FrameIndex.open(data, "train")


def test_a_shard_that_was_cut_is_named(data, tmp_path):
    first, _ = sorted((tmp_path / "Split-train").iterdir())
    index = FrameIndex.open(data, "train")
    first.write_bytes(first.read_bytes()[:40])
    with pytest.raises(InputError, match=r"data_tfrecord-00000-of-00002: shorter than its index says; ingest again"):
        index.read(np.array([2, 4]))
    with pytest.raises(InputError, match=r"data_tfrecord-00000-of-00002: 40 bytes, \d+ by the manifest; ingest again"):
        FrameIndex.open(data, "train")


ENDS = """
import sys
from expansion.spec import Spec
from expansion.data.clips import training_clips
from expansion.data.dataset import VideoDataset
from expansion.recipe import ClipSettings
clips = iter(training_clips(VideoDataset.open(sys.argv[1]), Spec(frames=4, stride=2, size=32), ClipSettings(), 4, 0))
next(clips)
"""


@pytest.mark.slow
def test_a_process_ends_while_clips_are_being_read(demo_records):
    """Its iterator lives to the end, when threads on their way into Python would be waited for without end."""
    subprocess.run([sys.executable, "-c", ENDS, demo_records.path], check=True, timeout=600)
