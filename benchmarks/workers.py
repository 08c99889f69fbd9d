"""How much faster a search is with two workers than with one, each on a core of its own, and whether they find the same.

    python -m benchmarks.workers                the demo's search on the demo's videos: about 20 minutes on 2 quiet cores
    python -m benchmarks.workers --short        a smaller search: about 4 minutes

Both searches run as `ExpansionTuner(workers=...)` with one thread a trial. The one with one worker is held to one core,
the one with two to two cores. Compared are the seconds from the first trial to the end of the search; the path, the
accuracies and the weights have to be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

SEARCH = """
import json, os, sys, time
cores, records, folder, settings = sys.argv[1:]
os.sched_setaffinity(0, map(int, cores.split(",")))
import expansion
from expansion.crew.settings import WorkerSettings
from expansion.display.progress import SearchProgress
settings = json.loads(settings)
tuner = expansion.ExpansionTuner(
    records, expansion.SearchSettings(**settings["search"]), recipe=expansion.Recipe(**settings["recipe"]),
    clips=expansion.ClipSettings(**settings["clips"]), directory=folder, project_name="search",
    workers=WorkerSettings(count=len(cores.split(",")), threads=1), progress=SearchProgress(quiet=True))
began = time.perf_counter()
tuner.search()
print(json.dumps({"seconds": time.perf_counter() - began,
                  "trials": sum(c.metrics["seconds"] for step in tuner.trace.steps for c in step.trainings),
                  "path": [[c.axis, c.accuracy] for c in tuner.trace.path]}))
"""


def settings_of(short: bool) -> dict:
    """The demo's search; the short one has a narrower seed, three axes and one step less."""
    from pipeline.config import load_config, shipped

    config = load_config(shipped("demo.yaml")).search_settings()
    if short:
        config["search"] |= {"seed": {"frames": 4, "stride": 2, "size": 32, "width": 0.5}, "steps": 1,
                             "axes": ["depth", "width", "bottleneck", "spatial"]}
        config["recipe"] |= {"epochs": 6}
    return {key: config[key] for key in ("search", "recipe", "clips")}


def make_records(folder: Path, short: bool) -> str:
    """The demo's videos as records; fewer for the short search."""
    from components.ingestion.ingest import ingest_folder
    from components.ingestion.settings import IngestSettings
    from pipeline.demo_data import make_demo_videos

    few = {"train": 20, "val": 5, "test": 1} if short else {}
    labels = make_demo_videos(folder / "videos", **few)
    ingest_folder(IngestSettings(videos=str(labels.parent), labels=str(labels), short_side=48), str(folder / "records"))
    return str(folder / "records")


def search(cores: list[int], records: str, folder: Path, settings: dict) -> dict:
    """One search held to these cores, with a worker a core."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", "-c", SEARCH, ",".join(map(str, cores)), records, str(folder), json.dumps(settings)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a smaller search")
    args = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
    from fault_search import made

    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two cores are needed")
    with tempfile.TemporaryDirectory() as name:
        folder, settings = Path(name), settings_of(args.short)
        records, before = make_records(folder, args.short), os.getloadavg()[0]
        one = search(cores[:1], records, folder / "one", settings)
        between = os.getloadavg()[0]
        two = search(cores, records, folder / "two", settings)
        first, second = made(folder / "one"), made(folder / "two")
    print(json.dumps({
        "one_worker": one, "two_workers": two, "ratio": round(one["seconds"] / two["seconds"], 2),
        "compared": len(first), "different": sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key)),
        "load_before_each": [before, between], "when": time.strftime("%Y-%m-%d %H:%M")}, indent=1))


if __name__ == "__main__":
    main()
