"""`x3d show`: a run's newest search on the screen. Imports no TensorFlow."""

from __future__ import annotations

import os

from expansion.display.console import make_console, print_json
from expansion.display.ending import to_go_on
from expansion.display.tables import path_table, percent, step_table
from pipeline.commands.runs import show_baseline, summary
from pipeline.options import Json, Run, Runs
from pipeline.runs.folder import named_or_newest
from pipeline.runs.held_out import read_held_out
from pipeline.runs.state import is_whole, state


def show(run: Run = None, runs: Runs = "runs", as_json: Json = False) -> None:
    """Print a run's newest search: each step's candidates, the path, failures, and where it stands.

    Raises:
        InputError: there is no such run, or it has no search yet.
    """
    folder = named_or_newest(run, runs)
    search = folder.search()
    if as_json:
        print_json(summary(folder) | {"search": search.as_dict()})
        return
    console = make_console()
    for step in search.steps:
        console.print(step_table(step))
    console.print(path_table(search))
    console.print(f"\n{folder.name}: {state(folder, search)}" + (f", ended by {search.stopped_by}" if search.stopped_by else ""),
                  markup=False)
    if more := to_go_on(search):
        console.print(more, markup=False, highlight=False, soft_wrap=True)
    if os.path.exists(folder.failure):
        with open(folder.failure, encoding="utf-8") as file:
            console.print(f"it failed: {file.read()}\nThe log is {folder.log}", markup=False, soft_wrap=True)
    if search.probe:
        console.print(search.probe.text(search.settings.weights), markup=False, soft_wrap=True)
    outcome = read_held_out(folder) if is_whole(folder) else None
    if outcome:
        console.print(f"chosen network, full schedule, {outcome.videos_in_all} {outcome.split} videos: "
                      f"{percent(outcome.accuracy)} (the seed {percent(outcome.seed_accuracy)})", soft_wrap=True)
        show_baseline(console, outcome)
