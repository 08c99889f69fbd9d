"""Clips: the right frames, only those decoded, deterministic; views that differ; labels that stay with their video."""

import io
import shutil

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from expansion.data import records
from expansion.data.clips import (
    choose_clip,
    cut_clip,
    decode_clip,
    frame_indices,
    jpeg_ratio,
    training_clips,
)
from expansion.data.dataset import VideoDataset
from expansion.data.frame_index import IndexWriter, index_paths
from expansion.data.videos import IndexedVideos, RecordVideos, labels_and_ids, open_videos, parse
from expansion.data.views import evaluation_views, view_starts
from expansion.foundation import files
from expansion.recipe import ClipSettings
from expansion.spec import Spec
from tests.expansion.manifests import manifest_of

STILL = ClipSettings(jitter=(1.0, 1.0), eval_scale=1.0, flip=False, views=3)


def record(frames=20, height=40, width=60, broken=(), label=3):
    """A video whose frame n has the grey value 10 n; broken frames are no JPEG at all."""
    jpeg = [
        b"not a jpeg" if n in broken
        else tf.io.encode_jpeg(np.full((height, width, 3), 10 * n, np.uint8), quality=100).numpy()
        for n in range(frames)
    ]

    def ints(*values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def texts(*values):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    return tf.train.Example(features=tf.train.Features(feature={
        records.JPEG: texts(*jpeg), records.LABEL: ints(label), records.HEIGHT: ints(height), records.WIDTH: ints(width),
        records.VIDEO_ID: texts(b"v")})).SerializeToString()


def training_clip(video, seed, spec, settings, ratio):
    return cut_clip(choose_clip(video, tf.constant(seed, tf.int64), spec, settings), spec, ratio)


def grey(clip):
    """Frame number by grey value, one a frame."""
    return np.rint(np.asarray(clip).mean(axis=(-3, -2, -1)) / 10).astype(int)


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 8), st.integers(1, 10))
def test_views_lie_inside_the_video_and_differ(total, frames, stride, views):
    spec = Spec(frames=frames, stride=stride)
    starts = view_starts(tf.constant(total), spec, views).numpy()
    last = max(total - spec.span, 0)
    assert len(set(starts)) == len(starts) == min(views, last + 1)
    assert starts.min() >= 0 and starts.max() <= last
    if views > 1:
        assert starts[0] == 0 and starts[-1] == last
    indices = frame_indices(tf.constant(int(starts[-1])), tf.constant(total), spec).numpy()
    assert len(indices) == frames and indices.max() <= total - 1
    if spec.span <= total:
        assert (np.diff(indices) == stride).all()


def test_only_the_frames_of_the_clip_are_decoded():
    spec, settings = Spec(frames=2, stride=4, size=16), STILL
    video = parse(record(frames=5, broken=(1, 2, 3)))  # one clip fits: frames 0 and 4
    clip = training_clip(video, [7, 0], spec, settings, 1)
    assert list(grey(clip)) == [0, 4]


def test_a_short_video_holds_its_last_frame():
    video = parse(record(frames=3))
    clip = training_clip(video, [1, 0], Spec(frames=4, stride=2, size=16), STILL, 1)
    assert list(grey(clip)) == [0, 2, 2, 2]


def test_training_clips_cover_all_starts():
    video = parse(record(frames=8))
    spec = Spec(frames=2, stride=3, size=16)
    starts = {int(grey(training_clip(video, [n, 5], spec, STILL, 1))[0]) for n in range(80)}
    assert starts == {0, 1, 2, 3, 4}


def pattern(height=48, width=64):
    row, column = np.mgrid[:height, :width]
    return np.stack([4 * row, 3 * column, 0 * row], -1).astype(np.uint8)


def test_decode_clip_cuts_the_window():
    image = pattern()
    jpeg = tf.constant([tf.io.encode_jpeg(image, quality=100, chroma_downsampling=False).numpy()])
    clip = decode_clip(jpeg, 8, 16, 32, 32).numpy()[0].astype(int)
    assert np.abs(clip - image[8:40, 16:48]).max() <= 6


@pytest.mark.parametrize("ratio", [2, 4])
def test_reduced_decoding_sees_the_same_window(ratio):
    jpeg = tf.constant([tf.io.encode_jpeg(pattern(), quality=100).numpy()])
    full, reduced = (decode_clip(jpeg, 8, 16, 32, 8, r).numpy().astype(int) for r in (1, ratio))
    assert np.abs(full - reduced).max() <= 16  # half a coarse pixel of the gradient


@pytest.mark.parametrize(
    "short, size, scale, ratio", [(160, 112, 1.43, 1), (320, 112, 1.43, 1), (512, 112, 1.43, 2), (40, 112, 1.4, 1)])
def test_the_reduction_never_needs_enlarging(short, size, scale, ratio):
    assert jpeg_ratio(short, size, scale) == ratio


def test_flip_mirrors_about_half_of_the_clips():
    jpeg = tf.io.encode_jpeg(pattern(), quality=100).numpy()
    video = parse(record(frames=1))._replace(frames=tf.constant([jpeg]), height=tf.constant(48), width=tf.constant(64))
    settings = ClipSettings(jitter=(1.0, 1.0), flip=True)
    spec = Spec(size=48)
    mirrored = 0
    for n in range(60):
        clip = training_clip(video, [n, 1], spec, settings, 1).numpy().astype(int)
        mirrored += clip[0, 24, 4, 1] > clip[0, 24, 40, 1]
    assert 15 < mirrored < 45
    straight = training_clip(video, [0, 1], spec, STILL, 1).numpy().astype(int)
    assert straight[0, 24, 4, 1] < straight[0, 24, 40, 1]


def take(dataset, batches):
    return [(clips.numpy(), labels.numpy()) for clips, labels in dataset.take(batches)]


@pytest.mark.slow
def test_training_clips_are_the_same_for_the_same_seed(demo_records):
    spec, settings = Spec(frames=2, stride=4, size=24), ClipSettings()
    first, again, other = (take(training_clips(demo_records, spec, settings, 8, seed), 9) for seed in (1, 1, 2))
    assert all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(first, again))
    assert not all((a[1] == b[1]).all() for a, b in zip(first, other))
    clips, labels = first[0]
    assert clips.shape == (8, 2, 24, 24, 3) and clips.dtype == np.uint8
    # An epoch of 48 videos: every class as often as every other.
    assert np.bincount(np.concatenate([labels for _, labels in first[:6]])).tolist() == [6] * 8


@pytest.fixture(params=["indexed", "cached", "streamed"])
def shards(request, tmp_path, monkeypatch):
    """Ten videos, each a class of its own, in shards of 4, 3 and 3; without an index small enough for memory, or not."""
    if request.param == "streamed":
        monkeypatch.setattr("expansion.data.clips.CACHE_BYTES", 0)
    (tmp_path / "Split-train").mkdir()
    rows = io.BytesIO(), io.BytesIO()
    index = IndexWriter(*rows)
    for shard, labels in enumerate((range(4), range(4, 7), range(7, 10))):
        if shard:
            index.next_shard()
        with tf.io.TFRecordWriter(str(tmp_path / "Split-train" / f"data_tfrecord-0000{shard}-of-00003")) as writer:
            for label in labels:
                writer.write(record(label=label))
                index.add(record(label=label))
    if request.param == "indexed":
        for path, content in zip(index_paths(str(tmp_path), "train"), rows):
            files.write_bytes(path, content.getvalue())
    return VideoDataset(str(tmp_path), manifest_of("abcdefghij", {"train": 10}, folder=tmp_path, short_side=40))


SPEC = Spec(frames=2, stride=4, size=16)


def labels_of(batches):
    return np.concatenate([labels for _, labels in batches]).tolist()


def without_index(data, folder):
    shutil.copytree(data.path, folder, ignore=shutil.ignore_patterns(records.INDEX))
    return VideoDataset.open(folder)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [Spec(frames=2, stride=4, size=24), Spec(frames=4, stride=30, size=24)])  # and past the end
def test_an_index_changes_nothing(demo_records, tmp_path, spec):
    whole = without_index(demo_records, tmp_path / "whole")
    assert isinstance(open_videos(demo_records, "train"), IndexedVideos)
    assert isinstance(open_videos(whole, "train"), RecordVideos)
    for one, other in zip(take(training_clips(demo_records, spec, ClipSettings(), 8, 3), 13),
                          take(training_clips(whole, spec, ClipSettings(), 8, 3), 13), strict=True):
        assert (one[0] == other[0]).all() and (one[1] == other[1]).all()
    views = [list(evaluation_views(data, "val", spec, ClipSettings(views=3), 5).as_numpy_iterator())
             for data in (demo_records, whole)]
    for one, other in zip(*views, strict=True):
        assert (one[0] == other[0]).all() and (one[1] == other[1]).all()


def test_what_is_not_on_this_machine_is_read_whole(demo_records, monkeypatch):
    monkeypatch.setattr(VideoDataset, "files", lambda *_: ["gs://bucket/Split-train/data_tfrecord-00000-of-00001"])
    assert isinstance(open_videos(demo_records, "train"), RecordVideos)


@pytest.mark.slow
def test_an_epoch_is_the_same_whatever_was_before_it(shards):
    stream = take(training_clips(shards, SPEC, ClipSettings(), 4, 0), 12)  # four epochs of three batches
    tf.random.set_seed(99)
    later = take(training_clips(shards, SPEC, ClipSettings(), 4, 0, first_epoch=2), 6)
    for (clips, labels), (same_clips, same_labels) in zip(stream[6:], later, strict=True):
        assert (clips == same_clips).all() and (labels == same_labels).all()
    orders = [labels_of(stream[start:start + 3]) for start in (0, 3, 6, 9)]
    assert all(sorted(order[:10]) == list(range(10)) for order in orders)  # every video once, then two more of them
    assert len({tuple(order) for order in orders}) == 4 and len({tuple(order[10:]) for order in orders}) > 1


def test_the_first_epoch_costs_nothing(shards):
    far = take(training_clips(shards, SPEC, ClipSettings(), 5, 0, first_epoch=10**12), 2)  # one by one: never
    assert sorted(labels_of(far)) == list(range(10))


@pytest.mark.slow
def test_a_video_of_two_epochs_gives_two_clips(shards):
    clips = {epoch: take(training_clips(shards, SPEC, STILL, 10, 0, first_epoch=epoch), 1)[0] for epoch in range(4)}
    starts = {int(grey(pixels[list(labels).index(3)])[0]) for pixels, labels in clips.values()}
    assert len(starts) > 1


@pytest.mark.slow
@pytest.mark.parametrize("workers, clips", [(2, 10), (3, 10), (5, 2)])  # 5 are more than there are shards
def test_workers_share_the_videos(shards, workers, clips):
    found = []
    for worker in range(workers):
        share = training_clips(shards, SPEC, STILL, 1, 0, epoch_clips=10, workers=workers, worker=worker)
        found += set(labels_of(take(share, clips)))
    assert sorted(found) == list(range(10))


@pytest.mark.slow
def test_evaluation_views_are_all_views_of_all_videos_in_order(demo_records):
    spec = Spec(frames=2, stride=4, size=24)
    labels, video_ids = labels_and_ids(demo_records, "val")
    assert len(set(video_ids)) == len(labels) == 24
    numbers = np.concatenate([n.numpy() for _, n in evaluation_views(demo_records, "val", spec, ClipSettings(views=5), 7)])
    assert numbers.tolist() == [n for n in range(24) for _ in range(5)]
