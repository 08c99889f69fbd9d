"""Several labels a video: what a clip and its frames have, from records with and without their index, to the microsecond."""

import csv

import numpy as np
import pytest
import tensorflow as tf

from expansion.data.clips import training_clips
from expansion.data.labels import CLIP_LABELS, Segments
from expansion.data.videos import IndexedVideos, RecordVideos, labelled_videos, open_videos
from expansion.recipe import ClipSettings
from expansion.spec import Spec
from expansion.tasks.segments import labels_at

SPEC = Spec(frames=3, stride=2, size=32)


def segments(*rows, fps=10.0):
    numbers, starts, ends = zip(*rows) if rows else ((), (), ())
    return Segments(tf.constant(numbers, tf.int32), tf.constant(starts, tf.float64), tf.constant(ends, tf.float64),
                    tf.constant(fps, tf.float64), tf.constant(5.0, tf.float64))


def test_a_clip_has_what_holds_at_some_time_of_it():
    """Frames 10, 12, 14 at 10 a second: 1.0 to 1.4 s. Class 4 lies between two frames, class 5 starts after it has ended."""
    label = segments((0, 0.0, 1.0), (1, 1.4, 9.0), (2, 0.0, 0.99), (3, 1.41, 2.0), (4, 1.05, 1.15), (5, 1.3, 1.1))
    assert CLIP_LABELS["clip"](label, tf.constant([10, 12, 14]), 6).numpy().tolist() == [1, 1, 0, 0, 1, 0]


def test_frames_have_what_holds_at_their_time():
    label = segments((0, 1.2, 1.2), (1, 1.1, 1.3), (1, 1.15, 1.25), (2, -9e9, 9e9), (3, 1.05, 1.15))
    found = CLIP_LABELS["frames"](label, tf.constant([10, 12, 14]), 4).numpy()
    assert found.tolist() == [[0, 0, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0]]
    expected = labels_at([1.0, 1.2, 1.4], *(np.asarray(column) for column in label[:3]), 4)
    assert (found.astype(bool) == expected).all()


def test_a_video_without_labels_has_none():
    assert CLIP_LABELS["clip"](segments(), tf.constant([0, 1]), 3).numpy().tolist() == [0, 0, 0]
    assert CLIP_LABELS["frames"](segments(), tf.constant([0, 1]), 3).numpy().tolist() == [[0, 0, 0]] * 2


def test_records_give_back_what_was_written(segment_labels, segment_records):
    written = {}
    with open(segment_labels) as file:
        for row in csv.DictReader(file):
            written.setdefault(row["path"], set()).add((row["label"], float(row["start"]), float(row["end"])))
    found = [video for split in segment_records.splits for video in labelled_videos(segment_records, split)]
    assert {video.video_id: {(segment_records.classes[number], start, end) for number, start, end in zip(*video.segments[:3])}
            for video in found} == written
    assert {video.frames for video in found} == {24} and {float(video.segments.fps) for video in found} == {12.0}
    assert {float(video.segments.length) for video in found} == {2.0}


def test_the_manifest_names_the_task_and_what_is_odd(segment_records):
    manifest = segment_records.manifest
    assert manifest.task == segment_records.task.name == "localization"
    assert manifest.label_facts["videos"] == 21 and manifest.label_facts["videos_without_labels"] == 0
    assert sum(manifest.splits["train"].per_class.values()) >= 2 * 12


@pytest.mark.parametrize("labels, shape", [("clip", (4, 8)), ("frames", (4, 3, 8))])
def test_clips_come_with_their_labels(segment_records, labels, shape):
    clips = training_clips(segment_records, SPEC, ClipSettings(), 4, 0, labels=labels)
    pixels, found = next(iter(clips))
    assert pixels.shape == (4, 3, 32, 32, 3) and found.shape == shape and found.dtype == tf.float32
    assert set(np.unique(found)) <= {0.0, 1.0} and found.numpy().any()


def test_index_and_records_say_the_same(segment_records, monkeypatch):
    indexed, whole = open_videos(segment_records, "train"), RecordVideos(segment_records, "train")
    assert isinstance(indexed, IndexedVideos)
    for number, record in zip(indexed.handles(), whole.handles()):
        one, other = indexed.video(number).label, whole.video(record).label
        for name in Segments._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
