"""Opens a video and finds the stream that a player shows; what the container declares, and whether it is whole."""

from __future__ import annotations

import os
import stat

import av

from expansion.video.reasons import Deadline, Rejected, first_line

# Containers that hold their own video. Playlists, which make the library open other files, are not among them.
DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,mpegvideo,flv,asf,ogg,m4v,h264,hevc,dv,mxf,ivf,obu,mjpeg,"
    "yuv4mpegpipe")
DECLARING = frozenset(("mov", "matroska", "avi", "flv", "asf", "mxf"))  # they state a duration; others only let one estimate it
ATTACHED_PIC, TIMED_THUMBNAILS, STILL_IMAGE = 0x400, 0x800, 0x100000  # libav's AV_DISPOSITION_*
DEFAULT = 0x1
MOVING = 5  # packets after which a stream counts as a video, as libav itself counts
ALL_BUT_PADDING = 0.99  # share of an AVI file that its lists must take; some writers add padding
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")  # ASF: the object that states the file's size
_SEGMENT = 0x18538067  # Matroska: the element of all content


def open_video(path: str):
    """An open container with a video stream.

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
    container = _open(path)
    if not container.streams.video:
        container.close()
        raise Rejected("no_video", "no video stream")
    return container


def _open(path: str):
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    try:
        return av.open("file:" + os.path.abspath(path), options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError, OSError) as error:
        raise Rejected("unreadable", f"not a video: {first_line(error)}") from None


def shown_stream(container, path: str, deadline: Deadline | None = None):
    """The stream that a player shows: no cover and no thumbnails; one that moves, the default one, the largest.

    Raises:
        Rejected: no_video, or timeout.
    """
    still = ATTACHED_PIC | TIMED_THUMBNAILS | STILL_IMAGE
    shown = [stream for stream in container.streams.video if not int(stream.disposition) & still]
    if not shown:
        raise Rejected("no_video", "no video stream, only a cover or thumbnails")
    readable = [stream for stream in shown if stream.codec_context is not None]
    if not readable:
        raise Rejected("no_video", "no decoder for the video stream")
    if len(readable) == 1:
        return readable[0]
    packets = _count_packets(path, [stream.index for stream in readable], deadline)

    def rank(stream):
        count, context = packets[stream.index], stream.codec_context
        return count > 1, int(stream.disposition) & DEFAULT, count, context.width * context.height, -stream.index

    return max(readable, key=rank)


def _count_packets(path: str, indexes: list[int], deadline: Deadline | None) -> dict[int, int]:
    """Stream -> packets, at most MOVING."""
    counts = dict.fromkeys(indexes, 0)
    try:
        with _open(path) as container:
            for packet in container.demux([container.streams[index] for index in indexes]):
                if deadline is not None:
                    deadline.check()
                if packet.size:
                    counts[packet.stream.index] = min(MOVING, counts[packet.stream.index] + 1)
                if min(counts.values()) == MOVING:
                    break
    except (av.FFmpegError, ValueError, OSError):
        pass  # what is wrong there is said where it is decoded
    return counts


def family(container) -> str:
    """The short name of a container's format."""
    return container.format.name.split(",")[0]


def declared_seconds(container, stream) -> float | None:
    """Seconds that the stream itself declares; None where only the container, with its sound, or nothing does."""
    if family(container) not in DECLARING:
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = tag.strip("\0 ").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def leaves_screen(container, stream, path: str, packets: int, until: float) -> float:
    """Seconds at which the last frame leaves the screen: later than it says where the container, which is whole, declares more.

    What a recorder writes when the picture changes stays until the end; where frames are stored out of order, only the
    container knows how long.

    Args:
        packets: of the stream, as read.
        until: seconds at which the frame itself says it ends.
    """
    declared = declared_seconds(container, stream)
    return declared if declared is not None and declared > until and is_whole(container, stream, path, packets) else until


def is_whole(container, stream, path: str, packets: int) -> bool:
    """Whether the container shows by its own count, of packets or bytes, that nothing of the stream is cut off.

    Args:
        packets: of the stream, as read.
    """
    if stream.frames and packets >= stream.frames:
        return True
    checks = {"matroska": _segment_is_whole, "avi": _riff_is_whole, "asf": _asf_is_whole}
    return family(container) in checks and checks[family(container)](path)


def _riff_is_whole(path: str) -> bool:
    """Whether an AVI file has all bytes of its lists. It may have fewer frames than it says: dropped ones are empty."""
    size, at = os.path.getsize(path), 0
    with open(path, "rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(8)
            if head[:4] != b"RIFF" or len(head) < 8:
                break
            at += 8 + int.from_bytes(head[4:], "little")
    return ALL_BUT_PADDING * size <= at <= size + 1


def _asf_is_whole(path: str) -> bool:
    """Whether an ASF (WMV) file has the bytes that its file properties state."""
    with open(path, "rb") as file:
        head = file.read(4096)
    at = head.find(_ASF_PROPERTIES)
    stated = int.from_bytes(head[at + 40 : at + 48], "little") if at >= 0 else 0
    return 0 < stated <= os.path.getsize(path)


def _segment_is_whole(path: str) -> bool:
    """Whether a Matroska file has all bytes of its segment; no where the size is not stated."""
    with open(path, "rb") as file:
        head, at = file.read(4096), 0
    while at < len(head):
        kind, at = _vint(head, at, marker=True)
        size, at = _vint(head, at)
        if kind is None or size is None:
            return False
        if kind == _SEGMENT:
            return at + size <= os.path.getsize(path)
        at += size
    return False


def _vint(data: bytes, at: int, marker: bool = False) -> tuple[int | None, int]:
    """(EBML's number of variable length at a place, where it ends); None where there is none, or it says "unknown"."""
    if at >= len(data) or not data[at]:
        return None, at
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    if not marker:
        ones = (1 << 7 * length) - 1
        value &= ones
        value = None if value == ones else value
    return value, at + length
