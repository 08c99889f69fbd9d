"""The same search on the engines `local` and `ray`, in turn: how long it takes, and what memory.

    python -m benchmarks.engines --pairs 3

Two workers of one thread each train the first network of the demo and its candidates, on the demo's videos. A process of
its own runs each search; its time holds imports and the engine's start. Memory is the largest sum of the proportional set
sizes (PSS) of the search's process and all of its descendants, looked at every ten seconds. Needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings
from pipeline.commands.eval_tables import device
from pipeline.demo_data import make_demo_videos

ENGINES = ("local", "ray")
SEARCH = """
import sys
import expansion
from expansion.display.progress import SearchProgress
records, folder, engine, epochs = sys.argv[1:]
tuner = expansion.ExpansionTuner(
    records, expansion.SearchSettings(start=expansion.Spec(frames=1, stride=8, size=32), steps=1),
    recipe=expansion.Recipe(epochs=int(epochs), batch=16, rate=0.1, rate_batch=16, warmup_epochs=1),
    clips=expansion.ClipSettings(flip=False, views=2), directory=folder, project_name="search",
    engine=expansion.EngineSettings(name=engine, workers=2, threads=1), progress=SearchProgress(quiet=True))
tuner.search()
trials = [c.metrics["seconds"] for step in tuner.state.steps for c in step.candidates]
print(len(trials), sum(trials) / len(trials), flush=True)
"""
START = """
import time
from expansion.tuning.engines.ray import RayEngine
from expansion.tuning.engines.settings import EngineSettings
import sys
engine = RayEngine(EngineSettings(name="ray", workers=2, threads=1), 1, True, sys.argv[1])
began = time.monotonic()
engine.start()
print(time.monotonic() - began, flush=True)
"""


def memory(process: psutil.Process) -> int:
    """Bytes that a process and its descendants hold; shared pages are counted once."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().pss
        except psutil.Error:  # it has ended
            continue
    return total


def run(records: str, folder: Path, engine: str, epochs: int) -> dict:
    began, most = time.monotonic(), 0
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", SEARCH, records, str(folder), engine, str(epochs)],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while True:
        try:
            process.wait(timeout=10)  # a look costs, more with the many processes of Ray
            break
        except subprocess.TimeoutExpired:
            most = max(most, memory(psutil.Process(process.pid)))
    seconds = time.monotonic() - began
    trials, mean = process.stdout.read().split()
    return {"engine": engine, "seconds": round(seconds, 1), "trials": int(trials), "seconds_a_trial": round(float(mean), 1),
            "memory_mb": round(most / 1e6)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20, help="of each candidate")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        labels = make_demo_videos(Path(folder) / "videos", train=40, val=12, test=2)
        records = str(Path(folder) / "records")
        ingest_folder(IngestSettings(videos=str(labels.parent), labels=str(labels), short_side=48), records)
        found = []
        for pair in range(args.pairs):
            for engine in ENGINES if pair % 2 == 0 else ENGINES[::-1]:
                found.append(run(records, Path(folder) / f"{engine}{pair}", engine, args.epochs))
                print(json.dumps(found[-1]), flush=True)
        search = next((Path(folder) / "ray0").glob("**/trace.json")).parent
        start = subprocess.run([sys.executable, "-W", "ignore", "-c", START, str(search)], capture_output=True, text=True)
    seconds = {engine: [one["seconds"] for one in found if one["engine"] == engine] for engine in ENGINES}
    print(json.dumps({
        "machine": device(), "ray_start_seconds": round(float(start.stdout), 1),
        "median_seconds": {engine: median(values) for engine, values in seconds.items()},
        "ray_over_local": round(median(ray / local for local, ray in zip(seconds["local"], seconds["ray"])), 3),
    }, indent=1))


if __name__ == "__main__":
    main()
