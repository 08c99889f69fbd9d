"""Opens a video and finds the stream that a player shows; what the container declares, and whether it is whole."""

from __future__ import annotations

import os
import stat
import struct

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
BEYOND = 1.2  # share of the declared duration that a last frame may reach
FILLED = 0.9  # share of an MP4's bytes for samples that its tables must name
ALL_BUT_PADDING = 0.99  # share of an AVI file that its lists must take; some writers add padding


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


def leaves_screen(container, stream, path: str, packets: int, until: float, usually: float) -> float:
    """Seconds at which the last frame leaves the screen: later than it says where the container, which is whole, declares more.

    What a recorder writes when the picture changes stays until the end; where frames are stored out of order, only the
    container knows how long.

    Args:
        packets: of the stream, as read.
        until: seconds at which the frame itself says it ends. Not believed where that is far behind what is declared.
        usually: seconds at which it would end if it were as long as others.
    """
    declared = declared_seconds(container, stream)
    if declared is None:
        return until
    if until > BEYOND * max(declared, usually):
        return usually
    return declared if declared > until and is_whole(container, stream, path, packets) else until


def is_whole(container, stream, path: str, packets: int) -> bool:
    """Whether all frames that the file holds were read, by its own tables. Then what it declares beyond is a frame that is held.

    Args:
        packets: of the stream, as read.
    """
    kind = family(container)
    if kind == "mov":
        return bool(stream.frames) and packets >= stream.frames and _samples_fill_file(container, path)
    return kind == "avi" and packets >= (_frames_in_avi(path) or packets + 1)


def _samples_fill_file(container, path: str) -> bool:
    """Whether the samples of an MP4's tables take the bytes that its boxes have for them; damaged tables name too few."""
    size, at, room = os.path.getsize(path), 0, 0
    with open(path, "rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                length = int.from_bytes(file.read(8), "big")
            length = length or size - at
            if length < 8 or at + length > size:
                return False
            room += length if kind == b"mdat" else 0
            at += length
    entries = (stream.index_entries for stream in container.streams)
    return sum(of_it[n].size for of_it in entries for n in range(len(of_it))) >= FILLED * room - 64


def _frames_in_avi(path: str) -> int | None:
    """Frames of an AVI's video, dropped ones, which are empty, left out; None where its lists are not whole."""
    size, at, frames = os.path.getsize(path), 0, 0
    with open(path, "rb") as file:
        while at + 8 <= size:
            file.seek(at)
            kind, length = struct.unpack("<4sI", file.read(8))
            if kind in (b"RIFF", b"LIST"):
                if at + 8 + length > size + 1:
                    return None
                form = file.read(4)
                at += 12 if form.startswith(b"AVI") or form in (b"movi", b"rec ") else 8 + length + length % 2
                continue
            frames += kind[2:] in (b"dc", b"db") and length > 0
            at += 8 + length + length % 2
    return frames if at >= ALL_BUT_PADDING * size and at <= size + 1 else None
