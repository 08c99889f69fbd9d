"""Ingests videos while it is killed at random moments, then compares every file with an undisturbed ingestion's.

    python scripts/fault_ingest.py --kills 10 --seed 0 [--videos FOLDER [--labels FILE]]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from killing import kill_until_done  # noqa: E402

# The plain call: what `x3d ingest` does, without its bars.
INGEST = """
import sys
from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings
videos, labels, output, mark = sys.argv[1:]
open(mark, "w").close()
settings = IngestSettings(videos=videos, labels=labels or None, short_side=64)
ingest_folder(settings, output)
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes of every file under a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def compare(kills: int, seed: int, videos: str, labels: str, work: Path) -> dict:
    """Ingests undisturbed, then under kills; what came out."""
    env, mark, log = os.environ | {"PYTHONPATH": str(ROOT)}, str(work / "begun"), str(work / "log.txt")

    def command(name):
        return [sys.executable, "-W", "ignore", "-c", INGEST, videos, labels, str(work / name), mark]

    alone = kill_until_done(command("alone"), 0, (0, 0), log=log, env=env, mark=mark)
    assert alone.code == 0, Path(log).read_text()
    # Each start has about a tenth of the work before its end, so that there is work left for all kills.
    window = (0.02 * alone.last, 1.7 / max(kills, 1) * alone.last)
    killed = kill_until_done(command("killed"), kills, window, seed, log, env=env, mark=mark)
    one, two = contents(work / "alone"), contents(work / "killed")
    return {
        "kills": killed.kills, "seed": seed, "exit_code": killed.code, "undisturbed_seconds": round(alone.last, 1),
        "last_run_seconds": round(killed.last, 1), "files": len(one), "bytes": sum(map(len, one.values())),
        "different": sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name)),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--videos", help="folder of videos; without it, the demo's are made")
    parser.add_argument("--labels", default="")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work, videos, labels = Path(folder), args.videos, args.labels
        if videos is None:
            from pipeline.demo_data import make_demo_videos

            labels = str(make_demo_videos(work / "videos"))
            videos = str(work / "videos")
        found = compare(args.kills, args.seed, videos, labels, work)
    print(json.dumps(found, indent=1))
    return int(bool(found["different"]) or found["exit_code"] != 0 or len(found["kills"]) < args.kills)


if __name__ == "__main__":
    sys.exit(main())
