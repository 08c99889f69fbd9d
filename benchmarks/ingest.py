"""Ingestion: videos a second against ffmpeg writing the same frames; growth with the number of videos; memory.

    python -m benchmarks.ingest --rounds 3 --videos 60 --output FOLDER

Contenders take turns (A B C A B C ...), each in a process of its own; ffmpeg is used where it is installed. Videos are made
on the spot: H.264, 640x360, 30 frames a second, 10 seconds; stored are all frames at a short side of 160 pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np

from expansion.show.console import make_console, make_table

SHORT_SIDE, QUALITY = 160, 90
CORES = len(os.sched_getaffinity(0))


def write_video(path: Path, seconds: int, fps: int, width: int, height: int) -> None:
    """Moving waves and noise: about as hard to decode as footage."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options={"preset": "veryfast", "crf": "28"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for at in range(seconds * fps):
            wave = 128 + 60 * np.sin((x + 3 * at) / 40) + 40 * np.cos((y - 2 * at) / 25) + rng.normal(0, 6, (height, width))
            pixels = np.stack([wave, np.roll(wave, 50, 1), 255 - wave], -1).clip(0, 255).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode(None))


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


def make_videos(folder: Path, count: int) -> None:
    """Two class folders; each file is the same video with another number in a box that players skip."""
    video = folder.parent / "video.mp4"
    if not video.exists():
        write_video(video, 10, 30, 640, 360)
    data = video.read_bytes()
    for number in range(count):
        path = folder / "ab"[number % 2] / f"{number:05d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data + (16).to_bytes(4, "big") + b"free" + number.to_bytes(8, "big"))


def ours(videos: str, output: str, fps: float | None) -> dict:
    """Runs in a process of its own: seconds, bytes and frames stored, and the largest memory of this and of one child."""
    from components.video_example_gen.ingest import ingest_folder
    from components.video_example_gen.settings import IngestSettings

    peaks, over = {"parent": 0, "child": 0}, threading.Event()
    watching = threading.Thread(target=watch_memory, args=(peaks, over))
    watching.start()
    started, cpu = time.perf_counter(), cpu_seconds()
    settings = IngestSettings(videos=videos, short_side=SHORT_SIDE, quality=QUALITY, fps=fps, timeout=3600)
    manifest = ingest_folder(settings, output)
    seconds = time.perf_counter() - started
    over.set()
    watching.join()
    return {
        "seconds": seconds, "cpu_seconds": cpu_seconds() - cpu,
        "bytes": sum(split.bytes for split in manifest.splits.values()),
        "frames": sum(split.frames for split in manifest.splits.values()),
        "parent_bytes": peaks["parent"], "child_bytes": peaks["child"],
    }  # fmt: skip


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def watch_memory(peaks: dict[str, int], over: threading.Event) -> None:
    """Keeps the largest resident memory (VmHWM, bytes) of this process and of its children."""
    me = os.getpid()
    while not over.wait(0.1):
        children = " ".join(path.read_text() for path in Path(f"/proc/{me}/task").glob("*/children")).split()
        for kind, pid in (("parent", me), *(("child", child) for child in children)):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:  # it ended just now
                continue
            peaks[kind] = max([peaks[kind], *(int(line.split()[1]) << 10 for line in status.splitlines() if "VmHWM" in line)])


def run_ours(videos: Path, fps: float | None = None) -> dict:
    with tempfile.TemporaryDirectory(dir=videos.parent) as output:
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.ingest", "--worker", str(videos), output, str(fps or 0)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        return json.loads(done.stdout.splitlines()[-1])


def run_ffmpeg(videos: Path, at_a_time: int) -> dict:
    """One ffmpeg a video, JPEG files of the same frames (-q:v 2): singly with ffmpeg's own threads, or several at a time."""
    with tempfile.TemporaryDirectory(dir=videos.parent) as output:

        def one(path: Path) -> None:
            folder = Path(output, path.stem)
            folder.mkdir()
            threads = ["-threads", "1"] if at_a_time > 1 else []
            scale = ["-vf", f"scale=-2:{SHORT_SIDE}", "-q:v", "2", *threads, str(folder / "%06d.jpg")]
            subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *threads, "-i", str(path), *scale], check=True)

        started, cpu = time.perf_counter(), cpu_seconds()
        with ThreadPoolExecutor(at_a_time) as pool:
            list(pool.map(one, sorted(videos.rglob("*.mp4"))))
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
        sizes = [path.stat().st_size for path in Path(output).rglob("*.jpg")]
        return {"seconds": seconds, "cpu_seconds": cpu, "bytes": sum(sizes), "frames": len(sizes)}


def speed(work: Path, count: int, rounds: int) -> dict:
    """Ours and the peers in turn."""
    videos = work / "speed"
    make_videos(videos, count)
    contenders = {"ours": lambda: run_ours(videos)}
    if shutil.which("ffmpeg"):
        contenders["ffmpeg, one after the other"] = lambda: run_ffmpeg(videos, 1)
        contenders[f"ffmpeg, {CORES} at a time"] = lambda: run_ffmpeg(videos, CORES)
    results = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            results[name].append(measure())
    return {"videos": count, "results": results}


def growth(work: Path, counts: list[int]) -> list[dict]:
    """Ours for a growing number of videos, and for one of two hours of which a frame a second is stored."""
    rows = []
    for count in counts:
        videos = work / f"growth{count}"
        make_videos(videos, count)
        rows.append({"what": f"{count} videos of 10 s", "videos": count, **run_ours(videos)})
    long = work / "long"
    (long / "a").mkdir(parents=True)
    write_video(work / "short.mp4", 10, 12, 320, 240)
    repeat(work / "short.mp4", long / "a" / "0.mp4", 720)
    repeat(work / "short.mp4", long / "a" / "1.mp4", 1)
    rows.append({"what": "a video of 2 hours (1 frame/s), one of 10 s", "videos": 2, **run_ours(long, 1.0)})
    return rows


def show(found: dict) -> None:
    console = make_console()
    if "speed" in found:
        count, results = found["speed"]["videos"], found["speed"]["results"]
        title = f"{count} videos of 10 s, 640x360, all frames at {SHORT_SIDE} pixels, {CORES} cores"
        table = make_table(title, "", "videos/s", "spread", "CPU s a video", "frames", "MB", "time / ours")
        for name, rounds in results.items():
            rates = [count / one["seconds"] for one in rounds]
            ratios = [one["seconds"] / our["seconds"] for one, our in zip(rounds, results["ours"])]
            table.add_row(
                name, f"{statistics.median(rates):.2f}", f"{min(rates):.2f} to {max(rates):.2f}",
                f"{statistics.median(one['cpu_seconds'] for one in rounds) / count:.3f}", str(rounds[0]["frames"]),
                f"{rounds[0]['bytes'] / 1e6:.0f}", f"{statistics.median(ratios):.2f}",
            )  # fmt: skip
        console.print(table)
    if "growth" in found:
        table = make_table("growth", "", "s", "s a video", "CPU s a video", "MB stored", "parent MiB", "child MiB")
        for row in found["growth"]:
            table.add_row(
                row["what"], f"{row['seconds']:.1f}", f"{row['seconds'] / row['videos']:.3f}",
                f"{row['cpu_seconds'] / row['videos']:.3f}",
                f"{row['bytes'] / 1e6:.1f}", *(f"{row[key] / 2**20:.0f}" for key in ("parent_bytes", "child_bytes")),
            )  # fmt: skip
        console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--videos", type=int, default=60)
    parser.add_argument("--growth", type=int, nargs="*", default=[20, 40, 80], help="numbers of videos; none: leave it out")
    parser.add_argument("--output", type=Path, help="folder for ingest.json")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        videos, output, fps = args.worker
        print(json.dumps(ours(videos, output, float(fps) or None)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = {"speed": speed(Path(folder), args.videos, args.rounds)} if args.rounds else {}
        if args.growth:
            found["growth"] = growth(Path(folder), args.growth)
    show(found)
    if args.output:
        args.output.mkdir(parents=True, exist_ok=True)
        (args.output / "ingest.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
