"""Whether packets of an MPEG transport stream are missing, or only recordings were joined: the packets are counted."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

import numpy as np

SIZES = ((188, 0), (192, 4), (204, 0))  # (bytes of a packet, where its sync byte is)
SYNC, CLOCK = 0x47, 90_000  # ticks a second of presentation times
NEW_RECORDING = 10.0  # seconds; a longer leap in time is another recording, a shorter one a hole
AROUND, REORDERED = 16, 4  # frames beside a leap that are looked at; frames by which storing and showing them differ
USUAL_LEAP = 1.5  # of the longest time between frames; more is a hole
# What the first packet of a frame holds with which a decoder can begin: parameter sets, an IDR slice, a sequence header.
BEGINNINGS = {
    "h264": re.compile(rb"\0\0\x01[\x25\x45\x65\x27\x47\x67]"), "hevc": re.compile(rb"\0\0\x01[\x26\x28\x2a\x40\x42]"),
    "mpeg1video": re.compile(rb"\0\0\x01\xb3"), "mpeg2video": re.compile(rb"\0\0\x01\xb3"),
}  # fmt: skip


@dataclass(frozen=True)
class Continuity:
    """Of the packets of one stream: at how many places their counter leaps, and the first hole in words, or None."""

    leaps: int
    hole: str | None


def packet_size(data: np.ndarray) -> tuple[int, int] | None:
    """(bytes of a packet, where its sync byte is); None where the packets are not in step."""
    for size, at in SIZES:
        if len(data) >= size and len(data) % size == 0 and (data[at::size] == SYNC).all():
            return size, at
    return None


def continuity(path: str, pid: int, codec: str) -> Continuity:
    """Looks at all packets of a stream. The counter of pieces that were joined leaps where a piece begins: with a frame that
    needs no other, in step with the time before, or of another time altogether. Anywhere else something is missing.

    Args:
        path: of the file.
        pid: the stream's number in it.
        codec: libav's name for what the stream holds.
    """
    data = np.memmap(path, np.uint8, "r")
    found = packet_size(data)
    if found is None:
        return Continuity(0, "its packets are out of step")
    size, at = found
    packets = data.reshape(-1, size)[:, at : at + 188]
    head = np.asarray(packets[:, :4])
    mine = _numbers(head) == pid
    mine &= (head[:, 3] & 0x10) != 0  # with a payload; the others are not counted
    rows = np.flatnonzero(mine)
    if not len(rows):
        return Continuity(0, None)
    if (head[rows, 1] & 0x80).any():
        return Continuity(0, "a packet is marked as damaged")
    counter, starts = head[rows, 3] & 15, (head[rows, 1] & 0x40) != 0
    other = _other_recording(packets, head, pid, rows)
    if other is not None:
        return Continuity(0, f"it holds another recording, under number {other} in place of {pid}, which is not read: split it")
    step = np.diff(counter.astype(int)) % 16
    leaps = [int(leap) + 1 for leap in np.flatnonzero((step != 1) & (step != 0))]
    times = {int(number): _time(packets[rows[number]]) for number in np.flatnonzero(starts)}
    return Continuity(len(leaps), _first_hole(leaps, times, lambda number: bytes(packets[rows[number]]), len(rows), codec))


def _numbers(head: np.ndarray) -> np.ndarray:
    """Of packets by their first bytes, the numbers of the streams that they are of."""
    return (head[:, 1] & 0x1F).astype(np.uint16) << 8 | head[:, 2]


def _other_recording(packets: np.ndarray, head: np.ndarray, pid: int, rows: np.ndarray) -> int | None:
    """Number of a video that lies wholly before or behind that of `pid`, as where two recordings were joined; else None."""
    starts = np.flatnonzero((head[:, 1] & 0x40 != 0) & (head[:, 3] & 0x10 != 0))
    payload = np.where(head[starts, 3] & 0x20, 5 + packets[starts, 4].astype(int), 4)
    starts, payload = starts[payload < 180], payload[payload < 180]
    code = packets[starts[:, None], payload[:, None] + np.arange(4)]
    of_video = starts[(code[:, :3] == (0, 0, 1)).all(1) & (code[:, 3] & 0xF0 == 0xE0)]
    numbers = _numbers(head[of_video])
    for other in np.unique(numbers[numbers != pid]):
        places = of_video[numbers == other]
        if places[0] > rows[-1] or places[-1] < rows[0]:
            return int(other)
    return None


def _first_hole(leaps: list[int], times: dict[int, float | None], packet, count: int, codec: str) -> str | None:
    known = [(number, moment) for number, moment in times.items() if moment is not None]
    if not known:
        return "packets are missing" if leaps else None
    beginning = known[0][1]
    numbers = [number for number, _ in known]
    places = [bisect.bisect_left(numbers, leap) for leap in (0, *leaps, count)]
    pieces = [[moment for _, moment in known[one:other]] for one, other in zip(places, places[1:])]
    near = [_gaps(piece[-AROUND:], cut_before=len(piece) > AROUND) + _gaps(other[:AROUND], cut_after=len(other) > AROUND)
            for piece, other in zip(pieces, pieces[1:])]
    every = sorted(gap for piece in pieces for gap in _gaps(piece))
    far = _gaps(pieces[0][:-AROUND], cut_after=True) + _gaps(pieces[-1][AROUND:], cut_before=True)
    far += [gap for piece in pieces[1:-1] for gap in _gaps(piece[AROUND:-AROUND], True, True)]
    longest = USUAL_LEAP * max(every[len(every) // 2] if every else 0.0, *far, 0.0)
    for leap, before, after, around in zip(leaps, pieces, pieces[1:], near):
        since = f"packets are missing after {max(before, default=beginning) - beginning:.2f} s"
        if leap not in times or not _begins(packet(leap), codec) or not before or not after:
            return since
        between = min(after) - max(before)
        hole = max([gap for gap in around if gap > longest] + [between] * (longest < between < NEW_RECORDING), default=None)
        if hole is not None:
            return f"{since}: a hole of {hole:.2f} s"
    return None


def _gaps(moments: list[float], cut_before: bool = False, cut_after: bool = False) -> list[float]:
    """Seconds between frames that are next to each other on the screen.

    Args:
        moments: of the frames, as they are stored.
        cut_before, cut_after: there are more frames before or after them, some of which belong between them.
    """
    ordered = sorted(moments)[REORDERED * cut_before : len(moments) - REORDERED * cut_after]
    return [later - sooner for sooner, later in zip(ordered, ordered[1:])]


def _payload(packet) -> int:
    """Where the payload begins in a packet."""
    return 5 + int(packet[4]) if packet[3] & 0x20 else 4


def _begins(packet: bytes, codec: str) -> bool:
    """Whether a packet begins a frame that needs no other one."""
    signalled = packet[3] & 0x20 and packet[4] and packet[5] & 0x40  # the random access indicator
    known = BEGINNINGS.get(codec)
    return bool(signalled or known and known.search(packet, _payload(packet)))


def _time(packet) -> float | None:
    """Seconds of the presentation time in the first packet of a frame; None where it states none."""
    at = _payload(packet)
    piece = bytes(packet[at : at + 14])
    if len(piece) < 14 or piece[:3] != b"\0\0\x01" or not piece[7] & 0x80:
        return None
    high, middle, low = piece[9] >> 1 & 7, int.from_bytes(piece[10:12], "big") >> 1, int.from_bytes(piece[12:14], "big") >> 1
    return (high << 30 | middle << 15 | low) / CLOCK
