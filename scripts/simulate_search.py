"""A whole search in one process and in seconds: the real Oracle, chief, leases and state; invented workers and accuracies.

    python scripts/simulate_search.py --trials 1000 --workers 64

The workers take trials, show signs of life, die, come late, or stand still for so long that others take their trials over,
all on a clock of its own; the chief is started again in between. What comes out has to be what one worker without faults
finds, and every trial has to be handed in exactly once.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from expansion.crew.board import read_board, trial_folder  # noqa: E402
from expansion.crew.chief import Chief  # noqa: E402
from expansion.crew.settings import WorkerSettings  # noqa: E402
from expansion.crew.turns import BEATS, Lease, LeaseLost, Turns, Watch  # noqa: E402
from expansion.foundation import files
from expansion.search.repeats import SeedSettings  # noqa: E402
from expansion.search.settings import SearchSettings
from expansion.search.state import Search
from expansion.search.trace import OUTCOME, read_trace  # noqa: E402
from expansion.tuning.oracle import ExpansionOracle  # noqa: E402

LOST_AFTER, LOOK, TRIAL = 60.0, 30.0, 60.0  # seconds: until a worker is lost, between looks of who is idle, of a trial
CHIEF_LOOK = 10.0
VIDEOS = 100
STEPS = 11


def settings_for(trials: int) -> SearchSettings:
    """The paper's search with so many trials: those beyond its about 60 are further trainings of tied candidates."""
    return SearchSettings(steps=STEPS, seeds=SeedSettings(extra=max(0, math.ceil((trials - 60) / STEPS)), std=0.05))


def correct_of(axis: str, macs: float, training: int) -> tuple[bool, ...]:
    """Which videos a training gets right: an accuracy that grows with the cost, and the chance of a seed."""
    chance = random.Random(f"{axis} {macs:.6g} {training}")
    return tuple(chance.random() < 0.3 + 0.04 * math.log2(macs / 2e7) for _ in range(VIDEOS))


@dataclass
class World:
    """The clock, and what may go wrong in it.

    Args:
        dies, stalls: chance that a worker dies in a trial, or stands still in it for longer than it may.
    """

    rng: random.Random
    dies: float
    stalls: float
    now: float = 0.0
    events: Counter = field(default_factory=Counter)


class Worker:
    """One that trains nothing. `act` does what is next and returns seconds until it is to be called again; None: it is dead."""

    def __init__(self, folder: str, name: str, world: World):
        self.folder, self.name, self.world = folder, name, world
        self.watch = Watch(LOST_AFTER, lambda: world.now)
        self.turns: dict[str, Turns] = {}
        self.lease: Lease | None = None
        self.trial, self.left = "", 0.0

    def act(self) -> float | None:
        return self._take() if self.lease is None else self._go_on()

    def _take(self) -> float:
        board, world = read_board(self.folder), self.world
        for trial in board.trials:
            turns = self.turns.setdefault(trial, Turns(trial_folder(self.folder, trial), self.name))
            if lease := self.watch.take(turns):
                self.trial, self.lease, self.left = trial, lease, world.rng.uniform(0.2, 1.8) * TRIAL
                world.events["taken"] += 1
                world.events["taken over"] += lease.number > 2
                return 0.0
        return LOOK

    def _go_on(self) -> float | None:
        world = self.world
        try:
            if self.left <= 0:
                self._hand_in()
                return 0.0
            self.lease.renew({"epoch": 1})
        except LeaseLost:
            world.events["noticed that it was lost"] += 1
            self.lease = None
            return 0.0
        share = LOST_AFTER / BEATS / TRIAL
        if world.rng.random() < world.dies * share:
            world.events["died"] += 1
            return None
        self.left -= LOST_AFTER / BEATS
        if world.rng.random() < world.stalls * share:
            world.events["stood still"] += 1
            return 3 * LOST_AFTER
        return LOST_AFTER / BEATS

    def _hand_in(self) -> None:
        job = files.read_json(os.path.join(self.lease.turns.folder, "job.json"))
        correct = correct_of(job["axis"], job["macs"], job["training"])
        files.write_json(os.path.join(self.lease.turns.work(self.lease.number), OUTCOME), {"correct": correct})
        self.lease.end("done", {"metrics": {"val_accuracy": sum(correct) / VIDEOS}})
        self.world.events["done"] += 1
        self.lease = None


def chief_on(folder: str, settings: SearchSettings) -> Chief:
    """A chief of its own, which knows only what lies in the folder."""
    oracle = ExpansionOracle(settings)
    oracle._set_project_dir(*folder.rsplit("/", 1))
    if oracle.stored:
        oracle.reload()

    def write_job(trial) -> str:
        _, candidate = oracle.search.place(trial.trial_id)
        job = {"axis": candidate.axis, "macs": candidate.macs, "training": candidate.seed}
        files.write_json(os.path.join(trial_folder(folder, trial.trial_id), "job.json"), job)
        return json.dumps(job)

    chief = Chief(folder, oracle, "records", WorkerSettings(count=0, lost_after=LOST_AFTER), write_job)
    chief.begin()
    return chief


def simulate(trials: int = 1000, workers: int = 64, seed: int = 0, dies: float = 0.1, stalls: float = 0.05,
             restarts: int = 3, *, folder: str) -> dict:
    """One search; what came of it.

    Args:
        trials: about how many it has.
        workers: at a time; for each that dies another comes a minute later.
        restarts: of the chief.
        folder: for the search.
    """
    began, settings, world = time.perf_counter(), settings_for(trials), World(random.Random(seed), dies, stalls)
    chief, numbers = chief_on(folder, settings), itertools.count()
    queue = [(world.rng.uniform(0, 600), next(numbers), Worker(folder, f"worker {number}", world)) for number in range(workers)]
    heapq.heapify(queue)
    looks, moments = 0.0, sorted(world.rng.uniform(600, 8000) for _ in range(restarts))
    while True:
        world.now, _, worker = heapq.heappop(queue)
        if world.now >= looks:
            looks = world.now + CHIEF_LOOK
            if moments and world.now > moments[0]:
                moments.pop(0)
                world.events["chief started again"] += 1
                chief = chief_on(folder, settings)
            if not chief.step():
                break
        wait = worker.act()
        number = next(numbers)
        if wait is None:
            worker, wait = Worker(folder, f"worker {number}", world), 60.0
        heapq.heappush(queue, (world.now + wait, number, worker))
    chief.close()
    return judge(folder, settings) | {
        "workers": workers, "hours_of_the_clock": round(world.now / 3600, 1), "events": dict(world.events),
        "seconds": round(time.perf_counter() - began, 1)}


def judge(folder: str, settings: SearchSettings) -> dict:
    """What is in the folder: how often each trial was handed in, and whether the path is that of one worker without faults."""
    search, one = read_trace(folder), undisturbed(settings)
    handed_in = Counter()
    for candidate in (c for step in search.steps for c in step.trainings):
        turns = Turns(trial_folder(folder, candidate.trial_id), "judge")
        for number in range(1, turns.refresh().number + 1):
            handed_in[candidate.trial_id] += files.read_json(turns._path(number))["kind"] == "done"
    return {
        "trials": len(handed_in), "handed_in_once": sum(times == 1 for times in handed_in.values()),
        "same_as_one_worker": told(search) == told(one), "stopped_by": search.stopped_by,
        "path": [candidate.axis for candidate in search.path]}


def undisturbed(settings: SearchSettings) -> Search:
    search = Search(settings)
    for number in itertools.count():
        proposal = search.next()
        if proposal is None:
            return search
        candidate = proposal[1]
        search.started(candidate, f"{number:04d}")
        correct = correct_of(candidate.axis, candidate.macs, candidate.seed)
        search.completed(candidate.trial_id, sum(correct) / VIDEOS, {}, correct)


def told(search: Search) -> list:
    return [(step.decision, [(c.axis, c.spec, c.accuracies, c.trial_id) for c in step.trainings]) for step in search.steps]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="where a folder for the search is made, which is removed at the end")
    parser.add_argument("--restarts", type=int, default=3, help="of the chief")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        found = simulate(args.trials, args.workers, args.seed, restarts=args.restarts, folder=f"{folder}/search")
    print(json.dumps(found, indent=1))
    return int(found["handed_in_once"] != found["trials"] or not found["same_as_one_worker"])


if __name__ == "__main__":
    sys.exit(main())
