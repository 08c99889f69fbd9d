"""One video to JPEG frames: sampled, scaled and compressed one by one."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.video.reformatter import VideoReformatter

from expansion.video.convert import stored_size, to_image
from expansion.video.decode import Picture, pictures, sampled
from expansion.video.picture_folders import folder_pictures
from expansion.video.reasons import Rejected
from expansion.video.settings import VideoSettings

HALF_CHROMA = 2  # Pillow's word for 4:2:0


@dataclass(frozen=True)
class Stored:
    """What one video became: its JPEG frames in display order, frames per second, and pixels."""

    jpegs: list[bytes]
    fps: float
    width: int
    height: int


def stored_frames(
    path: str, settings: VideoSettings, start: float | None = None, end: float | None = None
) -> Iterator[tuple[bytes, int, Picture, tuple[int, int]]]:
    """(JPEG, times it is stored, picture, (width, height)) one by one; all frames have the first one's size."""
    shown = folder_pictures if os.path.isdir(path) else pictures
    return encoded(sampled(shown(path, settings, start, end), settings.fps, start, end), settings)


def encoded(
    chosen: Iterator[tuple[Picture, int]], settings: VideoSettings
) -> Iterator[tuple[bytes, int, Picture, tuple[int, int]]]:
    """Pictures with the times that each is stored, as JPEGs: as `stored_frames` gives them."""
    size = coded = None
    reformatter = VideoReformatter()
    for picture, times in chosen:
        frame = picture.frame
        if size is None or coded != (frame.width, frame.height):
            found = stored_size(frame.width, frame.height, picture.aspect, settings)
            size, coded = size or found, (frame.width, frame.height)
        try:
            image = to_image(frame, size, reformatter)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise Rejected("decode_error", f"frame cannot be converted: {error}") from None
        out = io.BytesIO()
        image.save(out, "JPEG", quality=settings.quality, subsampling=HALF_CHROMA)
        yield out.getvalue(), times, picture, image.size


def store(path: str, settings: VideoSettings, start: float | None = None, end: float | None = None) -> Stored:
    """Decodes, samples, resizes and compresses one video. Memory: its JPEGs and one frame.

    Raises:
        Rejected: the reasons of `decode`, too_short, too_small and too_long.
    """
    jpegs: list[bytes] = []
    limit, total = settings.max_record_mb << 20, 0
    first = last = shape = None
    for jpeg, times, picture, size in stored_frames(path, settings, start, end):
        if settings.max_frames is not None:
            times = min(times, settings.max_frames - len(jpegs))
        total += times * len(jpeg)
        if total > limit:
            raise Rejected(
                "too_long", f"more than {settings.max_record_mb} MiB of frames: set fps, max_frames, or start and end"
            )
        jpegs.extend([jpeg] * times)
        first, last, shape = first or picture, picture, shape or size
        if len(jpegs) == settings.max_frames:
            break
    if len(jpegs) < max(1, settings.min_frames):
        raise Rejected("too_short", f"{len(jpegs)} frames, at least {settings.min_frames}")
    return Stored(jpegs, frame_rate(settings, len(jpegs), first.time, last), *shape)


def frame_rate(settings: VideoSettings, frames: int, first: float, last: Picture) -> float:
    """Frames per second of stored frames: the settings', else as many as lie between the first one's second and the last."""
    if settings.fps is not None:
        return float(settings.fps)
    span = last.time - first
    return float((frames - 1) / span if span > 0 else 1 / max(last.until - last.time, 1e-3))
