"""`python -m benchmarks.choices FOLDER --data REAL`: runs what is not there yet, each in a process of its own, then reports.

Seed by seed, so that a run that is stopped has whole ones; contenders and data sets take turns. What a cell had begun is
resumed: a search with its trials, a training with its epochs. Results are lines of FOLDER/results.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.choices.contenders import CONTENDERS
from benchmarks.choices.results import Result, append, read
from benchmarks.choices.sets import SETS, TINY, DataSet, training_macs
from benchmarks.choices.summary import figure, overturned, rows, table
from benchmarks.harness import ROOT
from expansion.display.tables import duration
from expansion.search.costs import show_cost

ALL = {**SETS, TINY.name: TINY}
DONE = "result.json"
GMACS_PER_SECOND = 12.0  # of 2 cores on networks this small: what the demo's trainings reach


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where everything is kept")
    parser.add_argument("--data", type=Path, help="folder that holds fights/ and lips/, each with a labels.csv")
    parser.add_argument("--sets", nargs="+", choices=ALL, default=list(SETS))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0")
    parser.add_argument("--jobs", type=int, default=2, help="cells at the same time, each on one thread")
    parser.add_argument("--hours", type=float, help="begin no cell after this time")
    parser.add_argument("--plan", action="store_true", help="say what it would take, and end")
    parser.add_argument("--report", action="store_true", help="print the tables of what is there, and end")
    parser.add_argument("--figure", type=Path, help="write the figure to this file (PNG or SVG)")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def cell_folder(folder: Path, dataset: str, contender: str, seed: int) -> Path:
    return folder / "cells" / dataset / "".join(c if c.isalnum() else "-" for c in contender) / str(seed)


def run_cell(asked: argparse.Namespace) -> None:
    """A cell, in a process of its own."""
    from expansion.foundation.imports import import_keras

    import_keras()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    dataset, contender, seed = asked.one[0], asked.one[1], int(asked.one[2])
    folder = cell_folder(asked.folder, dataset, contender, seed)
    folder.mkdir(parents=True, exist_ok=True)
    terms = ALL[dataset]
    began, earlier = time.perf_counter(), folder / "seconds.json"
    before = json.loads(earlier.read_text(encoding="utf-8")) if earlier.exists() else 0.0
    try:
        found = CONTENDERS[contender](terms, terms.records(asked.folder, asked.data), seed, folder)
    finally:
        earlier.write_text(json.dumps(before + time.perf_counter() - began), encoding="utf-8")
    found = replace(found, contender=contender, seconds=before + found.seconds)
    partial = folder / f"{DONE}.partial"
    partial.write_text(json.dumps(asdict(found)), encoding="utf-8")
    partial.rename(folder / DONE)


def run_all(asked: argparse.Namespace) -> None:
    """Runs the cells that have no result; one that fails is said and left out, and tried again by the next call."""
    done = {result.key for result in read(asked.folder)}
    cells = [(dataset, contender, seed) for seed in range(asked.seeds) for contender in asked.contenders
             for dataset in asked.sets if (dataset, contender, seed) not in done]
    until = time.monotonic() + 3600 * asked.hours if asked.hours else float("inf")

    def run(cell: tuple[str, str, int]) -> tuple[tuple, Result | None, str]:
        folder = cell_folder(asked.folder, *cell)
        if time.monotonic() > until:
            return cell, None, "not begun: the time is over"
        if not (folder / DONE).exists():
            command = [sys.executable, "-m", "benchmarks.choices", str(asked.folder), "--one", *map(str, cell),
                       *(["--data", str(asked.data)] if asked.data else [])]
            ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
            if ended.returncode:
                return cell, None, (ended.stderr.strip().splitlines() or [f"ended with {ended.returncode}"])[-1]
        return cell, Result(**json.loads((folder / DONE).read_text(encoding="utf-8"))), ""

    for dataset in {cell[0] for cell in cells}:  # once, before cells need them at the same time
        ALL[dataset].records(asked.folder, asked.data)
    with ThreadPoolExecutor(asked.jobs) as pool:
        for (dataset, contender, seed), found, reason in pool.map(run, cells):
            if found:
                append(asked.folder, found)
                reason = f"{100 * found.accuracy:.1f} % of {len(found.right)} test videos, {found.network}, {found.seconds:.0f} s"
            print(f"seed {seed}, {dataset}, {contender}: {reason}", flush=True)


def plan(asked: argparse.Namespace) -> None:
    """What a pass takes, evaluations aside."""
    total = 0.0
    for terms in (ALL[name] for name in asked.sets):
        data = terms.records(asked.folder, asked.data)
        budget, last = terms.budget(data), terms.final * training_macs(terms.start, terms.recipe, data) * 2**terms.steps
        searches = sum("search" in name or name in ("Hyperband", "Bayesian optimisation") for name in asked.contenders)
        work = asked.seeds * (searches * budget + len(asked.contenders) * last)
        total += work
        print(f"{terms.name}: at most {show_cost('macs', terms.limit(len(data.classes)))} MACs per clip; a search may train for "
              f"{budget / 1e12:.3g} T, a pass for {work / 1e12:.3g} T")
    print(f"in all about {duration(total / (GMACS_PER_SECOND * 1e9))} on 2 cores at {GMACS_PER_SECOND:g} GMACs/s")


def report(asked: argparse.Namespace) -> None:
    """Prints the tables, and writes the figure where one is asked for."""
    results, tables = read(asked.folder), {}
    for terms in (ALL[name] for name in asked.sets):
        if not (found := rows(results, terms.name)):
            continue
        tables[terms.name] = found
        pairs, clear, other = overturned(results, terms.name)
        print(f"\n{_title(terms)}\n\n{table(found)}\n")
        if pairs:
            print(f"First steps: {clear} of {pairs} comparisons with another seed have a step that is clear on these videos; "
                  f"the other seed takes another candidate in {other}.")
    if asked.figure and tables:
        figure(tables, asked.figure)


def _title(terms: DataSet) -> str:
    return f"### {terms.name}"


def main() -> None:
    """See the head of this module."""
    asked = arguments()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.one:
        run_cell(asked)
        return
    if asked.plan:
        plan(asked)
        return
    if not asked.report:
        run_all(asked)
    report(asked)


if __name__ == "__main__":
    main()
