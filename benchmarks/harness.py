"""Runs contenders in turn, A B A B ..., each in a process of its own, and reports medians, ratios and their spread."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from expansion.display.console import make_table

ROOT = Path(__file__).resolve().parent.parent
PEER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


@dataclass(frozen=True)
class Contender:
    """One side of a comparison.

    Args:
        name: what the report calls it.
        module: run as `python -m module`; it calls benchmarks.worker.serve.
        settings: handed to it as JSON, and reported.
        python: its interpreter; where that is absent the contender is skipped with a line.
        group: contenders of a group compete by the best of them ("its best counts").
        environment: variables set for it.
    """

    name: str
    module: str
    settings: dict = field(default_factory=dict)
    python: Path = Path(sys.executable)
    group: str = ""
    environment: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What the comparison with a group has to reach; `figure` is 'seconds' (theirs / ours) or 'memory' (ours / theirs)."""

    group: str
    figure: str = "seconds"
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        return value >= self.at_least if self.at_least is not None else value <= self.at_most

    def __str__(self) -> str:
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


@dataclass(frozen=True)
class Case:
    """A comparison. The first contender is ours.

    Args:
        name: what --only calls it.
        title: what is measured, in words.
        item: what one is counted in: clip, video.
        seconds: how long a contender measures in a round; at least one step.
        prepare: makes what the contenders read; called before they start.
    """

    name: str
    title: str
    contenders: Sequence[Contender]
    targets: Sequence[Target] = ()
    item: str = "clip"
    seconds: float = 2.0
    prepare: Callable[[], None] | None = None


class WorkerFailed(RuntimeError):
    """A worker ended before it answered."""


class _Worker:
    def __init__(self, contender: Contender, log: Path):
        self.contender, self.log = contender, log
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"} | contender.environment
        with open(log, "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                [str(contender.python), "-m", contender.module, json.dumps(contender.settings)], cwd=ROOT,
                env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.hello = self._answer()
        self.rounds: list[float] = []
        self.cpu: list[float] = []

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise WorkerFailed(f"{self.contender.name}: see {self.log}")
        return json.loads(line)

    def measure(self, seconds: float) -> None:
        print(seconds, file=self.process.stdin, flush=True)
        answer = self._answer()
        self.rounds.append(answer["seconds"])
        self.cpu.append(answer["cpu_seconds"])

    def end(self) -> dict:
        self.process.stdin.close()
        peak = self._answer()["peak_bytes"]
        self.process.wait()
        return {
            "name": self.contender.name, "group": self.contender.group, "settings": self.contender.settings,
            "environment": self.contender.environment, **self.hello, "rounds": self.rounds,
            "seconds": statistics.median(self.rounds), "spread": [min(self.rounds), max(self.rounds)],
            "cpu_seconds": statistics.median(self.cpu), "peak_bytes": peak,
        }

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def run_case(case: Case, rounds: int, folder: Path, console: Console) -> dict:
    """Measures a case and returns what its JSON file holds. Contenders that are absent or fail are named in `skipped`."""
    skipped = []
    if case.prepare:
        case.prepare()
    with contextlib.ExitStack() as stack:
        workers = []
        for number, contender in enumerate(case.contenders):
            if not contender.python.exists():
                skipped.append(f"{contender.name}: not installed ({contender.python})")
                continue
            try:
                workers.append(_Worker(contender, folder / f"{case.name}.{number}.log"))
                stack.callback(workers[-1].kill)
            except WorkerFailed as error:
                skipped.append(f"{error}")
        for note in skipped:
            console.print(f"skipped {note}")
        for _ in range(rounds):
            for worker in workers:
                worker.measure(case.seconds)
        results = [worker.end() for worker in workers]
    return {"case": case.name, "title": case.title, "item": case.item, "rounds": rounds, "results": results,
            "skipped": skipped, "comparisons": _compare(case, results)}


def _compare(case: Case, results: list[dict]) -> list[dict]:
    """Ours against the best of each group, round by round: a machine that slows down slows both sides of a ratio."""
    ours, found = results[0] if results and results[0]["name"] == case.contenders[0].name else None, []
    groups = dict.fromkeys(result["group"] for result in results[1:] if result["group"])
    for group in groups if ours else ():
        theirs = min((r for r in results[1:] if r["group"] == group), key=lambda r: r["seconds"])
        least = min((r for r in results[1:] if r["group"] == group), key=lambda r: r["peak_bytes"])
        ratios = [their / our for their, our in zip(theirs["rounds"], ours["rounds"])]
        comparison = {"group": group, "best": theirs["name"], "seconds": statistics.median(ratios),
                      "spread": [min(ratios), max(ratios)], "cpu": theirs["cpu_seconds"] / ours["cpu_seconds"],
                      "memory": ours["peak_bytes"] / least["peak_bytes"]}
        comparison["targets"] = [
            {"figure": t.figure, "target": str(t), "value": comparison[t.figure], "met": t.met(comparison[t.figure])}
            for t in case.targets if t.group == group]
        found.append(comparison)
    return found


def report(result: dict, console: Console) -> None:
    """Prints a case as a table: a line a contender, then ours against each group."""
    table = make_table(result["title"], "", f"ms a {result['item']}", "spread", "CPU ms", "start s", "peak MiB")
    for r in result["results"]:
        low, high = r["spread"]
        table.add_row(
            r["name"], f"{1e3 * r['seconds']:.2f}", f"{1e3 * low:.2f} to {1e3 * high:.2f}",
            f"{1e3 * r['cpu_seconds']:.2f}", f"{r['start_seconds'] + r['first_step_seconds']:.1f}",
            f"{r['peak_bytes'] / 2**20:.0f}")
    versions: dict[str, str] = {}
    for r in result["results"]:
        versions.setdefault(", ".join(f"{k} {v}" for k, v in r["about"].items()), r["group"] or r["name"])
    table.caption = "\n".join(f"{name}: {about}" for about, name in versions.items())
    console.print(table)
    for c in result["comparisons"]:
        low, high = c["spread"]
        console.print(f"{c['best']} / ours: time {c['seconds']:.2f} ({low:.2f} to {high:.2f}), CPU {c['cpu']:.2f}; "
                      f"peak memory of ours / theirs at its least: {c['memory']:.2f}")
        for t in c["targets"]:
            console.print(f"  {t['figure']} {t['value']:.2f}, target {t['target']}: {'met' if t['met'] else 'MISSED'}")
    console.print()
