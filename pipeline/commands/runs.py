"""`x3d runs`: the runs in a folder, one per line. Imports no TensorFlow."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time

from rich.console import Console

from expansion.display.console import make_console, make_table, print_json
from expansion.display.tables import baseline_text, baseline_warning, duration, file_size, percent
from expansion.foundation.errors import InputError
from expansion.search.costs import show_cost
from expansion.search.trace import TRACE
from expansion.tasks.registry import task_named
from pipeline.options import Json, Runs
from pipeline.runs.folder import RunFolder, all_runs
from pipeline.runs.held_out import HeldOutResult, read_held_out
from pipeline.runs.size import size_of_run
from pipeline.runs.state import is_whole, state


def list_runs(runs: Runs = "runs", as_json: Json = False) -> None:
    """List the runs, the one that changed last first: state, steps, accuracy, cost, age, and what they take on the disk."""
    rows = sorted((summary(run) for run in all_runs(runs)), key=lambda row: -(row["changed"] or 0))
    if as_json:
        print_json(rows)
        return
    console = make_console()
    if not rows:
        console.print(f"no runs under {runs}/; `x3d search` or `x3d demo` makes one", soft_wrap=True, markup=False)
        return
    table = make_table(f"runs in {runs}/", "name", "state", "step", "accuracy", "held out", "MACs", "changed")
    for row in rows:
        age = "-" if row["changed"] is None else f"{duration(time.time() - row['changed'])} ago"
        table.add_row(row["name"], row["state"], "-" if row["step"] is None else f"{row['step']}/{row['steps']}",
                      percent(row["accuracy"]), percent(row["held_out_accuracy"]),
                      show_cost("macs", row["macs"]) if row["macs"] else "-", age)
    console.print(table)
    sizes = make_table("\non the disk", "name", "records", "searches", "checkpoints", "rest", "in all")
    for row in rows:
        sizes.add_row(row["name"], *map(file_size, row["bytes"].values()), file_size(sum(row["bytes"].values())))
    if len(rows) > 1:
        parts = [sum(row["bytes"][kind] for row in rows) for kind in rows[0]["bytes"]]
        sizes.add_row("all runs", *map(file_size, parts), file_size(sum(parts)), style="bold")
    console.print(sizes)


def show_baseline(console: Console, outcome: HeldOutResult) -> None:
    """Prints what an accuracy on held-out videos is worth."""
    if outcome.baseline is None:
        return
    console.print(baseline_text(outcome.baseline, outcome.classes), soft_wrap=True)
    if warning := baseline_warning(outcome.baseline, outcome.classes):
        console.print(f"the chosen network is {warning}", soft_wrap=True)


def score_of_training(results: dict) -> float | None:
    """The score of a training on validation videos, from its results; None where there are none."""
    return results.get(f"val_{task_named(results.get('task', 'single-label')).score}")


def summary(run: RunFolder) -> dict:
    """A run as a row of JSON. accuracy: of the path's end on validation videos; steps: decided, and at most; bytes: see Size."""
    search, changed = None, None
    if traces := run.traces():
        with contextlib.suppress(InputError, ValueError):
            search = run.search()
        changed = os.path.getmtime(os.path.join(traces[-1], TRACE))
    trained = run.read_training()
    if trained:
        changed = os.path.getmtime(run.training_results)
    last = search.path[-1] if search and search.path else None
    outcome = read_held_out(run) if search and is_whole(run) else None
    return {
        "name": run.name, "state": state(run, search), "step": len(search.path) - 1 if last else None,
        "steps": search.settings.steps if search else None, "accuracy": last.accuracy if last else score_of_training(trained),
        "held_out_accuracy": outcome.accuracy if outcome else None,
        "held_out_largest_class": outcome.baseline.share if outcome and outcome.baseline else None,
        "macs": last.macs if last else trained.get("macs"),
        "params": last.params if last else trained.get("params"), "stopped_by": search.stopped_by if search else None,
        "changed": changed, "folder": run.path, "bytes": dataclasses.asdict(size_of_run(run)),
    }
