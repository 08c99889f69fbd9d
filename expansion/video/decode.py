"""Decodes one video as a player would show it: order, timing, whole frames. One frame in memory at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av

from expansion.video.container import declared_seconds, family, is_whole, leaves_screen, open_video, shown_stream
from expansion.video.deinterlace import deinterlaced
from expansion.video.libav_errors import libav_errors
from expansion.video.reasons import Deadline, Rejected, first_line
from expansion.video.settings import VideoSettings
from expansion.video.timing import FALLS_BACK, JOINED, Reading
from expansion.video.transport_stream import NEW_RECORDING

MAX_CODED_PIXELS = 1 << 26  # a larger coded frame is not decoded at all
TS_PACKETS = (188, 192, 204)  # bytes; an MPEG transport stream is a whole number of them
SHORTFALL = 0.1  # share of the declared duration that may be absent before a video counts as truncated
RATES = (1e-3, 1000)  # frames a second that are believed
UNKNOWN_RATE = 25  # frames a second where none is stated
FURTHER_BACK = (0.0, 10.0, None)  # seconds before a stretch where decoding begins, tried in turn; None: from the beginning
RAW = frozenset(("h264", "hevc", "m4v", "mpegvideo", "mjpeg", "obu"))  # streams without a container
NO_CLOCK = RAW | {"gif", "dv"}  # no times to seek by
DAMAGES = ("decode_error", "truncated", "no_frames")  # what a seek into the middle of frames may seem to find
SEEK_ERROR, ROUNDING = 1e-3, 1e-6  # seconds


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


class _Further(Exception):
    """The place that a seek led to is behind the start of the stretch."""


def pictures(path: str, settings: VideoSettings, start: float | None = None, end: float | None = None) -> Iterator[Picture]:
    """The frames on screen between start and end, in display order; times count from the video's first frame.

    A seek is a guess in many containers. It is believed where the first frame after it is at or before the start; else
    decoding begins further back, at last at the beginning.

    Raises:
        Rejected: what `open_video` raises, and no_frames, no_clock, decode_error, truncated, too_big, timeout.
    """
    deadline = Deadline(settings.timeout)
    for back in FURTHER_BACK if start else (None,):
        given = False
        try:
            for picture in _pictures(path, settings, deadline, start, end, back):
                given = True
                yield picture
            return
        except _Further:
            pass
        except Rejected as reason:
            if back is None or given or reason.code not in DAMAGES:
                raise


def _pictures(path: str, settings: VideoSettings, deadline: Deadline, start: float | None, end: float | None,
              back: float | None) -> Iterator[Picture]:
    """As `pictures`, decoded from `back` seconds before the start; None: from the beginning."""
    errors: list[str] = []
    with libav_errors(errors):
        container = open_video(path)
    with container:
        stream = shown_stream(container, path, deadline)
        reading = Reading(container, stream, path, _usual(stream), deadline, errors)
        _prepare(reading, settings, start is not None or end is not None)
        first = None if back is None else _seek(reading, start, start - back)
        count, waiting = 0, None
        try:
            for frame, moment, length in deinterlaced(reading.timed()):
                if not count and first is not None and moment - first > start + SEEK_ERROR:
                    raise _Further
                count += 1
                first = moment if first is None else first
                at = moment - first
                if waiting is not None:
                    picture = Picture(waiting[0], waiting[1], at, stream.sample_aspect_ratio)
                    if end is not None and picture.time >= end - ROUNDING:
                        return
                    if start is None or picture.until > start + ROUNDING:
                        yield picture
                waiting = (frame, at, length)
        except (av.FFmpegError, ValueError, OSError, MemoryError) as error:
            raise Rejected("decode_error", f"after {count} frames: {first_line(error)}") from None
        if not count:
            raise Rejected("no_frames", "the video stream holds no frame that can be decoded")
        frame, at, length = waiting
        whole = start is None and end is None
        until = at + length
        if whole and not reading.discarded:
            until = leaves_screen(container, stream, path, reading.packets, until, at + reading.usual)
        if (end is None or at < end - ROUNDING) and (start is None or until > start + ROUNDING):
            yield Picture(frame, at, until, stream.sample_aspect_ratio)
        if whole:
            _check_whole(reading, count, max(until, at + reading.usual))


def _usual(stream) -> float:
    """Seconds that a frame lasts where it does not say so itself."""
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    usual = float(1 / rate) if rate and RATES[0] <= rate <= RATES[1] else 1 / UNKNOWN_RATE
    declared = float(stream.duration * stream.time_base) if stream.duration else 0.0
    return min(usual, declared / stream.frames) if declared > 0 and stream.frames else usual


def _prepare(reading: Reading, settings: VideoSettings, stretch: bool) -> None:
    """Sets the decoder up.

    Raises:
        Rejected: too_big; no_clock where a stretch is asked for by seconds that the stream does not know.
    """
    context = reading.stream.codec_context
    if context.width * context.height > MAX_CODED_PIXELS or max(context.width, context.height) > settings.max_side:
        raise Rejected("too_big", f"{context.width}x{context.height} pixels, at most {settings.max_side} a side")
    context.thread_count = 1  # the workers are parallel already; frames before an error are then always the same
    if stretch and family(reading.container) in RAW and not context.framerate:
        raise Rejected("no_clock", "a raw stream that states no frame rate: the seconds of start and end are not known in it")


def _seek(reading: Reading, start: float, target: float) -> float | None:
    """Goes to the keyframe at or before the target, as far as the container knows it.

    Returns:
        The time of the video's first frame on the stream's clock; None where decoding begins with that frame.

    Raises:
        _Further: the container cannot seek.
    """
    container, stream = reading.container, reading.stream
    kind = family(container)
    if target <= 0 or kind in NO_CLOCK:
        return None
    first = float((stream.start_time or 0) * stream.time_base)
    if kind in JOINED:
        steady = _first_of_steady(reading.path, start, reading.deadline)
        if steady is None:
            return None
        first = steady
    try:
        container.seek(int((first + target) / stream.time_base), stream=stream, backward=True)
    except av.FFmpegError:
        raise _Further from None
    return first


def _first_of_steady(path: str, until: float, deadline: Deadline) -> float | None:
    """Time of the first frame of a stream whose clock does not leap until some seconds; None if it does.

    Nothing but that frame is decoded: reading packets takes a small part of the time.
    """
    first = before = None
    try:
        with open_video(path) as container:
            stream = shown_stream(container, path, deadline)
            for packet in container.demux(stream):
                deadline.check()
                if packet.is_corrupt:
                    return None
                if first is None:
                    frames = packet.decode()
                    first = float(frames[0].pts * stream.time_base) if frames and frames[0].pts is not None else None
                if packet.dts is None:
                    continue
                moment = float(packet.dts * stream.time_base)
                if before is not None and not -FALLS_BACK < moment - before < NEW_RECORDING:
                    return None
                before = moment
                if first is not None and moment - first > until:
                    break
    except (av.FFmpegError, ValueError, OSError):
        return None
    return first


def _check_whole(reading: Reading, count: int, decoded: float) -> None:
    """Raises Rejected("truncated") where less of a video is there than it declares.

    Args:
        count: frames.
        decoded: seconds that they show.
    """
    container, stream = reading.container, reading.stream
    if family(container) == "mpegts" and all(os.path.getsize(reading.path) % size for size in TS_PACKETS):
        raise Rejected("truncated", f"{count} frames, then a part of a packet")
    reading.check_continuity()
    declared = declared_seconds(container, stream)
    if declared is None or declared - decoded <= max(SHORTFALL * declared, 2 * reading.usual):
        return
    if not is_whole(container, stream, reading.path, reading.packets):
        raise Rejected("truncated", f"{count} frames, {decoded:.2f} s of the {declared:.2f} s it declares")


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
