"""Decodes one video as a player would show it: order, timing, rotation, pixel shape. One frame in memory at a time."""

from __future__ import annotations

import math
import os
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.reformatter import VideoReformatter
from PIL import Image
from PIL.Image import Transpose

from expansion.video.libav_errors import libav_errors
from expansion.video.settings import VideoSettings

# Containers that hold their own video. Playlists, which make the library open other files, are not among them.
DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,mpegvideo,flv,asf,ogg,m4v,h264,hevc,dv,mxf"
MAX_CODED_PIXELS = 1 << 26  # a larger coded frame is not decoded at all
CUT_OFF = ("ended prematurely", "LZW decode failed")  # all that libav says where a container or GIF is cut off
TS_PACKETS = (188, 192, 204)  # bytes; an MPEG transport stream is a whole number of them
SHORTFALL = 0.1  # share of the declared duration that may be absent before a video counts as truncated
BT709_HEIGHT = 720  # a player takes untagged video of at least this height for BT.709, below for BT.601
BT709, BT601 = 1, 5
KNOWN_COLORSPACES = (1, 4, 5, 6, 7, 9)  # of libav, without "unspecified" and those that a conversion cannot take


class Rejected(Exception):
    """A video that cannot be used: a short stable code and what was found."""

    def __init__(self, code: str, detail: str):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True)
class Picture:
    """A decoded frame on its way.

    Attributes:
        frame: the library's frame, stored orientation.
        time: seconds at which it comes on screen.
        until: seconds at which it leaves the screen.
        aspect: width over height of one pixel; None where the video does not say.
    """

    frame: av.VideoFrame
    time: float
    until: float
    aspect: Fraction | None


class Deadline:
    """Raises Rejected("timeout") once the seconds are over."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self._end:
            raise Rejected("timeout", f"not decoded within {self._seconds:g} s")


def open_video(path: str):
    """An open container with a video stream, its other streams discarded.

    Raises:
        Rejected: missing, unreadable, empty, or no_video.
    """
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):
            raise Rejected("unreadable", "not a regular file")
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise Rejected("missing", "no such file") from None
    except (OSError, ValueError) as error:
        raise Rejected("unreadable", getattr(error, "strerror", None) or str(error)) from None
    if not state.st_size:
        raise Rejected("empty", "0 bytes")
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    try:
        container = av.open("file:" + os.path.abspath(path), options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError, OSError) as error:
        raise Rejected("unreadable", f"not a video: {_first_line(error)}") from None
    if not container.streams.video:
        container.close()
        raise Rejected("no_video", "no video stream")
    return container


def pictures(path: str, settings: VideoSettings, start: float | None = None, end: float | None = None) -> Iterator[Picture]:
    """The frames on screen between start and end, in display order; times count from the video's first frame.

    Raises:
        Rejected: what `open_video` raises, and no_frames, decode_error, truncated, too_big, timeout.
    """
    deadline = Deadline(settings.timeout)
    errors: list[str] = []
    with libav_errors(errors):
        container = open_video(path)
    with container:
        stream = container.streams.video[0]
        context = stream.codec_context
        if context is None:
            raise Rejected("no_video", "no decoder for the video stream")
        if context.width * context.height > MAX_CODED_PIXELS or max(context.width, context.height) > settings.max_side:
            raise Rejected("too_big", f"{context.width}x{context.height} pixels, at most {settings.max_side} a side")
        context.thread_count = 1  # the workers are parallel already; frames before an error are then always the same
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate
        usual = float(1 / rate) if rate and 1 <= rate <= 1000 else 1 / 25
        count, first, waiting = 0, None, None
        try:
            if start:
                _seek(container, stream, start)
                first = float((stream.start_time or 0) * stream.time_base)
            for frame, moment in _timed(container, stream, usual, deadline, errors):
                count += 1
                first = moment if first is None else first
                at = moment - first
                if waiting is not None:
                    picture = Picture(waiting[0], waiting[1], at, stream.sample_aspect_ratio)
                    if end is not None and picture.time >= end:
                        waiting = None
                        return
                    if start is None or picture.until > start:
                        yield picture
                waiting = (frame, at)
            if waiting is not None and (end is None or waiting[1] < end):
                frame, at = waiting
                length = float(frame.duration * stream.time_base) if getattr(frame, "duration", 0) else usual
                if start is None or at + length > start:
                    yield Picture(frame, at, at + length, stream.sample_aspect_ratio)
        except (av.FFmpegError, ValueError, OSError, MemoryError) as error:
            raise Rejected("decode_error", f"after {count} frames: {_first_line(error)}") from None
        if not count:
            raise Rejected("no_frames", "the video stream holds no frame that can be decoded")
        whole = start is None and end is None
        if whole and container.format.name == "mpegts" and all(os.path.getsize(path) % size for size in TS_PACKETS):
            raise Rejected("truncated", f"{count} frames, then a part of a packet")
        declared = _declared(stream)
        decoded = waiting[1] + usual if waiting else 0.0
        if whole and declared is not None and declared - decoded > max(SHORTFALL * declared, 2 * usual):
            raise Rejected("truncated", f"{count} frames, {decoded:.2f} s of the {declared:.2f} s it declares")


def _first_line(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:200]


def _seek(container, stream, start: float) -> None:
    """To the keyframe at or before the start; a file that cannot seek is decoded from its beginning."""
    try:
        container.seek(int((stream.start_time or 0) + start / stream.time_base), stream=stream, backward=True)
    except av.FFmpegError:
        pass


def _declared(stream) -> float | None:
    """Seconds that the stream itself declares; None where only the container, with its sound, does."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = tag.strip("\0 ").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def _timed(container, stream, usual: float, deadline: Deadline, errors: list[str]) -> Iterator[tuple[av.VideoFrame, float]]:
    """Frames in the decoder's order, which is the display order, with strictly rising seconds.

    Presentation timestamps are taken as long as they fall behind no more often than decoding timestamps do: old AVI
    files (packed B-frames) state them in the wrong order, and there the decoding timestamps rise. A time that does not
    rise after all is put half a frame after the last one, a whole frame if it is not the first such.
    """
    before, stuck = None, False
    last = {"pts": None, "dts": None}
    faults = {"pts": 0, "dts": 0}
    packets = container.demux(stream)
    while True:
        with libav_errors(errors):
            packet = next(packets, None)
        if packet is None:
            return
        deadline.check()
        if packet.is_corrupt:
            raise Rejected("truncated", "a packet is cut off")
        cut_off = any(mark in message for message in errors for mark in CUT_OFF)
        errors.clear()
        if cut_off:
            raise Rejected("truncated", "the file ends within a frame")
        with libav_errors(errors):
            frames = packet.decode()
        for frame in frames:
            deadline.check()
            if frame.is_corrupt:
                raise Rejected("decode_error", "a frame is damaged")
            stamps = {"pts": frame.pts, "dts": frame.dts}
            for kind, stamp in stamps.items():
                if stamp is not None:
                    faults[kind] += last[kind] is not None and stamp <= last[kind]
                    last[kind] = stamp
            better, other = ("pts", "dts") if faults["pts"] <= faults["dts"] else ("dts", "pts")
            stamp = stamps[other] if stamps[better] is None else stamps[better]
            moment = None if stamp is None else float(stamp * (frame.time_base or stream.time_base))
            if before is not None and (moment is None or moment <= before):
                moment, stuck = before + usual / (1 if stuck or moment is None else 2), True
            else:
                moment, stuck = moment or 0.0, False
            before = moment
            yield frame, moment


def sampled(pictures: Iterator[Picture], fps: float | None, start: float | None,
            end: float | None) -> Iterator[tuple[Picture, int]]:
    """(picture, times it is stored): at each instant k / fps from the start, the frame that is on screen.

    Without a rate each picture is stored once.
    """
    step = None if fps is None else 1 / Fraction(fps).limit_denominator(1_000_000)
    origin, index = start, 0
    for picture in pictures:
        if step is None:
            yield picture, 1
            continue
        origin = picture.time if origin is None else origin
        stop = picture.until if end is None else min(picture.until, end)
        first = index
        # A hair of tolerance: timestamps are rounded to the container's clock, often a millisecond.
        index = max(index, math.ceil((Fraction(stop) - Fraction(origin) - Fraction(1, 2000)) / step))
        if index > first:
            yield picture, index - first


def display_turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """(swap axes, flip horizontally, flip vertically), in this order, from the frame's display matrix."""
    for data in frame.side_data.keys() if hasattr(frame.side_data, "keys") else frame.side_data:
        if getattr(getattr(data, "type", None), "name", "") == "DISPLAYMATRIX":
            a, b, _, c, d = struct.unpack("=9i", bytes(data)[:36])[:5]
            if abs(b) + abs(c) > abs(a) + abs(d):
                return True, c < 0, b < 0
            return False, a < 0, d < 0
    return False, False, False


def stored_size(width: int, height: int, aspect: Fraction | None, settings: VideoSettings) -> tuple[int, int]:
    """(width, height) at which a frame of that coded size and pixel aspect ratio is stored, before any turn.

    Raises:
        Rejected: too_small or too_big.
    """
    aspect = aspect if aspect and Fraction(1, 10) <= aspect <= 10 else Fraction(1)
    shown_width = width * aspect if aspect >= 1 else Fraction(width)
    shown_height = Fraction(height) if aspect >= 1 else height / aspect
    short = min(shown_width, shown_height)
    if min(width, height) < settings.min_side:
        raise Rejected("too_small", f"{width}x{height} pixels, at least {settings.min_side} a side")
    if max(width, height) > settings.max_side:
        raise Rejected("too_big", f"{width}x{height} pixels, at most {settings.max_side} a side")
    scale = Fraction(settings.short_side) / short
    if scale > 1 and not settings.upscale:
        scale = Fraction(1)
    size = (max(1, round(shown_width * scale)), max(1, round(shown_height * scale)))
    if max(size) > settings.max_side:
        raise Rejected("too_big", f"{size[0]}x{size[1]} pixels once its shape is applied, at most {settings.max_side} a side")
    return size


def to_image(frame: av.VideoFrame, size: tuple[int, int], reformatter: VideoReformatter) -> Image.Image:
    """The frame at (width, height), turned upright: a YCbCr image as JPEG holds it (BT.601, full range).

    A reformatter kept for the whole video keeps its scaling tables.
    """
    space = frame.colorspace if frame.colorspace in KNOWN_COLORSPACES else None
    if space is None:
        space = BT709 if min(frame.width, frame.height) >= BT709_HEIGHT else BT601
    scaled = reformatter.reformat(
        frame, *size, format="yuvj444p", src_colorspace=int(space), dst_colorspace=BT601, interpolation="BICUBIC",
        threads=1,
    )  # fmt: skip
    # Pillow reads the planes where they lie; PyAV's to_ndarray costs three times the scaling.
    planes = [Image.frombuffer("L", size, plane, "raw", "L", plane.line_size, 1) for plane in scaled.planes]
    image = Image.merge("YCbCr", planes)
    swap, flip_x, flip_y = display_turn(frame)
    turns = (Transpose.TRANSPOSE, Transpose.FLIP_LEFT_RIGHT, Transpose.FLIP_TOP_BOTTOM)
    for wanted, turn in zip((swap, flip_x, flip_y), turns):
        image = image.transpose(turn) if wanted else image
    return image
