"""Videos as people's devices and programs write them, made on the spot; each frame says its own number."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from expansion.video.frames import store
from expansion.video.settings import VideoSettings

HEIGHT, WIDTH, BITS = 64, 96, 8


def number(value: int) -> np.ndarray:
    """A frame (64, 96, 3) of eight bars, black or white, that say a number of 0 to 255 in binary."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    for bit in range(BITS):
        image[8:-8, bit * WIDTH // BITS : (bit + 1) * WIDTH // BITS] = 235 if value >> bit & 1 else 20
    return image


def numbers(first: int, count: int) -> list[np.ndarray]:
    return [number((first + at) % 256) for at in range(count)]


def make(path: Path, images: Sequence[np.ndarray], *, fps: float | Fraction = 10, places: Sequence[int] | None = None,
         last: int | None = None, start: int = 0, codec: str = "libx264", pix_fmt: str = "yuv420p", gop: int = 10,
         form: str | None = None, flags: int = 0, options: dict | None = None, container: dict | None = None) -> Path:
    """Writes a video and returns its path.

    Args:
        places: of the frames, counted in frames; 0, 1, 2, ... if None.
        last: milliseconds that the last frame says it lasts.
        start: seconds at which the first frame stands on the stream's clock.
        options, container: of the codec and of the container.
    """
    clock = 1 / Fraction(fps)
    with av.open(str(path), "w", format=form, options=container or {}) as out:
        stream = out.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width, stream.pix_fmt, stream.gop_size = *images[0].shape[:2], pix_fmt, gop
        stream.codec_context.time_base, stream.codec_context.thread_count = clock, 1
        stream.codec_context.flags |= flags
        if last is not None:
            stream.codec_context.max_b_frames = 0  # the last packet is then the last frame on the screen
        stream.options = options or {}
        packets = []
        for at, image in zip(places or range(len(images)), images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = at + round(start / clock), clock
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if last is not None:
            newest = max(packets, key=lambda packet: packet.pts)
            newest.duration = int(Fraction(last, 1000) / newest.time_base)
        for packet in packets:
            out.mux(packet)
    return path


def flat(path: Path, luma: int, primaries: int, transfer: int, matrix: int) -> Path:
    """Four frames of one grey in 10 bits, with colour tags (numbers of ITU-T H.273)."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = primaries, transfer, matrix, 1
        for at in range(4):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p10le")
            for plane, value in zip(frame.planes, (luma, 512, 512)):
                plane.update(np.full(plane.buffer_size // 2, value, "<u2").tobytes())
            frame.pts, frame.time_base = at, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def with_cover(path: Path, first: bool) -> Path:
    """The MP4 with a JPEG cover in its tags, which stand before its tracks or behind them."""
    jpeg = io.BytesIO()
    Image.new("RGB", (160, 90), (200, 30, 30)).save(jpeg, "JPEG")
    data = path.read_bytes()  # its moov box is the last: nothing moves when it grows
    at = data.rindex(b"moov") - 4
    moov = data[at + 8 :]
    head = struct.unpack(">I", moov[:4])[0]  # the movie's header comes first in it
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    cover = _box(b"covr", _box(b"data", struct.pack(">II", 13, 0) + jpeg.getvalue()))
    tags = _box(b"udta", _box(b"meta", bytes(4) + handler + _box(b"ilst", cover)))
    path.write_bytes(data[:at] + _box(b"moov", moov[:head] + tags + moov[head:] if first else moov + tags))
    return path


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def tracks(path: Path, *of_tracks: tuple, form: str | None = None) -> Path:
    """Several video tracks in one file: (codec, pixel format, images, frames a second, (width, height)) each."""
    with av.open(str(path), "w", format=form) as out:
        streams = []
        for codec, pix_fmt, _, fps, size in of_tracks:
            stream = out.add_stream(codec, rate=fps)
            stream.width, stream.height = size
            stream.pix_fmt = pix_fmt
            streams.append(stream)
        for stream, (_, _, images, fps, size) in zip(streams, of_tracks):
            for at, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(*size)
                frame.pts, frame.time_base = at, Fraction(1, fps)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


def stored(path: Path, start: float | None = None, end: float | None = None, **settings):
    return store(str(path), VideoSettings(**settings), start, end)


def greys(found) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"), float) for jpeg in found.jpegs]


def said(path: Path, start: float | None = None, end: float | None = None, **settings) -> list[int]:
    """The numbers that the stored frames say."""
    return [sum(1 << bit for bit in range(BITS) if image[len(image) // 2, int((bit + 0.5) * image.shape[1] / BITS)] > 128)
            for image in greys(stored(path, start, end, **settings))]
