"""Frames as a player would show them."""

import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from components.ingestion.settings import IngestSettings
from expansion.video.convert import stored_size
from expansion.video.decode import Rejected, pictures
from expansion.video.frames import store
from tests.components.ingestion.videos import grey, write_video


def settings(**kwargs):
    return IngestSettings(**{"videos": "v", "short_side": 32, **kwargs})


def images(stored):
    return [np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in stored.jpegs]


def levels(stored):
    """Index of the source frame that each stored frame shows (see `grey`)."""
    return [round((image.mean() - 20) / 10) for image in images(stored)]


def test_every_frame_in_order_at_the_source_rate(tmp_path):
    stored = store(str(write_video(tmp_path / "a.mp4", 9)), settings())
    assert levels(stored) == list(range(9))
    assert stored.fps == pytest.approx(10) and (stored.width, stored.height) == (48, 32)


def test_b_frames_come_in_display_order(tmp_path):
    stored = store(str(write_video(tmp_path / "a.mp4", 12, codec="libx264")), settings())
    assert levels(stored) == list(range(12))


def test_rates_below_and_above_the_source(tmp_path):
    path = str(write_video(tmp_path / "a.mp4", 8))
    assert levels(store(path, settings(fps=5))) == [0, 2, 4, 6]
    assert levels(store(path, settings(fps=20))) == [i // 2 for i in range(16)]
    assert len(store(path, settings(fps=7.5)).jpegs) == 6


def test_variable_rate_shows_the_frame_on_screen(tmp_path):
    path = str(write_video(tmp_path / "a.mkv", 5, times=[0, 100, 600, 650, 1000]))
    assert levels(store(path, settings(fps=10)))[:10] == [0, 1, 1, 1, 1, 1, 2, 3, 3, 3]
    kept = store(path, settings())
    assert levels(kept) == [0, 1, 2, 3, 4] and kept.fps == pytest.approx(4)


def test_a_stretch(tmp_path):
    path = str(write_video(tmp_path / "a.mp4", 15))
    assert levels(store(path, settings(), 0.5, 0.9)) == [5, 6, 7, 8]
    assert levels(store(path, settings(), 0.55, 0.75)) == [5, 6, 7]
    assert levels(store(path, settings(fps=5), 0.5, 1.1)) == [5, 7, 9]
    with pytest.raises(Rejected, match="too_short|no_frames"):
        store(path, settings(), 20.0, 30.0)


@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_rotation_is_applied(tmp_path, degrees):
    marked = grey(4, 32, 48).copy()
    marked[:, :16, :16] = (255, 0, 0)
    stored = store(str(write_video(tmp_path / "a.mp4", marked, rotation=degrees)), settings())
    image = images(stored)[0].astype(int)
    expected = np.rot90(marked[0], degrees // 90)
    assert image.shape == expected.shape
    assert np.abs(image - expected).mean() < 8


def test_pixels_that_are_not_square(tmp_path):
    stored = store(str(write_video(tmp_path / "a.mp4", 3, height=64, width=64, aspect=Fraction(2, 1))), settings())
    assert (stored.width, stored.height) == (64, 32)


@pytest.mark.parametrize(
    ("coded", "aspect", "options", "size"),
    [
        ((640, 360), None, {}, (57, 32)),
        ((360, 640), Fraction(1), {}, (32, 57)),
        ((30, 40), None, {}, (30, 40)),
        ((30, 40), None, {"upscale": True}, (32, 43)),
        ((720, 576), Fraction(64, 45), {"short_side": 288}, (512, 288)),
        ((720, 576), Fraction(1, 1000), {"short_side": 288}, (360, 288)),
    ],
)
def test_sizes(coded, aspect, options, size):
    assert stored_size(*coded, aspect, settings(**options)) == size


def test_odd_sizes_and_ten_bits(tmp_path):
    write_video(tmp_path / "odd.mkv", grey(3, 33, 47), codec="ffv1", pix_fmt="yuv444p")
    stored = store(str(tmp_path / "odd.mkv"), settings(short_side=64))
    assert (stored.width, stored.height) == (47, 33)
    write_video(tmp_path / "ten.mkv", 3, codec="ffv1", pix_fmt="yuv420p10le")
    assert levels(store(str(tmp_path / "ten.mkv"), settings())) == [0, 1, 2]


def test_max_frames_takes_the_first(tmp_path):
    path = str(write_video(tmp_path / "a.mp4", 8))
    assert levels(store(path, settings(max_frames=3))) == [0, 1, 2]
    assert levels(store(path, settings(max_frames=3, fps=20))) == [0, 0, 1]


def reason(path, **kwargs):
    with pytest.raises(Rejected) as rejected:
        store(str(path), settings(**kwargs))
    assert "\n" not in str(rejected.value)
    return rejected.value.code


def test_reasons(tmp_path):
    whole = write_video(tmp_path / "a.mp4", 40)
    data = whole.read_bytes()

    def of(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    assert reason(tmp_path / "none.mp4") == "missing"
    assert reason(of("empty.mp4", b"")) == "empty"
    assert reason(of("text.mp4", b"not a video at all" * 50)) == "unreadable"
    assert reason(tmp_path) == "unreadable"
    assert reason(whole, min_frames=41) == "too_short"
    assert reason(whole, min_side=33) == "too_small"
    assert reason(whole, max_side=47) == "too_big"
    assert reason(whole, timeout=1e-9) == "timeout"
    assert reason(of("playlist.mp4", f"#EXTM3U\n#EXTINF:1,\nfile://{whole}\n#EXT-X-ENDLIST\n".encode())) == "unreadable"
    assert reason(of("list.mp4", f"ffconcat version 1.0\nfile '{whole}'\n".encode())) == "unreadable"
    assert data


def test_a_cut_off_video_is_rejected(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 32, 48, 3), dtype=np.uint8)
    for name, codec in (("a.mkv", "mpeg4"), ("a.avi", "mpeg4"), ("a.webm", "libvpx")):
        path = write_video(tmp_path / name, noise, codec=codec)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        assert reason(path) in ("truncated", "decode_error"), name


def test_too_long_for_one_record(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (120, 96, 96, 3), dtype=np.uint8)
    path = write_video(tmp_path / "a.mp4", noise)
    assert reason(path, max_record_mb=1, short_side=96, quality=100) == "too_long"


def test_sound_only(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert reason(path) == "no_video"


def test_a_cut_off_video_is_refused_while_others_are_decoded(tmp_path):
    path = write_video(tmp_path / "a.mkv", np.random.default_rng(0).integers(0, 255, (12, 32, 48, 3), dtype=np.uint8))
    whole = write_video(tmp_path / "whole.mkv", 6)
    path.write_bytes(path.read_bytes()[:-300])
    left = pictures(str(whole), settings())
    next(left)  # begun, and left in the middle
    cut = pictures(str(path), settings())
    next(cut)
    left.close()
    with pytest.raises(Rejected, match="truncated"):
        list(cut)
