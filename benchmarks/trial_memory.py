"""Memory and time of many small trials in one search: in its own process, in a worker, or in a new worker each.

    python -m benchmarks.trial_memory --mode worker --trials 50

Prints a line a trial and at the end, for the search and the worker, the mean memory of the last ten trials over that of
the second ten.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings
from expansion.foundation.kernels import onednn_in_use
from expansion.foundation.machine import cores
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.tuning.engines.engine import Done, Failed
from expansion.tuning.engines.in_process import InProcess
from expansion.tuning.engines.local import Local
from expansion.tuning.folders import TrialFolder
from expansion.tuning.jobs import TrialJob, write_job
from expansion.tuning.trial_process import memory_in_use
from pipeline.demo_data import make_demo_videos

MODES = ("inside", "worker", "new")


def make_records(folder: str) -> str:
    """A small data set: 8 classes of 4 training and 2 validation videos, 12 frames at 32 pixels."""
    labels = make_demo_videos(os.path.join(folder, "videos"), train=4, val=2, test=1, frames=12, size=32)
    records = os.path.join(folder, "records")
    ingest_folder(IngestSettings(videos=str(labels.parent), labels=str(labels), short_side=32), records)
    return records


def specs(count: int):
    """As many different small networks, so that nothing compiled for one serves the next."""
    grown = [Spec(frames=frames, stride=4, size=size, width=width, depth=depth, bottleneck=bottleneck)
             for bottleneck in (1.0, 1.5) for depth in (1.0, 1.4) for width in (0.34, 0.5)
             for size in (16, 20, 24, 28) for frames in (1, 2)]
    return [grown[number * 5 % len(grown)] for number in range(count)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--mode", choices=MODES, default="worker")
    arguments.add_argument("--trials", type=int, default=50)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = list(_measure(options.mode, options.trials, folder))
    summary = {"mode": options.mode, "trials": options.trials,
               "median_seconds": statistics.median(row["seconds"] for row in rows)}
    for who in ("main", "worker"):
        held = [row[who] for row in rows if row[who]]
        if len(held) >= 30:
            early, late = statistics.mean(held[10:20]), statistics.mean(held[-10:])
            summary |= {f"{who}_mib_second_ten": early / 2**20, f"{who}_mib_last_ten": late / 2**20,
                        f"{who}_last_over_second": late / early}
    print(json.dumps(summary, indent=1))


def _measure(mode: str, count: int, folder: str):
    records = make_records(folder)
    recipe = Recipe(epochs=1, batch=8, rate=0.05, rate_batch=8, warmup_epochs=0)
    engine = InProcess() if mode == "inside" else Local(1, cores(), onednn_in_use())
    for number, spec in enumerate(specs(count)):
        trial = TrialFolder(os.path.join(folder, f"trial_{number:04d}"))
        write_job(trial, TrialJob(
            data=records, step=number, kind="seed", axis="seed", spec=spec.as_dict(), recipe=recipe,
            clips=ClipSettings(flip=False, views=2), seed=0, logs=os.path.join(folder, "logs", str(number))))
        began, ended = time.perf_counter(), []
        engine.submit(trial.path, trial.path)
        while not any(isinstance(event, (Done, Failed)) for event in ended):
            engine.poll(ended.append)
        assert isinstance(ended[-1], Done), ended[-1]
        seconds = time.perf_counter() - began
        row = {"trial": number, "spec": str(spec), "seconds": seconds, "main": memory_in_use(),
               "worker": getattr(engine, "memory", None)}
        if mode == "new":
            engine.close()
        print(json.dumps(row), flush=True)
        yield row
    engine.close()


if __name__ == "__main__":
    main()
