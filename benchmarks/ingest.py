"""Ingestion: against ffmpeg writing the same frames; growth with the number of videos; a video of two hours.

The videos are made on the spot. Peak memory is that of all processes of a contender together.
"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

import av

from benchmarks.harness import ROOT, Case, Contender
from benchmarks.videos import write_video
from expansion.foundation.machine import cores

DATA = ROOT / "runs" / "benchmarks" / "data"
SHORT_SIDE = 160
CORES = cores()
SPEED, GROWTH = 12, (8, 16, 32)
FFMPEG = "ffmpeg"


def repeat(source: Path, path: Path, times: int) -> None:
    """The packets of a video again and again: a long video at the price of a copy."""
    with av.open(str(source)) as container, av.open(str(path), "w") as out:
        stream = container.streams.video[0]
        copy = out.add_stream_from_template(stream)
        packets = [(bytes(p), p.pts, p.dts, p.is_keyframe) for p in container.demux(stream) if p.dts is not None]
        for number in range(times):
            for data, pts, dts, key in packets:
                packet = av.Packet(data)
                packet.pts, packet.dts = (stamp + number * stream.duration for stamp in (pts, dts))
                packet.time_base, packet.stream, packet.is_keyframe = stream.time_base, copy, key
                out.mux(packet)


def make_copies(folder: Path, count: int) -> None:
    """Two class folders; each file is the same video with another number in a box that players skip."""
    folder.mkdir(parents=True, exist_ok=True)
    video = DATA / "ten_seconds.mp4"
    if not video.exists():
        write_video(video, 10, 30, 640, 360)
    data = video.read_bytes()
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number:05d}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))


def make_long(folder: Path, times: int) -> None:
    """A video of `times` ten seconds, and one of ten seconds, which the split needs."""
    (folder / "a").mkdir(parents=True, exist_ok=True)
    short = folder / "a" / "1.mp4"
    if not short.exists():
        write_video(short, 10, 12, 320, 240)
        repeat(short, folder / "a" / "0.mp4", times)


def _prepare(make, folders: dict[str, int]) -> None:
    for name, count in folders.items():
        make(DATA / name, count)


def _ours(name: str, folder: str, videos: int, fps: float | None = None) -> Contender:
    settings = {"way": "ours", "videos": str(DATA / folder), "count": videos, "short_side": SHORT_SIDE, "fps": fps}
    return Contender(name, "benchmarks.ingest_worker", settings | {"warmup": 0})


def _ffmpeg(at_a_time: int) -> Contender:
    name = f"ffmpeg, {at_a_time} at a time" if at_a_time > 1 else "ffmpeg, one after the other"
    settings = {"way": FFMPEG, "videos": str(DATA / "speed"), "count": SPEED, "short_side": SHORT_SIDE, "warmup": 0}
    python = Path(sys.executable if shutil.which(FFMPEG) else FFMPEG)
    return Contender(name, "benchmarks.ingest_worker", settings | {"at_a_time": at_a_time}, python, FFMPEG)


CASES = (
    Case("ingest", f"{SPEED} videos of 10 s, 640x360, 30 frames/s: all frames at {SHORT_SIDE} pixels, {CORES} cores",
         (_ours("ours", "speed", SPEED), _ffmpeg(1), _ffmpeg(CORES)), item="video", seconds=0,
         prepare=partial(_prepare, make_copies, {"speed": SPEED})),
    Case("ingest-growth", "the same for a growing number of videos",
         [_ours(f"{count} videos", f"growth{count}", count) for count in GROWTH], item="video", seconds=0,
         prepare=partial(_prepare, make_copies, {f"growth{count}": count for count in GROWTH})),
    Case("ingest-long", "a long video and one of 10 s, 320x240, 12 frames/s, of which one a second is stored",
         [_ours(name, folder, 2, 1.0) for name, folder in (("1 minute", "minute"), ("2 hours", "hours"))],
         item="video", seconds=0, prepare=partial(_prepare, make_long, {"minute": 6, "hours": 720})),
)
