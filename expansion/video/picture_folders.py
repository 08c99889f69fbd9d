"""A folder of numbered pictures as a video: the frames that Charades and others are published as."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import av
from PIL import Image, UnidentifiedImageError

from expansion.video.decode import Deadline, Picture
from expansion.video.reasons import Rejected
from expansion.video.settings import VideoSettings

ENDINGS = (".jpg", ".jpeg", ".png")


def frame_files(path: str) -> list[str]:
    """The pictures of a folder in the order of the last number in their names: id-000001.jpg, id-000002.jpg, ..."""
    names = [name for name in os.listdir(path) if name.lower().endswith(ENDINGS) and not name.startswith(".")]
    numbered = sorted((int((re.findall(r"\d+", os.path.splitext(name)[0]) or ["0"])[-1]), name) for name in names)
    return [os.path.join(path, name) for _, name in numbered]


def folder_pictures(path: str, settings: VideoSettings, start: float | None = None,
                    end: float | None = None) -> Iterator[Picture]:
    """The frames on screen between start and end, as decode.pictures gives those of a file.

    Raises:
        Rejected: unreadable, also where settings.frames_fps is not given; no_frames, decode_error, timeout.
    """
    if settings.frames_fps is None:
        raise Rejected("unreadable", "a folder, not a file; of pictures, frames_fps says how many are a second (24 for Charades)")
    try:
        files = frame_files(path)
    except OSError as error:
        raise Rejected("unreadable", error.strerror or str(error)) from None
    if not files:
        raise Rejected("no_frames", "no picture in the folder")
    deadline = Deadline(settings.timeout)
    for number, file in enumerate(files):
        time, until = number / settings.frames_fps, (number + 1) / settings.frames_fps
        if (start is not None and until <= start) or (end is not None and time >= end):
            continue
        deadline.check()
        try:
            with Image.open(file) as image:
                frame = av.VideoFrame.from_image(image.convert("RGB"))
        except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
            raise Rejected("decode_error", f"{os.path.basename(file)}: {error}") from None
        yield Picture(frame, time, until, None)
