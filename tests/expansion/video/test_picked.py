"""Frames picked by number are those that ingestion stores, whatever the container; of a long video few are decoded or kept."""

from fractions import Fraction

import av
import numpy as np
import pytest

from expansion.video import picked
from expansion.video.decode import Rejected, pictures
from expansion.video.frames import store
from expansion.video.picked import pick
from expansion.video.settings import VideoSettings
from tests.components.ingestion.videos import write_video

SETTINGS = VideoSettings(short_side=32)
EVERY_SEVENTH = lambda total: range(0, total, 7)  # noqa: E731


def noise(frames: int) -> np.ndarray:
    """(frames, 32, 48, 3): frames that all differ."""
    return np.random.default_rng(0).integers(0, 255, (frames, 32, 48, 3), np.uint8)


@pytest.fixture
def long(monkeypatch):
    """Videos of a second count as long, and frames apart by a third of one are worth a seek."""
    monkeypatch.setattr(picked, "LONG", 10)
    monkeypatch.setattr(picked, "APART", 0.3)


@pytest.fixture
def decoded(monkeypatch):
    """Counts the frames that come out of the decoder."""
    counts = []

    def counted(*args):
        counts.append(0)
        for picture in pictures(*args):
            counts[-1] += 1
            yield picture

    monkeypatch.setattr(picked, "pictures", counted)
    return counts


def assert_as_stored(path, settings, choose=EVERY_SEVENTH):
    whole, found = store(path, settings), pick(path, settings, choose)
    assert found.frames == len(whole.jpegs) and (found.width, found.height) == (whole.width, whole.height)
    assert found.fps == pytest.approx(whole.fps, rel=1e-6)
    assert sorted(found.jpegs) == list(choose(len(whole.jpegs)))
    for number, jpeg in found.jpegs.items():
        assert jpeg == whole.jpegs[number], number


UNEVEN = [40 * n + (n % 3) * 7 for n in range(60)]


@pytest.mark.parametrize("change", [{}, {"fps": 4.0}, {"fps": 25.0}, {"max_frames": 9}])
@pytest.mark.parametrize("name, codec, times", [
    ("a.mp4", "libx264", None), ("a.mp4", "libx264", UNEVEN), ("a.mkv", "libx264", UNEVEN), ("a.avi", "mpeg4", None),
    ("a.ts", "libx264", None)])
def test_frames_are_those_that_are_stored(tmp_path, long, name, codec, times, change):
    path = str(write_video(tmp_path / name, noise(60), times=times, codec=codec))
    assert_as_stored(path, SETTINGS.model_copy(update=change))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_of_a_long_video_stretches_are_decoded(tmp_path, long, decoded, name):
    path = str(write_video(tmp_path / name, noise(200), codec="libx264"))
    assert_as_stored(path, SETTINGS, lambda total: [0, 1, 2, total // 2, total - 2])
    assert len(decoded) == 3 and sum(decoded) < 15  # of 200


def test_a_short_video_is_decoded_once(tmp_path, decoded):
    assert_as_stored(str(write_video(tmp_path / "a.mp4", noise(30), codec="libx264")), SETTINGS)
    assert decoded == []  # stored_frames decodes


def test_what_does_not_fit_into_memory_is_decoded_again(tmp_path, monkeypatch, decoded):
    monkeypatch.setattr(picked, "KEPT", 5000)
    path = str(write_video(tmp_path / "a.avi", noise(60)))
    assert_as_stored(path, SETTINGS)
    assert_as_stored(path, SETTINGS.model_copy(update={"fps": 7.0}))
    assert decoded == [60, 57, 60, 51]  # counted, then up to the last chosen frame


def test_an_index_that_lies_is_not_believed(tmp_path, long, monkeypatch):
    path = str(write_video(tmp_path / "a.mp4", noise(60), codec="libx264"))
    real = picked._even
    monkeypatch.setattr(picked, "_even", lambda stream, path: [stamp * 2 for stamp in real(stream, path)])
    assert_as_stored(path, SETTINGS)


def test_turned_frames_have_the_size_of_the_first(tmp_path, long):
    path = str(write_video(tmp_path / "a.mp4", noise(40), codec="libx264", rotation=90))
    assert_as_stored(path, SETTINGS, lambda total: [25])


@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_a_long_video_that_is_cut_off_is_refused(tmp_path, long, cut):
    path = write_video(tmp_path / "a.mp4", noise(100), codec="libx264", options={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[:int(cut * len(content))])
    with pytest.raises(Rejected, match="truncated|decode_error"):
        pick(str(path), SETTINGS, EVERY_SEVENTH)


def test_no_frames_enough_is_too_short(tmp_path):
    path = str(write_video(tmp_path / "a.mp4", 3))
    with pytest.raises(Rejected, match="too_short: 3 frames, at least 5"):
        pick(path, SETTINGS.model_copy(update={"min_frames": 5}), EVERY_SEVENTH)


def test_no_limit_of_a_record_holds(tmp_path):
    """A video of more than a record's bytes is answered: the frames that are needed are few."""
    path = str(tmp_path / "a.mp4")
    frame = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 640, 360, "yuv420p", 10
        for number in range(40):
            image = av.VideoFrame.from_ndarray(np.roll(frame, number, 1), format="rgb24")
            image.pts, image.time_base = number, Fraction(1, 30)
            out.mux(stream.encode(image))
        out.mux(stream.encode(None))
    settings = VideoSettings(short_side=312, max_record_mb=1)
    with pytest.raises(Rejected, match="too_long"):
        store(path, settings)
    assert sorted(pick(path, settings, lambda total: [0, total - 1]).jpegs) == [0, 39]
