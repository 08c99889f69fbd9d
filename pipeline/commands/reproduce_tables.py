"""What `x3d reproduce` shows and writes: the candidates of each step beside the paper's, as tables, JSON and a figure."""

from __future__ import annotations

import dataclasses
import os

from expansion import paper
from expansion.complexity import complexity
from expansion.display.console import make_table
from expansion.display.tables import SPEC_COLUMNS, percent, points, spec_cells
from expansion.foundation import files
from expansion.search.axes import contract, expand, macs
from expansion.search.state import SearchState
from expansion.search.steps import Step
from expansion.spec import NAMED


def show(console, search: SearchState, last: int, output: str | None, as_json: bool, own: str | None = None) -> None:
    """Prints a walk of the paper's path up to step `last`, and writes it to a folder where one is named.

    Args:
        own: the data set that the accuracies were measured on; None where they are the paper's.
    """
    found = content(search, last, own)
    if as_json:
        console.print_json(data=found)
    else:
        _show(console, search, found)
    if output:
        files.write_json(os.path.join(output, "reproduce.json"), found)
        _figure(search, last, os.path.join(output, "reproduce.png"), own)
        if not as_json:
            console.print(f"written: {output}/reproduce.json, {output}/reproduce.png", soft_wrap=True)


def content(search: SearchState, last: int, own: str | None) -> dict:
    """All that is shown, as JSON. MACs are those at 400 classes, as the paper's; accuracies are shares of 1."""
    named = {name: {"spec": NAMED[name].as_dict(), **dataclasses.asdict(complexity(NAMED[name]))}
             for name in NAMED if paper.last_step(name) <= last}
    steps = [_row(step, own) for step in search.steps if step.decision]
    compared = [row for row in steps if row["chosen"] and row["paper"]]
    return {"accuracies": own or "the paper's", "steps": steps, "stopped_by": search.stopped_by,
            "agreed": sum(row["chosen"] == row["paper"] for row in compared), "compared": len(compared),
            "contracted": _contracted(search), "later": [] if own else _later(search, last), "named": named}


def _row(step: Step, own: str | None) -> dict:
    candidates = []
    for candidate in step.candidates:
        for axis in candidate.names:
            gmacs, top1 = _of_paper(step, axis)
            cost = macs(candidate.spec)
            entry = {"axis": axis, "spec": candidate.spec.as_dict(), "macs": cost, "paper_gmacs": gmacs,
                     "difference": cost / 1e9 / gmacs - 1 if gmacs else None, "paper_top1": top1, "gain": candidate.gain}
            candidates.append(entry | ({"top1": candidate.accuracy, "failed": candidate.message} if own else {}))
    expansion = step.kind == "expansion"
    best = max((c for c in step.candidates if c.gain is not None), key=lambda c: c.gain, default=None)
    winner = paper.winner(step.number) if expansion and step.number <= paper.STEPS else None
    # A merged candidate is the paper's axis as well.
    chosen = None if best is None else winner if winner in best.names else best.axis
    return {"step": step.number, "kind": step.kind, "candidates": candidates, "chosen": chosen, "paper": winner,
            "verdict": step.decision.verdict, "p_value": step.decision.p_value,
            "cannot_move": {saturated.axis: saturated.reason for saturated in step.saturated}}


def _of_paper(step: Step, axis: str) -> tuple[float | None, float | None]:
    if step.kind == "contraction" or step.number > paper.STEPS:
        return None, None
    return paper.recorded(step.number, axis)


def _contracted(search: SearchState) -> dict | None:
    """S: step 7 reduced to 2 GMACs along the axis that it took; None where the walk does not go so far."""
    if len(search.path) <= 7:
        return None
    spec = contract(search.path[6].spec, search.path[7].spec, search.path[7].axis, paper.TARGET_S_GMACS * 1e9)
    return {"name": paper.name_of(spec), "spec": spec.as_dict(), "macs": macs(spec)}


def _later(search: SearchState, last: int) -> list[dict]:
    """Steps 12 and 13, for which the paper prints the models but no candidates: the solver's, on the axes it names."""
    spec, rows = search.path[-1].spec, []
    for number, axis in enumerate(paper.LATER_AXES[: max(0, last - paper.STEPS)], start=paper.STEPS + 1):
        spec = expand(spec, axis)
        rows.append({"step": number, "axis": axis, "spec": spec.as_dict(), "macs": macs(spec), "name": paper.name_of(spec)})
    return rows


def _show(console, search: SearchState, found: dict) -> None:
    own = found["accuracies"] != "the paper's"
    for step, row in zip(search.steps, found["steps"]):
        if step.number or own:
            console.print(_table(step, row, own))
    for row in found["later"]:
        console.print(f"step {row['step']} {row['axis']}: {row['macs'] / 1e9:.2f} GMACs {row['name'] or ''}")
    table = make_table("models of the path", "name", *SPEC_COLUMNS, "MACs", "params", "without BN")
    for name, entry in found["named"].items():
        table.add_row(name, *spec_cells(NAMED[name]), f"{entry['macs']:,}", f"{entry['params']:,}",
                      f"{entry['params'] - entry['bn_params']:,}")
    console.print(table)
    if found["contracted"]:
        console.print(f"S is step 7 contracted to {paper.TARGET_S_GMACS:g} GMACs: {found['contracted']['name']}, "
                      f"{found['contracted']['macs'] / 1e9:.3f} GMACs")
    if own:
        console.print(f"accuracies: on the validation split of {found['accuracies']}; ended by: {found['stopped_by']}")
    console.print(f"the axis chosen is the paper's in {found['agreed']} of {found['compared']} steps")


def _table(step: Step, row: dict, own: bool):
    name = "S" if step.kind == "contraction" else paper.NAMES.get(step.number, "")
    measured = ["top-1"] if own else []
    table = make_table(f"step {step.number}  {name}".rstrip(), "axis", *SPEC_COLUMNS, "GMACs", "paper", "differs",
                       "paper's top-1", *measured, "gain")
    entries = iter(row["candidates"])
    for candidate in step.candidates:
        for axis in candidate.names:
            entry = next(entries)
            taken = candidate is step.winner and (axis == candidate.axis or axis == row["paper"])
            differs = "-" if entry["difference"] is None else f"{100 * entry['difference']:+.1f} %"
            own_top1 = [percent(candidate.accuracy) if candidate.status == "completed" else "failed"] if own else []
            table.add_row(axis + (" *" if taken else ""), *spec_cells(candidate.spec), f"{entry['macs'] / 1e9:.3f}",
                          "-" if entry["paper_gmacs"] is None else f"{entry['paper_gmacs']:.3f}", differs,
                          percent(entry["paper_top1"]), *own_top1, points(candidate.gain), style="bold" if taken else None)
    notes = [f"{axis} cannot move: {reason}" for axis, reason in row["cannot_move"].items()]
    if row["chosen"]:
        notes.insert(0, f"chosen: {row['chosen']}; the paper: {row['paper'] or 'not printed'}")
        if own and row["p_value"] is not None:
            notes[0] += f"; the taken one against the best other: p = {row['p_value']:.2g}"
    table.caption = "\n".join(notes) or None
    return table


def _figure(search: SearchState, last: int, path: str, own: str | None) -> None:
    from expansion.display.path_figure import Reference, save_figure

    points_of_paper = [
        Reference(entry["gmacs"], entry["top1"], axis, axis == step["winner"])
        for step in paper.figures()["figure2"][:last] for axis, entry in step["candidates"].items()]
    title = f"accuracies on {os.path.basename(os.path.normpath(own))}, along the paper's path" if own else \
        "accuracies of the paper, costs and choices of this project"
    save_figure(search, path, references=points_of_paper, references_name="Figure 2 of the paper", title=title)
