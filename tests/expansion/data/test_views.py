"""The views of evaluation: the paper's crops, nothing counted twice, the same clips however they are chunked."""

import numpy as np
import pytest
import tensorflow as tf

from expansion.data import views as views_module
from expansion.data.videos import parse
from expansion.data.views import ViewCutter, crop_corners, evaluation_views
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.recipe import ClipSettings
from expansion.spec import NAMED, Spec
from tests.expansion.data.test_clips import grey, record

SPEC = Spec(frames=2, stride=3, size=16)


def corners(height, width, side, crops):
    tops, lefts = crop_corners(*(tf.constant(value) for value in (height, width, side)), crops)
    return list(zip(tops.numpy().tolist(), lefts.numpy().tolist()))


@pytest.mark.parametrize("height, width, side, crops, expected", [
    (180, 320, 180, 3, [(0, 0), (0, 70), (0, 140)]),  # left, centre, right
    (320, 180, 180, 3, [(0, 0), (70, 0), (140, 0)]),  # top, centre, bottom of an upright video
    (180, 320, 160, 3, [(10, 0), (10, 80), (10, 160)]),
    (180, 180, 180, 3, [(0, 0)]),  # three times the same
    (180, 320, 160, 1, [(10, 80)]),
])
def test_crops_lie_along_the_long_side(height, width, side, crops, expected):
    assert corners(height, width, side, crops) == expected


@pytest.mark.parametrize("name, short", [("XS", 182), ("S", 182), ("M", 256), ("L", 356), ("XL", 356)])
def test_three_crops_are_as_large_as_pyslowfasts(name, short):
    settings, crop = ClipSettings(crops=3), NAMED[name].size
    assert settings.evaluation_size(crop) == short and settings.window(crop, short) == 1.0
    assert ClipSettings().evaluation_size(crop) == crop
    assert ClipSettings().window(crop, crop) == pytest.approx(112 / 128)


def test_two_crops_are_an_error():
    with pytest.raises(InputError, match="clips: crops is 2"):
        parse_settings(ClipSettings, {"crops": 2}, "clips")


def all_views(settings, video, spec=SPEC, size=None):
    cutter = ViewCutter(spec, settings, size)
    views = cutter.views(video)
    return [cutter.chunk(video, views, number).numpy() for number in range(int(cutter.chunks(views)))]


def test_ten_views_of_three_crops_are_thirty():
    chunks = all_views(ClipSettings(views=10, crops=3), parse(record(frames=20)))
    clips = np.concatenate(chunks)
    assert len(chunks) == 3 and clips.shape == (30, 2, 18, 18, 3)
    starts = np.unique(np.rint(np.linspace(0, 16, 10)).astype(int)).tolist()
    assert grey(clips)[:, 0].tolist() == starts * 3 and (np.diff(grey(clips)) == 3).all()


def test_short_and_square_videos_have_fewer_views():
    settings = ClipSettings(views=10, crops=3)
    assert len(np.concatenate(all_views(settings, parse(record(frames=5))))) == 2 * 3
    assert len(np.concatenate(all_views(settings, parse(record(frames=2, width=40))))) == 1


def striped(width=60):
    """A video whose grey value is its column times four."""
    image = np.broadcast_to(np.arange(width, dtype=np.uint8)[None, :, None] * 4, (40, width, 3))
    jpeg = tf.io.encode_jpeg(image, quality=100).numpy()
    return parse(record())._replace(frames=tf.constant([jpeg] * 8), height=tf.constant(40), width=tf.constant(width))


def test_the_crops_show_left_centre_and_right():
    left, centre, right = (chunk.mean() / 4 for chunk in all_views(ClipSettings(views=1, crops=3), striped()))
    assert (left, centre, right) == pytest.approx((19.5, 29.5, 39.5), abs=0.3)


@pytest.mark.parametrize("size", [None, 12, 40])
def test_chunks_hold_the_same_clips_however_small_they_are(monkeypatch, size):
    settings, video = ClipSettings(views=7, crops=3), parse(record(frames=12))
    whole = all_views(settings, video, size=size)
    monkeypatch.setattr(views_module, "CHUNK_BYTES", 3 * SPEC.frames * 3 * (size or 18) ** 2)
    parts = all_views(settings, video, size=size)
    assert [len(part) for part in parts] == [3, 3, 1] * 3 and len(whole) == 3
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(whole))


def test_no_chunk_of_the_largest_network_is_larger_than_stated():
    cutter = ViewCutter(NAMED["XL"], ClipSettings(crops=3))
    assert cutter.chunk_views * NAMED["XL"].frames * 356 * 356 * 3 <= views_module.CHUNK_BYTES


@pytest.mark.slow
def test_views_of_a_split_stay_with_their_video(demo_records, monkeypatch):
    monkeypatch.setattr(views_module, "CHUNK_BYTES", 2 * SPEC.frames * 3 * 18**2)
    batches = list(evaluation_views(demo_records, "val", SPEC, ClipSettings(views=3, crops=3), 7))
    numbers = np.concatenate([numbers.numpy() for _, numbers in batches])
    # Square videos have one crop.
    assert numbers.tolist() == [number for number in range(24) for _ in range(3)]
    assert {clips.shape[1:] for clips, _ in batches} == {(2, 18, 18, 3)}
