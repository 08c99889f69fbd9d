"""The clips of a training whose batches change their shape: each step's own, in any process and on any number of devices."""

import numpy as np
import pytest
import tensorflow as tf

from expansion.data.clips import choose_clip, chosen_in_epoch
from expansion.data.scheduled import of_shape, scheduled_clips
from expansion.data.videos import Video, open_videos
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.multigrid import long_cycle, strides
from expansion.recipe.schedule import Schedule
from expansion.spec import NAMED, Spec

SPEC = Spec(frames=4, stride=1, size=32)
SCHEDULE = Schedule(SPEC, Recipe(epochs=12, batch=4, multigrid="both", long_cycles=1), 48)
CLIPS = ClipSettings()


def labels_by_step(data, first=0, **sharing):
    """Labels of each step, in the order of the steps, from the epoch `first` on."""
    feeds = {shape: scheduled_clips(data, SCHEDULE, shape, CLIPS, 7, first_epoch=first, **sharing).as_numpy_iterator()
             for shape in SCHEDULE.shapes}
    found = []
    for epoch in SCHEDULE.epochs[first:]:
        for step in range(epoch.steps):
            shape = epoch.shape(step)
            clips, labels = next(feeds[shape])
            devices = sharing.get("devices", 1)
            assert clips.shape == (4 * shape.factor // devices, shape.frames, shape.size, shape.size, 3)
            found.append([labels, *(next(feeds[shape])[1] for _ in range(devices - 1))])
    return found


@pytest.fixture(scope="module")
def steps(demo_records):
    return [labels for (labels,) in labels_by_step(demo_records)]


@pytest.mark.slow
def test_steps_take_an_epochs_clips_in_turn(demo_records, steps):
    videos = open_videos(demo_records, "train")
    in_epoch = chosen_in_epoch(demo_records, videos, lambda video, seed: choose_clip(video, seed, SPEC, CLIPS), 7)
    place = 0
    for number, epoch in enumerate(SCHEDULE.epochs):
        clips = 4 * epoch.factor
        expected = [int(cut.label) for cut in in_epoch(tf.constant(number, tf.int64)).take(clips)]
        assert np.concatenate(steps[place:place + epoch.steps]).tolist() == expected
        if clips >= 48:
            assert sorted(expected[:48]) == sorted(6 * list(range(8)))  # every video once before any comes again
        place += epoch.steps


@pytest.mark.slow
def test_they_begin_at_any_epoch(demo_records, steps):
    first = len(SCHEDULE.epochs) // 2
    place = SCHEDULE.epochs[first].first
    assert all(np.array_equal(a, b) for (a,), b in zip(labels_by_step(demo_records, first), steps[place:], strict=True))


@pytest.mark.slow
def test_devices_are_dealt_the_clips_of_a_step(demo_records, steps):
    for shares, labels in zip(labels_by_step(demo_records, devices=2), steps, strict=True):
        assert all(np.array_equal(share, labels[device::2]) for device, share in enumerate(shares))


def test_strides_come_from_the_shapes_range():
    spec = NAMED["M"]
    video = Video(tf.range(300, dtype=tf.int64), tf.constant(1), tf.constant(240), tf.constant(320))
    for shape in long_cycle(spec):
        low, high = strides(spec, shape.frames)
        own, found = spec.replace(frames=shape.frames), set()
        for number in range(60):
            cut = choose_clip(video, tf.constant([number, 3], tf.int64), own, CLIPS, (low, high))
            (stride,) = set(np.diff(cut.frames))
            found.add(int(stride))
        assert low <= min(found) and max(found) <= high and (high - low > 10 or found == set(range(low, high + 1)))


def test_the_least_short_side_follows_the_crop_and_the_largest_stays():
    """256 to 320 pixels at a crop of 224 are 181 to 320 at 158 (PySlowFast)."""
    settings = ClipSettings(jitter=(256 / 224, 320 / 224))
    low, high = of_shape(settings, NAMED["M"], long_cycle(NAMED["M"])[0]).jitter
    assert (round(158 * low), round(158 * high)) == (181, 320)
