"""`x3d reproduce`: the paper's path, step by step, from the recorded accuracies of Figure 2.

The accuracies go through the real Oracle and the real selection: nothing here knows which axis the paper chose but the
column that compares.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile

from expansion import files, paper
from expansion.axes import contract, expand, macs
from expansion.complexity import complexity
from expansion.console import make_console, make_table, noise_to
from expansion.errors import InputError
from expansion.search import Search, SearchSettings, Step
from expansion.spec import NAMED
from expansion.tables import SPEC_COLUMNS, percent, points, spec_cells


def walk(steps: int) -> Search:
    """The search that the Oracle makes of the recorded accuracies, up to a step of Figure 2."""
    from expansion.oracle import OBJECTIVE, ExpansionOracle  # brings Keras with it

    oracle = ExpansionOracle(SearchSettings(steps=steps))
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "reproduce")
        while (trial := oracle.create_trial("reproduce")).status == "RUNNING":
            values = trial.hyperparameters.values
            _, top1 = paper.recorded(values["step"], values["axis"])
            oracle.update_trial(trial.trial_id, {OBJECTIVE: top1})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
    return oracle.search


def reproduce(until: str, output: str | None, as_json: bool) -> None:
    """Prints the path up to a named model, and writes it to a folder where one is named.

    Raises:
        InputError: the name is not known.
    """
    until = until.upper()
    if until not in NAMED:
        raise InputError(f"--until {until!r} is not known; allowed are {', '.join(NAMED)}")
    last = paper.last_step(until)
    with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt")):
        search = walk(max(1, min(last, paper.STEPS)))
    steps = search.steps[: last + 1]
    found = _content(search, steps, last)
    console = make_console()
    if as_json:
        console.print_json(data=found)
    else:
        _show(console, search, steps, last, found)
    if output:
        files.write_json(os.path.join(output, "reproduce.json"), found)
        _figure(search, last, os.path.join(output, "reproduce.png"))
        if not as_json:
            console.print(f"written: {output}/reproduce.json, {output}/reproduce.png", soft_wrap=True)


def _content(search: Search, steps: list[Step], last: int) -> dict:
    rows = []
    for step in steps:
        candidates = []
        for candidate in step.candidates:
            for axis in (candidate.axis, *candidate.merged):
                gmacs, top1 = paper.recorded(step.step, axis)
                candidates.append({
                    "axis": axis, "spec": candidate.spec.as_dict(), "macs": candidate.macs, "paper_gmacs": gmacs,
                    "difference": candidate.macs / 1e9 / gmacs - 1, "paper_top1": top1, "gain": candidate.gain})
        rows.append({"step": step.step, "candidates": candidates, "chosen": step.winner.axis,
                     "paper": paper.winner(step.step) if step.step else "seed"})
    named = {name: {"spec": NAMED[name].as_dict(), **dataclasses.asdict(complexity(NAMED[name]))}
             for name in NAMED if paper.last_step(name) <= last}
    return {"steps": rows, "contracted": _contracted(search) if last >= 7 else None, "later": _later(search, last),
            "named": named}


def _contracted(search: Search) -> dict:
    """S: step 7 reduced to 2 GMACs along the axis that it took."""
    spec = contract(search.steps[6].winner.spec, search.steps[7].winner.spec, search.steps[7].winner.axis,
                    paper.TARGET_S_GMACS * 1e9)
    return {"name": paper.name_of(spec), "spec": spec.as_dict(), "macs": macs(spec)}


def _later(search: Search, last: int) -> list[dict]:
    """Steps 12 and 13, for which the paper prints the models but no candidates: the solver's, on the axes it names."""
    spec, rows = search.path[-1].spec, []
    for number, axis in enumerate(paper.LATER_AXES[: max(0, last - paper.STEPS)], start=paper.STEPS + 1):
        spec = expand(spec, axis)
        rows.append({"step": number, "axis": axis, "spec": spec.as_dict(), "macs": macs(spec), "name": paper.name_of(spec)})
    return rows


def _show(console, search: Search, steps: list[Step], last: int, found: dict) -> None:
    agreed = 0
    for step in steps[1:]:
        name = paper.NAMES.get(step.step, "")
        table = make_table(f"step {step.step}  {name}".rstrip(), "axis", *SPEC_COLUMNS, "GMACs", "paper", "differs",
                           "paper's top-1", "gain")
        for candidate in step.candidates:
            for axis in (candidate.axis, *candidate.merged):
                gmacs, top1 = paper.recorded(step.step, axis)
                chosen = candidate is step.winner and axis == candidate.axis
                table.add_row(axis + (" *" if chosen else ""), *spec_cells(candidate.spec), f"{candidate.macs / 1e9:.3f}",
                              f"{gmacs:.3f}", f"{100 * (candidate.macs / 1e9 / gmacs - 1):+.1f} %", percent(top1),
                              points(candidate.gain), style="bold" if chosen else None)
        same = step.winner.axis == paper.winner(step.step)
        agreed += same
        table.caption = f"chosen: {step.winner.axis}; the paper: {paper.winner(step.step)}"
        console.print(table)
    for row in found["later"]:
        console.print(f"step {row['step']} {row['axis']}: {row['macs'] / 1e9:.2f} GMACs {row['name'] or ''}")
    table = make_table("models of the path", "name", *SPEC_COLUMNS, "MACs", "params", "without BN")
    for name, entry in found["named"].items():
        table.add_row(name, *spec_cells(NAMED[name]), f"{entry['macs']:,}", f"{entry['params']:,}",
                      f"{entry['params'] - entry['bn_params']:,}")
    console.print(table)
    if last >= 7:
        console.print(f"S is step 7 contracted to {paper.TARGET_S_GMACS:g} GMACs: {found['contracted']['name']}, "
                      f"{found['contracted']['macs'] / 1e9:.3f} GMACs")
    console.print(f"the axis chosen is the paper's in {agreed} of {len(steps) - 1} steps")


def _figure(search: Search, last: int, path: str) -> None:
    from expansion.figure import Reference, save_figure

    points_of_paper = [
        Reference(entry["gmacs"], entry["top1"], axis, axis == step["winner"])
        for step in paper.figures()["figure2"][:last] for axis, entry in step["candidates"].items()]
    save_figure(search, path, references=points_of_paper, references_name="Figure 2 of the paper",
                title="accuracies of the paper, costs and choices of this project")
