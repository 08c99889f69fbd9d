"""Videos as people have them: what a player shows is stored; what is refused is refused with a reason that is true."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from expansion.video.decode import Rejected
from expansion.video.transport_stream import continuity
from tests.expansion.video.made import flat, greys, make, number, numbers, said, stored, tracks, with_cover

TS_PACKET = 188


def reason(path, *stretch, **settings):
    with pytest.raises(Rejected) as rejected:
        stored(path, *stretch, **settings)
    assert "\n" not in str(rejected.value)
    return rejected.value


# The last frame, and rates below one.


@pytest.mark.parametrize(("name", "codec"), [
    ("a.mp4", "libx264"), ("a.mov", "mpeg4"), ("a.mkv", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")])
def test_a_last_frame_that_is_held(tmp_path, name, codec):
    path = make(tmp_path / name, numbers(7, 20), last=1500, codec=codec)
    assert said(path) == list(range(7, 27))
    assert said(path, fps=10) == [*range(7, 26), *[26] * 15], "it stays on screen as long as it says"


def test_a_gif_that_pauses_at_its_end(tmp_path):
    frames = [Image.new("RGB", (100, 100), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], loop=0, duration=[1000, 3000, 1000])
    assert len(stored(tmp_path / "a.gif").jpegs) == 3 and len(stored(tmp_path / "a.gif", fps=10).jpegs) == 50


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.ts", "libx264")])
@pytest.mark.parametrize("fps", [Fraction(1, 2), Fraction(1, 30)])
def test_less_than_a_frame_a_second(tmp_path, name, codec, fps):
    found = stored(make(tmp_path / name, numbers(0, 4), fps=fps, codec=codec))
    assert len(found.jpegs) == 4 and found.fps == pytest.approx(float(fps), rel=1e-3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_picture_as_a_video(tmp_path, name):
    path = make(tmp_path / name, [number(5)], last=5000, codec="mpeg4")
    assert said(path) == [5] and len(stored(path, fps=2).jpegs) == 10


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv"])
def test_dropped_frames_leave_the_others_where_they_are(tmp_path, name):
    places = [0, 1, 2, 6, 7, 8, 14, 15]
    path = make(tmp_path / name, [number(place) for place in places], places=places, codec="mpeg4")
    assert said(path) == places
    assert said(path, fps=10) == [0, 1, 2, 2, 2, 2, 6, 7, 8, 8, 8, 8, 8, 8, 14, 15]


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.wmv", "wmv2"), ("a.ts", "libx264"),
                                             ("a.mpg", "mpeg2video"), ("a.gif", "gif"), ("a.flv", "flv1")])
@pytest.mark.parametrize("share", [0.4, 0.9])
def test_a_file_that_is_cut_stays_refused(tmp_path, name, codec, share):
    noise = list(np.random.default_rng(0).integers(0, 255, (30, 64, 96, 3), dtype=np.uint8))
    path = make(tmp_path / name, noise, codec=codec, fps=25, pix_fmt="rgb8" if codec == "gif" else "yuv420p")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert reason(path).code in ("truncated", "decode_error")


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mpeg4"), ("a.mkv", "libx264"), ("a.mp4", "mpeg4")])
def test_frames_that_damage_hides_are_no_last_frame_that_is_held(tmp_path, name, codec):
    noise = list(np.random.default_rng(0).integers(0, 255, (12, 64, 96, 3), dtype=np.uint8))
    data = bytearray(make(tmp_path / name, noise, codec=codec, gop=4).read_bytes())
    if name == "a.mp4":  # its table of sizes names one sample
        at = data.index(b"stsz") + 12
        data[at : at + 4] = (1).to_bytes(4, "big")
    else:
        middle = len(data) // 2
        data[middle:middle] = b"\xff" * 99
    (tmp_path / name).write_bytes(data)
    assert reason(tmp_path / name).code in ("truncated", "decode_error")


# Which stream.


@pytest.mark.parametrize("first", [True, False])
def test_a_cover_is_not_the_video(tmp_path, first):
    assert said(with_cover(make(tmp_path / "a.mp4", numbers(0, 20)), first)) == list(range(20))


def test_a_picture_or_a_preview_before_the_video(tmp_path):
    grey = [np.full((64, 96, 3), 128, np.uint8)]
    film = ("libx264", "yuv420p", numbers(0, 20), 10, (96, 64))
    still = tracks(tmp_path / "still.mkv", ("mjpeg", "yuvj420p", grey, 1, (96, 64)), film)
    preview = tracks(tmp_path / "preview.mkv", ("mjpeg", "yuvj420p", grey * 20, 10, (48, 32)), film)
    for path in (still, preview):
        assert said(path) == list(range(20)), path.name
    large = ("mpeg4", "yuv420p", [grey[0].repeat(2, 0).repeat(2, 1)] * 20, 10, (192, 128))
    declared = tracks(tmp_path / "declared.mp4", film, large)
    assert said(declared) == list(range(20)), "MP4 marks its first track as the one to show, however large the others are"
    assert said(tracks(tmp_path / "after.mkv", film, ("mjpeg", "yuvj420p", grey, 1, (96, 64)))) == list(range(20))


def test_sound_with_a_cover_is_no_video(tmp_path):
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    found = reason(with_cover(tmp_path / "a.mp4", True))
    assert found.code == "no_video" and "only a cover" in found.detail


# Stretches of streams that cannot be sought in.

LONG = {"x264-params": "scenecut=0"}
STREAMS = {
    "control.mp4": {"gop": 250, "options": LONG}, "gop250.ts": {"gop": 250, "options": LONG},
    "gop13.ts": {"gop": 13, "options": {"x264-params": "scenecut=0:keyint=13:min-keyint=13"}},
    "gop250.mpg": {"gop": 250, "codec": "mpeg2video", "options": {"sc_threshold": "1000000000"}},
    "mpeg1.mpg": {"gop": 30, "codec": "mpeg1video"}, "raw.h264": {"form": "h264", "gop": 50},
    "raw.m4v": {"codec": "mpeg4", "form": "m4v"}, "raw.m2v": {"codec": "mpeg2video", "form": "mpeg2video"},
    "a.m2ts": {"gop": 60, "form": "mpegts"},
    "a.mkv": {"gop": 250, "options": LONG}, "a.flv": {"codec": "flv1", "gop": 100}, "a.wmv": {"codec": "wmv2", "gop": 100},
    "a.avi": {"codec": "mpeg4", "gop": 100},
}  # fmt: skip


@pytest.mark.parametrize("name", list(STREAMS))
def test_a_stretch_holds_the_same_frames_in_every_container(tmp_path, name):
    path = make(tmp_path / name, numbers(0, 250), fps=25, **STREAMS[name])
    for start in (1, 4, 7):
        assert said(path, start, start + 1) == list(range(25 * start, 25 * start + 25))
    assert said(path, 9.5, None) == [*range(237, 250)] and said(path, None, 0.2) == [0, 1, 2, 3, 4]
    assert reason(path, 30.0, 31.0).code == "too_short"


def test_a_stretch_behind_a_join_counts_from_the_beginning(tmp_path):
    parts = [make(tmp_path / f"{at}.ts", numbers(20 * at, 20), start=start).read_bytes() for at, start in enumerate((50, 5, 900))]
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    assert said(tmp_path / "a.ts", 1, 5) == list(range(10, 50))


def test_a_raw_stream_without_a_rate_has_no_seconds(tmp_path):
    path = make(tmp_path / "a.hevc", numbers(0, 20), codec="libx265", form="hevc",
                options={"x265-params": "log-level=none:vui-timing-info=0"})
    import av

    with av.open(str(path)) as container:
        states_one = bool(container.streams.video[0].codec_context.framerate)
    if states_one:
        assert said(path, 1, 2) == list(range(10, 20))
    else:
        assert len(stored(path).jpegs) == 20 and reason(path, 1, 2).code == "no_clock"


# Joined streams, and those that lack something.


def pieces(tmp_path, *starts):
    return [make(tmp_path / f"piece{at}.ts", numbers(10 * at, 10), start=start).read_bytes() for at, start in enumerate(starts)]


@pytest.mark.parametrize("starts", [(0, 1, 2), (0, 0, 0), (3600, 5, 100), (5, 4000, 90000)])
def test_pieces_that_were_joined(tmp_path, starts):
    (tmp_path / "a.ts").write_bytes(b"".join(pieces(tmp_path, *starts)))
    found = stored(tmp_path / "a.ts")
    assert said(tmp_path / "a.ts") == list(range(30)) and found.fps == pytest.approx(10, rel=0.01)


def test_two_recordings_as_programme_stream(tmp_path):
    parts = [make(tmp_path / f"{at}.mpg", numbers(12 * at, 12), fps=25, codec="mpeg2video", start=start).read_bytes()
             for at, start in enumerate((100, 3))]
    (tmp_path / "a.mpg").write_bytes(b"".join(parts))
    assert said(tmp_path / "a.mpg") == list(range(24))


def test_a_piece_that_is_absent_and_packets_that_were_lost(tmp_path):
    first, _, third = pieces(tmp_path, 1, 2, 3)
    (tmp_path / "a.ts").write_bytes(first + third)
    assert "packets are missing after 0.90 s: a hole of 1.10 s" in reason(tmp_path / "a.ts").detail
    data = make(tmp_path / "whole.ts", numbers(0, 30)).read_bytes()
    video = [at for at in range(0, len(data), TS_PACKET) if int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF == 256]
    for lost in video[1:-1]:
        (tmp_path / "a.ts").write_bytes(data[:lost] + data[lost + TS_PACKET :])
        assert reason(tmp_path / "a.ts").code in ("truncated", "decode_error"), lost // TS_PACKET
    assert continuity(str(tmp_path / "whole.ts"), 256, "h264").leaps == 0


def test_a_recording_that_another_hides_is_not_lost_in_silence(tmp_path):
    """Two devices number their streams otherwise: libav sees two streams, of which a player shows one."""
    one = make(tmp_path / "1.ts", numbers(0, 10)).read_bytes()
    two = make(tmp_path / "2.ts", numbers(10, 10), container={"mpegts_start_pid": "300"}).read_bytes()
    for joined in (one + two, two + one):
        (tmp_path / "a.ts").write_bytes(joined)
        assert "another recording" in reason(tmp_path / "a.ts").detail


# Interlaced frames, and colours.


def comb(image: np.ndarray) -> float:
    """How far rows 2k and 2k + 1 differ, over rows 2k and 2k + 2; about 1 or below without a comb."""
    rows = image[: len(image) // 4 * 4]
    return np.abs(rows[0::2] - rows[1::2]).mean() / max(1e-6, np.abs(rows[0:-2:2] - rows[2::2]).mean())


def moving_bar(height: int, width: int, step: int = 24) -> list[np.ndarray]:
    """Frames of two fields, each half a frame apart, of a bar that moves sideways."""
    def bar(x):
        image = np.full((height, width, 3), 40, np.uint8)
        image[:, x : x + 40] = 220
        image[height // 2 :, width // 2 :] //= 2  # an edge, so that rows differ somewhere
        return image

    images = []
    for at in range(6):
        image = bar(20 + 2 * step * at)
        image[1::2] = bar(20 + 2 * step * at + step)[1::2]
        images.append(image)
    return images


@pytest.mark.parametrize(("name", "codec", "options"), [
    ("a.mpg", "mpeg2video", {"b": "8000000"}), ("a.ts", "libx264", {"x264-params": "tff=1", "crf": "10"}),
    ("a.avi", "mpeg4", {"b": "8000000"})])
def test_interlaced_frames_are_stored_without_a_comb(tmp_path, name, codec, options):
    flags = 0x40000 | 0x20000000  # libav's: interlaced DCT, interlaced motion estimation
    path = make(tmp_path / name, moving_bar(288, 352), fps=25, codec=codec, flags=flags, options=options)
    found = greys(stored(path, short_side=288))
    assert len(found) == 6 and max(map(comb, found)) < 2
    plain = make(tmp_path / "plain.mpg", moving_bar(288, 352), fps=25, codec="mpeg2video", options={"b": "8000000"})
    assert comb(greys(stored(plain, short_side=288))[2]) > 5, "frames that are not flagged stay as they are"


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)  # the tables of a conversion take 3 seconds


@pytest.mark.parametrize(("name", "luma", "primaries", "transfer", "matrix", "grey"), [
    ("paper in PQ", 64 + round(876 * 0.58), 9, 16, 9, (235, 255)), ("white", 64 + 876, 1, 1, 1, (250, 255)),
    ("grey", 64 + 438, 1, 1, 1, (120, 135)), slow("paper in HLG", 64 + round(876 * 0.75), 9, 18, 9, (215, 255)),
    slow("black in PQ", 64, 9, 16, 9, (0, 6)), slow("grey in BT.2020", 64 + 438, 9, 1, 9, (120, 135)),
    slow("grey in P3", 64 + 438, 12, 1, 1, (120, 135))])
def test_colours_of_hdr_and_wide_gamut(tmp_path, name, luma, primaries, transfer, matrix, grey):
    image = greys(stored(flat(tmp_path / "a.mkv", luma, primaries, transfer, matrix)))[0]
    assert grey[0] <= image.mean() <= grey[1] and image.std() < 2
