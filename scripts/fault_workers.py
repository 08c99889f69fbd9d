"""Runs a small search by several `x3d worker` processes that are killed (SIGKILL), and whose chief is, in the middle of it.

What it makes is compared with what one worker makes alone. scripts/fault_search.py --workers N calls it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from killing import kill_group

ROOT = Path(__file__).resolve().parents[1]
LOST_AFTER = 5.0  # seconds: short, for a search of a minute
LONGEST = 600.0  # seconds that anything is waited for

CHIEF = """
import json, sys
import expansion
from expansion.crew.settings import WorkerSettings
from expansion.display.progress import SearchProgress
records, folder, workers, settings = sys.argv[1:]
settings = json.loads(settings)
expansion.ExpansionTuner(
    records, expansion.SearchSettings(**settings["search"]), recipe=expansion.Recipe(**settings["recipe"]),
    clips=expansion.ClipSettings(**settings["clips"]), directory=folder, project_name="search",
    workers=WorkerSettings(**json.loads(workers)), progress=SearchProgress(quiet=True)).search()
"""


class Cast:
    """The processes of one search, each in a session of its own.

    Args:
        folder: the search is in folder/search.
        log: file for what they print.
    """

    def __init__(self, folder: Path, records: str, settings: dict, log: Path):
        self.folder, self.records, self.settings, self.log = folder, records, settings, log
        self.processes: list[subprocess.Popen] = []

    def chief(self, members: int) -> subprocess.Popen:
        workers = json.dumps({"count": members, "threads": 1, "lost_after": LOST_AFTER})
        return self._start("-c", CHIEF, self.records, str(self.folder), workers, json.dumps(self.settings))

    def worker(self) -> subprocess.Popen:
        return self._start("-m", "pipeline.cli", "worker", str(self.folder / "search"))

    def _start(self, *arguments: str) -> subprocess.Popen:
        env = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
        with open(self.log, "ab") as output:
            process = subprocess.Popen([sys.executable, "-W", "ignore", *arguments], stdout=output, stderr=output, env=env,
                                       start_new_session=True)
        self.processes.append(process)
        return process

    def holds(self, worker: subprocess.Popen) -> str | None:
        """The trial that a worker is at, if it is at one."""
        for trial in sorted(self.folder.glob("search/trial_*")):
            entries = sorted(path for path in trial.glob("turns/*.json") if "beat" not in path.name)
            last = json.loads(entries[-1].read_text()) if entries else {}
            if last.get("kind") == "taken" and f":{worker.pid}." in last["by"]:
                return trial.name
        return None

    def wait_for(self, reached, what: str):
        ends = time.monotonic() + LONGEST
        while not (found := reached()):
            if time.monotonic() > ends:
                raise TimeoutError(f"{what}: not within {LONGEST:g} s; {self.log.read_text()[-2000:]}")
            time.sleep(0.02)
        return found

    def close(self) -> None:
        for process in self.processes:
            kill_group(process)


def alone(folder: Path, records: str, settings: dict, log: Path) -> float:
    """The search with one worker; returns its seconds."""
    cast, began = Cast(folder, records, settings, log), time.monotonic()
    try:
        assert cast.chief(1).wait(LONGEST) == 0, log.read_text()[-2000:]
    finally:
        cast.close()
    return time.monotonic() - began


def disturbed(folder: Path, records: str, settings: dict, log: Path, workers: int, kills: int = 2, restarts: int = 1,
              seed: int = 0, latest: float = 6.0) -> dict:
    """The search with a chief that only decides and several workers, of which the first is killed and replaced.

    Args:
        kills: of the first worker, each while it is at a trial.
        restarts: how often the chief is killed and started again, after the worker was killed for the first time.
        latest: seconds, at random up to which, after a worker has taken a trial it is killed.
    """
    cast, rng, began = Cast(folder, records, settings, log), random.Random(seed), time.monotonic()
    try:
        chief, crew, killed = cast.chief(0), [cast.worker() for _ in range(workers)], []
        for _ in range(kills):
            cast.wait_for(lambda: cast.holds(crew[0]), "a worker takes a trial")
            time.sleep(rng.uniform(0, latest))
            killed.append(cast.holds(crew[0]))
            kill_group(crew[0])
            crew[0] = cast.worker()
            if restarts:
                time.sleep(rng.uniform(0, latest))
                restarts -= 1
                kill_group(chief)
                chief = cast.chief(0)
        code = chief.wait(LONGEST)
        codes = [worker.wait(LONGEST) for worker in crew]
    finally:
        cast.close()
    return {"workers": workers, "killed_at": killed, "chief_exit_code": code, "worker_exit_codes": codes,
            "seconds": round(time.monotonic() - began, 1)}


def compare(work: Path, records: str, settings: dict, made, workers: int, **how) -> dict:
    """Both, and what differs between what they made; `made` reads that from a folder."""
    log = work / "log.txt"
    seconds = alone(work / "alone", records, settings, log)
    found = disturbed(work / "shared", records, settings, log, workers, **how)
    one, two = made(work / "alone"), made(work / "shared")
    return found | {"alone_seconds": round(seconds, 1), "compared": len(one), "different": sorted(
        name for name in one.keys() | two.keys() if one.get(name) != two.get(name))}
