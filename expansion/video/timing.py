"""Frames in display order with the seconds at which they come on screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import av

from expansion.video.container import family
from expansion.video.libav_errors import libav_errors
from expansion.video.reasons import Deadline, Rejected
from expansion.video.transport_stream import NEW_RECORDING, continuity

CUT_OFF = ("ended prematurely", "LZW decode failed")  # all that libav says where a container or GIF is cut off
FALLS_BACK = 1.0  # seconds; times that fall back further are those of another recording
JOINED = frozenset(("mpegts", "mpeg"))  # streams without a head, which people join by writing one after the other


@dataclass
class Reading:
    """A stream that is being read.

    Attributes:
        container, stream: of libav.
        path: of the file.
        usual: seconds that a frame lasts where nothing else is known.
        deadline: of the whole video.
        errors: what libav logs.
        packets, discarded: read so far, and how many of them the container says are not to be shown.
    """

    container: object
    stream: object
    path: str
    usual: float
    deadline: Deadline
    errors: list[str]
    packets: int = 0
    discarded: int = 0
    _flagged: set = field(default_factory=set)
    _leaps: int | None = None

    def _check(self, packet) -> None:
        """Raises Rejected where something of the packet is missing.

        libav flags a packet of a transport stream wherever the counter of packets leaps: also where two pieces were joined.
        """
        if packet.is_corrupt and family(self.container) == "mpegts":
            self.check_continuity()
            self._flagged.add(packet.pts)
            if len(self._flagged) > self._leaps:
                raise Rejected("truncated", "a packet is cut off")
        elif packet.is_corrupt:
            raise Rejected("truncated", "a packet is cut off")
        if any(mark in message for message in self.errors for mark in CUT_OFF):
            raise Rejected("truncated", "the file ends within a frame")
        self.errors.clear()

    def check_continuity(self) -> None:
        """Raises Rejected where packets of a transport stream are missing; libav does not flag those at its beginning."""
        if family(self.container) == "mpegts" and self._leaps is None:
            found = continuity(self.path, self.stream.id, self.stream.codec_context.name)
            if found.hole:
                raise Rejected("truncated", found.hole)
            self._leaps = found.leaps

    def frames(self) -> Iterator[av.VideoFrame]:
        """Frames in the decoder's order, which is the display order."""
        packets = self.container.demux(self.stream)
        while True:
            with libav_errors(self.errors):
                packet = next(packets, None)
            if packet is None:
                return
            self.deadline.check()
            self._check(packet)
            self.packets += bool(packet.size)
            self.discarded += packet.is_discard
            with libav_errors(self.errors):
                frames = packet.decode()
            for frame in frames:
                self.deadline.check()
                if frame.is_corrupt and frame.pts not in self._flagged:
                    raise Rejected("decode_error", "a frame is damaged")
                yield frame

    def timed(self) -> Iterator[tuple[av.VideoFrame, float, float]]:
        """(frame, seconds at which it comes on screen, seconds that it says it lasts, or the usual ones).

        Presentation timestamps are taken as long as they fall behind no more often than decoding timestamps do: old AVI
        files (packed B-frames) state them in the wrong order, and there the decoding timestamps rise. A time that does not
        rise after all is put half a frame after the last one, a whole frame if it is not the first such. Where recordings
        were joined, the next one follows a usual frame after the last.
        """
        before, stuck, shift, length = None, False, 0.0, self.usual
        last = {"pts": None, "dts": None}
        faults = {"pts": 0, "dts": 0}
        joined = family(self.container) in JOINED
        for frame in self.frames():
            stamps = {"pts": frame.pts, "dts": frame.dts}
            for kind, stamp in stamps.items():
                if stamp is not None:
                    faults[kind] += last[kind] is not None and stamp <= last[kind]
                    last[kind] = stamp
            better, other = ("pts", "dts") if faults["pts"] <= faults["dts"] else ("dts", "pts")
            stamp = stamps[other] if stamps[better] is None else stamps[better]
            clock = frame.time_base or self.stream.time_base
            moment = None if stamp is None else float(stamp * clock) + shift
            if joined and before is not None and moment is not None:
                falls_back = 0.0 if self._leaps else FALLS_BACK
                if not -falls_back < moment - before < NEW_RECORDING:
                    shift += before + self.usual - moment
                    moment = before + self.usual
            if before is not None and moment is None:  # a raw stream: frames last as long as they say
                moment, stuck = before + length, True
            elif before is not None and moment <= before:
                moment, stuck = before + self.usual / (1 if stuck else 2), True
            else:
                moment, stuck = moment or 0.0, False
            before, length = moment, float(frame.duration * clock) if frame.duration else self.usual
            yield frame, moment, length
