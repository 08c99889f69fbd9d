"""Some frames of a video by their numbers, as `store` has them; of a long video no others are kept, and few are decoded."""

from __future__ import annotations

import bisect
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import av

from expansion.video.container import leaves_screen, open_video, shown_stream
from expansion.video.decode import Picture, pictures, sampled
from expansion.video.frames import encoded, frame_rate, stored_frames
from expansion.video.reasons import Rejected
from expansion.video.settings import VideoSettings

KEPT = 64 << 20  # bytes of JPEG that are kept while it is not known yet which frames are needed
LONG = 1000  # frames; a longer video is decoded only where frames are needed, if it can be
# Demuxers that seek by an index of the file's own, and codecs whose packets are frames on the screen, one each.
INDEXED, ONE_FRAME = {"mov", "mp4", "matroska", "webm"}, {"h264", "hevc", "av1", "vp9"}
SAME = 1e-4  # seconds that two sums of one timestamp may differ by
LEAD = 0.25  # seconds that are decoded before a stretch: a deinterlacer looks at the frame before
APART = 5.0  # seconds between two needed frames from which on a seek is made


@dataclass(frozen=True)
class Picked:
    """Frames of a video.

    Attributes:
        jpegs: the chosen ones by their numbers.
        frames: that the video has in all.
        fps: of them.
        width, height: pixels of each.
    """

    jpegs: dict[int, bytes]
    frames: int
    fps: float
    width: int
    height: int


@dataclass(frozen=True)
class _Layout:
    """Which picture each stored frame is: picture i comes on screen at times[i] and is stored from number firsts[i] on."""

    times: list[float]
    firsts: list[int]
    frames: int
    fps: float

    @classmethod
    def of(cls, chosen: Iterator[tuple[Picture, int]], settings: VideoSettings) -> _Layout:
        """
        Raises:
            Rejected: too_short.
        """
        times, firsts, total, last = [], [], 0, None
        for picture, count in chosen:
            times.append(picture.time)
            firsts.append(total)
            total, last = total + count, picture
            if settings.max_frames is not None and total >= settings.max_frames:
                total = settings.max_frames
                break
        if total < max(1, settings.min_frames):
            raise Rejected("too_short", f"{total} frames, at least {settings.min_frames}")
        return cls(times, firsts, total, frame_rate(settings, total, times[0], last))

    def place(self, number: int) -> int:
        """The picture that a stored frame is."""
        return bisect.bisect_right(self.firsts, number) - 1


class _Elsewhere(Exception):
    """A seek did not lead to the frame that the index promises."""


def pick(path: str, settings: VideoSettings, choose: Callable[[int], Iterable[int]]) -> Picked:
    """The chosen frames of a video, equal to those that `store` gives. Memory: KEPT, the chosen JPEGs and one frame.

    Of a long video in an indexed container only the stretches with chosen frames are decoded; any other is decoded from its
    beginning to its end, twice if its frames do not fit into KEPT. `max_record_mb` is no limit here.

    Args:
        choose: of the number of frames, the numbers that are wanted.

    Raises:
        Rejected: the reasons of `store` but too_long. Damage in stretches that are not decoded is not seen.
    """
    index, seconds = _read_index(path)
    settings = settings.model_copy(update={"timeout": settings.timeout + seconds})
    if index:
        layout = _Layout.of(sampled(iter(index), settings.fps, None, None), settings)
        try:
            return _encode(layout, choose, lambda places: _sought(path, settings, layout, places), settings)
        except _Elsewhere:
            pass
    if (found := _kept(path, settings, choose)) is not None:
        return found
    layout = _Layout.of(sampled(pictures(path, settings), settings.fps, None, None), settings)
    return _encode(layout, choose, lambda places: _in_order(path, settings, places), settings)


def _kept(path: str, settings: VideoSettings, choose) -> Picked | None:
    """All frames in one pass, then the chosen ones; None where they do not fit into KEPT."""
    jpegs: list[bytes] = []
    size, shape = 0, None

    def stored() -> Iterator[tuple[Picture, int]]:
        nonlocal size, shape
        for jpeg, count, picture, pixels in stored_frames(path, settings):
            size, shape = size + len(jpeg), shape or pixels
            jpegs.extend([jpeg] * count)
            yield picture, count
            if size > KEPT:
                return

    layout = _Layout.of(stored(), settings)
    return None if size > KEPT else Picked({n: jpegs[n] for n in choose(layout.frames)}, layout.frames, layout.fps, *shape)


def _encode(layout: _Layout, choose, find: Callable[[list[int]], Iterator[Picture]], settings: VideoSettings) -> Picked:
    """
    Args:
        find: of places in the layout, rising, the pictures there.
    """
    numbers = list(choose(layout.frames))
    places = sorted({0, *map(layout.place, numbers)})  # all frames have the size of the first one
    jpegs, shape = {}, None
    for place, (jpeg, _, _, size) in zip(places, encoded(((picture, 1) for picture in find(places)), settings)):
        jpegs[place], shape = jpeg, shape or size
    return Picked({n: jpegs[layout.place(n)] for n in numbers}, layout.frames, layout.fps, *shape)


def _in_order(path: str, settings: VideoSettings, places: list[int]) -> Iterator[Picture]:
    """The pictures at some places, all before the last one decoded."""
    wanted = set(places)
    for place, (picture, _) in enumerate(sampled(pictures(path, settings), settings.fps, None, None)):
        if place in wanted:
            yield picture
        if place == places[-1]:
            return


def _sought(path: str, settings: VideoSettings, layout: _Layout, places: list[int]) -> Iterator[Picture]:
    """The pictures at some places, each stretch of them decoded from the keyframe before it.

    Raises:
        _Elsewhere: what is there is not on screen at the time that the index says.
    """
    times = [layout.times[place] for place in places]
    while times:
        count = next((n for n in range(1, len(times)) if times[n] - times[n - 1] > APART), len(times))
        stretch, times = times[:count], times[count:]
        for picture in pictures(path, settings, max(0.0, stretch[0] - LEAD), stretch[-1] + SAME):
            if stretch and picture.time > stretch[0] - SAME:
                if picture.time > stretch[0] + SAME:
                    raise _Elsewhere
                stretch.pop(0)
                yield picture
        if stretch:
            raise _Elsewhere


def _read_index(path: str) -> tuple[list[Picture], float]:
    """Times of a long video's frames, and its seconds: no times where it is short or its index cannot be trusted."""
    try:
        with open_video(path) as container:
            stream = shown_stream(container, path)
            seconds = float(container.duration or 0) / av.time_base
            rate = stream.average_rate or stream.guessed_rate
            usable = (INDEXED & set(container.format.name.split(",")) and stream.codec_context is not None
                      and stream.codec_context.name in ONE_FRAME)
            if not usable or max(stream.frames, seconds * float(rate or 0)) < LONG:
                return [], seconds
            stamps = _even(stream, path) or _demuxed(container, stream)
            if not stamps or stamps[0] != (stream.start_time or 0):
                return [], seconds
            times = [(stamp - stamps[0]) * float(stream.time_base) for stamp in stamps]
            times[-1] = leaves_screen(container, stream, path, len(stamps) - 1, times[-1], times[-2])
            return [Picture(None, time, until, None) for time, until in zip(times, times[1:])], seconds
    except (av.FFmpegError, ValueError, OSError):  # the decoder says what is wrong
        return [], 0.0


def _even(stream, path: str) -> list[int]:
    """When the frames of a stream come on screen, and when the last one leaves it, in the stream's unit; from the index alone.

    None where the frames do not all last as long, or the file ends before the last of them.
    """
    entries = stream.index_entries
    count = len(entries)
    if count != stream.frames or count < LONG:
        return []
    stamps = [entries[n].timestamp for n in range(count)]
    step = stamps[1] - stamps[0]
    whole = max(entries[n].pos + entries[n].size for n in range(count)) <= os.path.getsize(path)
    if not whole or step <= 0 or any(b - a != step for a, b in zip(stamps, stamps[1:])):
        return []
    first = stream.start_time or 0
    return [first + n * step for n in range(count + 1)]


def _demuxed(container, stream) -> list[int]:
    """As `_even` from the packets, all read and none decoded; none where one is damaged or says no time."""
    stamps, end = [], 0
    for packet in container.demux(stream):
        if packet.pts is None and not packet.size:
            continue  # the last one, which is empty
        if packet.pts is None or packet.is_corrupt:
            return []
        if not packet.is_discard:
            stamps.append(packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
    stamps = [*sorted(stamps), end]
    whole = not stream.frames or stream.frames == len(stamps) - 1
    return stamps if whole and all(a < b for a, b in zip(stamps, stamps[1:])) else []
