"""What looks at runs that are there: runs, show, report, tensorboard. Imports no TensorFlow."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

from expansion.display.console import make_console, make_table, print_json
from expansion.display.tables import cost, duration, path_table, percent, step_table
from expansion.foundation.errors import InputError
from expansion.search.state import Search
from expansion.search.trace import TRACE
from pipeline.runs.folder import RunFolder, all_runs, find_run, newest_run
from pipeline.runs.held_out import read_outcome
from pipeline.runs.state import is_whole, state


def run_names(incomplete: str) -> list[str]:
    """Names of the runs under runs/ that begin so, for the shell to complete."""
    return [run.name for run in all_runs() if run.name.startswith(incomplete)]


def list_runs(root: str, as_json: bool = False) -> None:
    """Prints the runs under a root, the one that changed last first."""
    rows = sorted((_summary(run) for run in all_runs(root)), key=lambda row: -(row["changed"] or 0))
    if as_json:
        print_json(rows)
        return
    console = make_console()
    if not rows:
        console.print(f"no runs under {root}/; `x3d search` or `x3d demo` makes one", soft_wrap=True)
        return
    table = make_table(f"runs in {root}/", "name", "state", "step", "accuracy", "held out", "MACs", "changed")
    for row in rows:
        age = "-" if row["changed"] is None else f"{duration(time.time() - row['changed'])} ago"
        table.add_row(row["name"], row["state"], "-" if row["step"] is None else f"{row['step']}/{row['steps']}",
                      percent(row["accuracy"]), percent(row["held_out_accuracy"]),
                      cost(row["macs"]) if row["macs"] else "-", age)
    console.print(table)


def _summary(run: RunFolder) -> dict:
    """A run in a row. accuracy: of the path's end on validation videos; steps: decided, and at most."""
    search, changed = None, None
    if traces := run.traces():
        with contextlib.suppress(InputError, ValueError):
            search = run.search()
        changed = os.path.getmtime(os.path.join(traces[-1], TRACE))
    trained = run.read_training()
    if trained:
        changed = os.path.getmtime(run.training_results)
    last = search.path[-1] if search and search.path else None
    outcome = read_outcome(run) if search and is_whole(run) else None
    return {
        "name": run.name, "state": state(run, search), "step": len(search.path) - 1 if last else None,
        "steps": search.settings.steps if search else None, "accuracy": last.accuracy if last else trained.get("val_accuracy"),
        "held_out_accuracy": outcome.accuracy if outcome else None, "macs": last.macs if last else trained.get("macs"),
        "params": last.params if last else trained.get("params"), "stopped_by": search.stopped_by if search else None,
        "changed": changed, "folder": run.path,
    }


def show_run(name: str | None, root: str, as_json: bool = False) -> None:
    """Prints a run's newest search: every step with its candidates, the path, and where it stands.

    Raises:
        InputError: there is no such run, or it has no search yet.
    """
    run = find_run(name, root) if name else newest_run(root)
    search = run.search()
    if as_json:
        print_json(_summary(run) | {"search": search.as_dict()})
        return
    console = make_console()
    for step in search.steps:
        console.print(step_table(step))
    console.print(path_table(search))
    _print_failures(console, search)
    console.print(f"\n{run.name}: {state(run, search)}" + (f", ended by {search.stopped_by}" if search.stopped_by else ""))
    if os.path.exists(run.failure):
        with open(run.failure, encoding="utf-8") as file:
            console.print(f"it failed: {file.read()}\nThe log is {run.log}", markup=False, soft_wrap=True)
    outcome = read_outcome(run) if is_whole(run) else None
    if outcome:
        console.print(f"chosen network, full schedule, {sum(outcome.videos)} {outcome.split} videos: "
                      f"{percent(outcome.accuracy)} (the seed {percent(outcome.seed_accuracy)})", soft_wrap=True)


def _print_failures(console, search: Search) -> None:
    for step in search.steps:
        for candidate in step.candidates:
            if candidate.status == "failed":
                reason = (candidate.message or "no reason given").strip().splitlines()[-1]
                console.print(f"step {step.step} {candidate.axis} failed: {reason}", markup=False, soft_wrap=True)


def report(name: str | None, root: str, output: str | None, markdown: bool) -> None:
    """Writes a run's report.

    Raises:
        InputError: there is no such run, it has no search yet, or the output's ending is another one.
    """
    from pipeline.report.facts import gather  # brings matplotlib with it
    from pipeline.report.write import write_report

    run = find_run(name, root) if name else newest_run(root)
    path = output or os.path.join(run.path, f"report.{'md' if markdown else 'html'}")
    written = write_report(gather(run), path, markdown)
    make_console().print(os.path.relpath(written[0]) if not os.path.isabs(path) else path, soft_wrap=True, markup=False)


def tensorboard(run: str | None, runs: str, host: str, port: int) -> None:
    """Starts TensorBoard on a run's searches, or on all runs, until interrupted."""
    logs = runs
    if run:
        folder = find_run(run, runs)
        searches = folder.traces()
        # The newest search alone, so that its runs have short names.
        logs = os.path.join(searches[-1], "logs") if searches else (
            folder.training_logs if os.path.isdir(folder.training_logs) else folder.searches)
    if not os.path.isdir(logs):
        raise InputError(f"no runs under {logs}/; `x3d search` or `x3d demo` makes one")
    # Unsmoothed; above 40 runs TensorBoard selects none, so a long search opens on its summary.
    view = "runFilter=summary&smoothing=0" if run and len(os.listdir(logs)) > 9 else "smoothing=0"
    make_console().print(f"open http://{host}:{port}/?{view}#timeseries", soft_wrap=True)
    try:
        # Every step's figure is kept: the default of 10 images a tag drops some.
        subprocess.run([sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--host", host, "--port", str(port),
                        "--samples_per_plugin", "images=100,text=100"],
                       env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"})  # its own lines stay
    except KeyboardInterrupt:
        pass
