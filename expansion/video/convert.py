"""A decoded frame to an upright picture of the stored size: shape, rotation, colours."""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from fractions import Fraction

import av
from av.filter import Graph
from av.video.reformatter import VideoReformatter
from PIL import Image
from PIL.Image import Transpose

from expansion.video.reasons import Rejected
from expansion.video.settings import VideoSettings

BT709_HEIGHT = 720  # a player takes untagged video of at least this height for BT.709, below for BT.601
BT709, BT601 = 1, 5
KNOWN_COLORSPACES = (1, 4, 5, 6, 7, 9)  # of libav, without "unspecified" and those that a conversion cannot take
HDR_TRANSFERS = {16: "smpte2084", 18: "arib-std-b67"}  # PQ and HLG, numbered as in ITU-T H.273
WIDE_PRIMARIES = {9: "bt2020", 11: "smpte431", 12: "smpte432"}  # BT.2020 and the two of P3
CONVERTERS = 8  # kept by a thread: one takes 3 seconds of a core to make its tables, and videos of a set are alike

_kept = threading.local()


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

    HDR and wide colours become what they are on a screen of BT.709. A reformatter kept for the whole video keeps its
    scaling tables.
    """
    if frame.color_trc in HDR_TRANSFERS or frame.color_primaries in WIDE_PRIMARIES:
        scaled = _on_usual_screen(frame, size)
    else:
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


def _on_usual_screen(frame: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """An HDR or wide-gamut frame at (width, height) in BT.709 light: FFmpeg's scale filter maps the tones and the gamut."""
    key = (frame.width, frame.height, frame.format.name, frame.color_trc, frame.color_primaries, frame.colorspace,
           frame.color_range, size)
    kept: OrderedDict = _kept.__dict__.setdefault("graphs", OrderedDict())
    graph = kept.pop(key, None)
    if graph is None:
        graph = _converter(frame, size)
    kept[key] = graph
    if len(kept) > CONVERTERS:
        kept.popitem(last=False)
    graph.vpush(frame)
    return graph.vpull()


def _converter(frame: av.VideoFrame, size: tuple[int, int]) -> Graph:
    known = frame.colorspace in KNOWN_COLORSPACES
    options = [
        f"{size[0]}:{size[1]}:flags=bicubic:out_transfer=bt709:out_primaries=bt709:out_color_matrix=bt601:out_range=pc",
        *([] if known else ["in_color_matrix=bt2020"]),
        *([] if frame.color_primaries in WIDE_PRIMARIES else ["in_primaries=bt2020"]),
        *([] if frame.color_trc in HDR_TRANSFERS else ["in_transfer=bt709"]),
    ]
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    nodes = source, graph.add("scale", ":".join(options)), graph.add("format", "yuv444p"), graph.add("buffersink")
    graph.link_nodes(*nodes).configure()
    return graph
