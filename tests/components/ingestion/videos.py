"""Tiny videos made on the spot, for the tests of the ingestion."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def grey(frames: int, height: int, width: int) -> np.ndarray:
    """(frames, height, width, 3) uint8: frame i is uniformly 20 + 10 i (mod 200)."""
    levels = 20 + np.arange(frames) * 10 % 200
    return np.broadcast_to(levels[:, None, None, None], (frames, height, width, 3)).astype(np.uint8)


def write_video(
    path: Path,
    frames: int | np.ndarray = 6,
    *,
    height: int = 32,
    width: int = 48,
    fps: int = 10,
    times: Sequence[int] | None = None,
    codec: str = "mpeg4",
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a video and returns its path.

    Args:
        frames: how many uniformly grey frames, or the frames themselves, (frames, height, width, 3) uint8.
        times: milliseconds at which the frames come on screen; a frame every 1 / fps seconds if None.
        rotation: degrees, counterclockwise, that a player turns it by.
        options: of the container.
    """
    images = grey(frames, height, width) if isinstance(frames, int) else frames
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as out:
        stream = out.add_stream(codec, rate=fps if times is None else 1000)
        stream.height, stream.width, stream.pix_fmt = images.shape[1], images.shape[2], pix_fmt
        stream.gop_size = 4
        stream.codec_context.thread_count = 1  # x264's threads do not always write the same bytes
        if codec in ("mpeg4",):
            stream.bit_rate = 4_000_000
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        stream.codec_context.time_base = Fraction(1, fps if times is None else 1000)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = index if times is None else times[index]
            frame.time_base = stream.codec_context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def class_folders(root: Path, classes: Sequence[str] = ("jump", "run"), each: int = 4, **kwargs) -> Path:
    """root/<class>/<n>.mp4, every video of another content."""
    for label, name in enumerate(classes):
        for number in range(each):
            images = grey(6, 32, 48).copy()
            images[:, :8, :8] = (30 * number, 80 * label, 120)
            write_video(root / name / f"{number}.mp4", images, **kwargs)
    return root
