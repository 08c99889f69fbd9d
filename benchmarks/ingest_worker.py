"""Worker: ingests a folder of videos, by this project or by ffmpeg to JPEG files of the same frames."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import worker

QUALITY = 90


class Memory:
    """The largest resident memory of this process and its children together, in bytes, looked at ten times a second."""

    def __init__(self):
        self.peak = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        me = os.getpid()
        while True:
            children = " ".join(path.read_text() for path in Path(f"/proc/{me}/task").glob("*/children")).split()
            self.peak = max(self.peak, sum(resident(pid) for pid in (me, *children)))
            time.sleep(0.1)


def resident(pid: int | str) -> int:
    """Resident memory of a process in bytes; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def ours(settings: dict):
    import av

    from components.ingestion.ingest import ingest_folder
    from components.ingestion.settings import IngestSettings

    ingest = IngestSettings(videos=settings["videos"], short_side=settings["short_side"], quality=QUALITY,
                            fps=settings["fps"], timeout=3600)

    about = {"av": av.__version__}

    def step():
        with tempfile.TemporaryDirectory(dir=Path(settings["videos"]).parent) as output:
            splits = ingest_folder(ingest, output).splits.values()
        about.update(written(sum(split.frames for split in splits), sum(split.bytes for split in splits)))

    return step, about


def written(frames: int, size: int) -> dict:
    return {"frames": frames, "MB": round(size / 1e6, 1)}


def ffmpeg(settings: dict):
    """One ffmpeg a video: singly with ffmpeg's own threads, or several at a time with one each."""
    at_a_time = settings["at_a_time"]
    threads = ["-threads", "1"] if at_a_time > 1 else []
    videos = sorted(Path(settings["videos"]).rglob("*.mp4"))
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    about = {"ffmpeg": version}

    def one(path: Path, output: str):
        folder = Path(output, path.stem)
        folder.mkdir()
        scale = ["-vf", f"scale=-2:{settings['short_side']}", "-q:v", "2", *threads, str(folder / "%06d.jpg")]
        subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *threads, "-i", str(path), *scale], check=True)

    def step():
        with tempfile.TemporaryDirectory(dir=Path(settings["videos"]).parent) as output:
            with ThreadPoolExecutor(at_a_time) as pool:
                list(pool.map(one, videos, [output] * len(videos)))
            sizes = [path.stat().st_size for path in Path(output).rglob("*.jpg")]
        about.update(written(len(sizes), sum(sizes)))

    return step, about


def main() -> None:
    settings, memory = worker.settings(), Memory()

    def start():
        step, about = {"ours": ours, "ffmpeg": ffmpeg}[settings["way"]](settings)
        return step, settings["count"], about

    worker.serve(start, lambda: memory.peak)


if __name__ == "__main__":
    main()
