"""The tables of a search, one per step and the path, as plain data; for a terminal and in Markdown; and how cells are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table as RichTable
from rich.text import Text

from expansion.display.console import make_table
from expansion.search.costs import show_cost
from expansion.search.decisions import reason_of
from expansion.search.forecast import retrospective
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.search.training_cost import training_cost
from expansion.tasks.registry import task_named
from expansion.tasks.single_label import Baseline


class Table(NamedTuple):
    """Rows of text cells; the first column is text, the others are numbers.

    Args:
        strong: places of rows to stress.
        notes: sentences below, without full stops.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: Sequence[int] = ()
    notes: Sequence[str] = ()


# What Markdown, HTML in it and formulas would take for their own; an underscore within a word is none.
_MARKUP = re.compile(r"[\\|`*\[\]<>&$]|(?<!\w)_|_(?!\w)")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "$": "&#36;"}
SPEC_COLUMNS = ("clip", "size", "width", "depth", "bneck")


def percent(share: float | None) -> str:
    """A share of 1; halves are rounded up, also those that float32 has moved a little."""
    return "-" if share is None else f"{100 * share + 1e-5:.1f} %"


def accuracy(candidate: CandidateState) -> str:
    """Accuracy, and how far the farther end of its 95 % confidence interval is: 75.0 % ±22."""
    if candidate.interval is None:
        return percent(candidate.accuracy)
    reach = 100 * max(candidate.interval[1] - candidate.accuracy, candidate.accuracy - candidate.interval[0])
    return f"{percent(candidate.accuracy)} ±{reach:.0f}" if reach >= 9.95 else f"{percent(candidate.accuracy)} ±{reach:.1f}"


def baseline_text(found: Baseline, classes: Sequence[str]) -> str:
    """What an accuracy is worth, in a line: the largest class, the mean over the classes, and who is never named."""
    text = (f"always saying {classes[found.largest]!r} would reach {percent(found.share)}; mean over the classes "
            f"{percent(found.balanced)}")
    return text + (f"; never named: {listed([classes[number] for number in found.never])}" if found.never else "")


def baseline_warning(found: Baseline, classes: Sequence[str]) -> str | None:
    """A line where a network is no better than its largest class; None where it is."""
    if found.reached:
        return None
    return f"no better than always saying {classes[found.largest]!r} ({percent(found.accuracy)}, {percent(found.share)})"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Names in a line, and how many more there are than it shows."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def points(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.1f}"


def duration(seconds: float | None) -> str:
    """Wall time in the unit that suits: 45 s, 12 min, 3.4 h."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def file_size(size: int) -> str:
    """Bytes in the unit that suits: 48 kB, 1.2 GB."""
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= least:
            return f"{size / least:.3g} {unit}"
    return f"{size} B"


def clip_text(spec) -> str:
    """Frames x stride; a single frame has no stride."""
    return f"{spec.frames}x{spec.stride}" if spec.frames > 1 else "1"


def spec_cells(spec) -> list[str]:
    return [clip_text(spec), str(spec.size), f"{spec.width:g}", f"{spec.depth:g}", f"{spec.bottleneck:g}"]


def verdict(step: Step) -> str:
    """One line: what was chosen, by how much, and whether the margin could be chance."""
    decision = step.decision
    if decision is None:
        return "not decided yet"
    if decision.margin is None:
        return f"{step.winner.axis}: {decision.verdict}"
    against = step.candidates[decision.runner_up].axis
    chance = "" if decision.p_value is None else f", p = {decision.p_value:.2g}"
    if decision.verdict == "prescribed":
        return f"{step.winner.axis} as prescribed, {points(decision.margin)} points over {against}{chance}"
    tied = [step.candidates[c.loser].axis for c in decision.against[1:] if c.verdict == "within noise"]
    also = f"; also {', '.join(tied)}" if tied else ""
    found = decision.against[0].verdict if decision.against else decision.verdict
    return f"{step.winner.axis} wins by {points(decision.margin)} points over {against} ({found}{chance}{also})"


def gained(step: Step) -> str | None:
    """One line: what the winner gained over the network that it grew from; None where nothing can be said."""
    over = step.decision.over_parent if step.decision else None
    if over is None:
        return None
    if not step.gained:
        return f"no gain: {points(over.margin)} points to the network of step {step.number - 1}"
    chance = "" if over.p_value is None else f", p = {over.p_value:.2g}"
    return f"{points(over.margin)} points to the network of step {step.number - 1} ({over.verdict}{chance})"


def failures(step: Step) -> list[str]:
    """A line for each candidate of a step that failed, at last or before it completed."""
    lines = []
    for candidate in step.candidates:
        times = f" {len(candidate.failures)} times" if len(candidate.failures) > 1 else ""
        for repeat in candidate.repeats:
            if repeat.status == "failed":
                lines.append(f"{candidate.axis}, training {repeat.repeat + 1}, failed: {reason_of(repeat.message)}")
        if candidate.status == "failed":
            lines.append(f"{candidate.axis} failed{times}: {reason_of(candidate.message)}")
        elif candidate.failures:
            lines.append(f"{candidate.axis} was tried again after it failed{times}: {candidate.failures[-1]}")
    return lines


def largest_class(candidates: Sequence[CandidateState]) -> list[str]:
    """What the accuracies of candidates are to be compared with, a line; none where their trainings did not tell."""
    told = [c for c in candidates if c.accuracy is not None and "val_largest_class" in c.metrics]
    if not told:
        return []
    share = told[0].metrics["val_largest_class"]
    below = [c.axis for c in told if c.accuracy <= share]
    worse = f"; no better: {', '.join(below)}" if below else ""
    return [f"always saying the largest class reaches {percent(share)} of the validation videos{worse}"]


def stops(step: Step) -> list[str]:
    """A line for each candidate of a step that a race stopped: where, at what accuracy, and how far behind the leader."""
    lines = []
    for candidate in step.candidates:
        if candidate.status == "stopped":
            rung, standing = candidate.rungs[-1], candidate.rungs[-1].standing
            bound = "" if standing.bound is None else f", 95 % bound {points(standing.bound)}"
            lines.append(f"{candidate.axis} stopped after epoch {rung.epoch}: {percent(rung.accuracy)}, "
                         f"gain {points(-standing.behind)} to the leader's{bound}")
    return lines


def step_rows(step: Step, wide: bool = False) -> Table:
    """All candidates of a step; the winner is strong, and notes name the decision, who stopped, who failed and what is stuck.

    Args:
        wide: with what a terminal of 80 columns has no place for.
    """
    measured = [step.cost] if step.cost in ("memory", "latency") else []
    timed = wide and any("latency_ms" in candidate.metrics for candidate in step.candidates)
    balanced = wide and any("val_balanced_accuracy" in candidate.metrics for candidate in step.candidates)
    macs = wide or not measured
    header = ("axis", *SPEC_COLUMNS, *measured, *["MACs"] * macs, "params", step.score, *["mean over classes"] * balanced, "gain",
              "time", *["measured latency"] * timed)
    rows = []
    for candidate in step.candidates:
        rows.append((
            (" = " if wide else "=").join(candidate.names), *spec_cells(candidate.spec),
            *(show_cost(name, candidate.cost) for name in measured), *[show_cost("macs", candidate.macs)] * macs,
            f"{candidate.params / 1e6:.2f} M", _result(candidate, wide),
            *[percent(candidate.metrics.get("val_balanced_accuracy"))] * balanced, points(candidate.gain),
            duration(_seconds(candidate)), *[_latency(candidate)] * timed))
    notes = [line for line in (verdict(step), gained(step)) if line] if step.kind == "expansion" else []
    if again := [f"{c.axis} {len(c.accuracies)}" for c in step.candidates if len(c.accuracies) > 1]:
        notes.append(f"means over trainings: {', '.join(again)}")
    notes += largest_class(step.candidates) + stops(step) + failures(step)
    notes += [f"{stuck.axis} cannot move: {stuck.reason}" for stuck in step.saturated]
    return Table(header, rows, [step.candidates.index(step.winner)] if step.winner else [], notes)


def _result(candidate: CandidateState, wide: bool) -> str:
    if wide and candidate.status == "stopped":
        return f"stopped at {percent(candidate.rungs[-1].accuracy)}"
    return accuracy(candidate) if candidate.status == "completed" else candidate.status


def _seconds(candidate: CandidateState) -> float | None:
    known = [t.metrics["seconds"] for t in candidate.trainings if "seconds" in t.metrics]
    return sum(known) if known else None


def _latency(candidate: CandidateState) -> str:
    found = candidate.metrics.get("latency_ms")
    return "-" if found is None else f"{found:.3g} ms"


def path_rows(search: SearchState, until: int | None = None, wide: bool = False) -> Table:
    """The winners from the seed to the end, which is strong; notes name what failed on the way and what it took.

    A last step that gained nothing and ended the search is shown as not taken.

    Args:
        until: the last step to show; None for all.
        wide: with what a terminal of 80 columns has no place for.
    """
    rows, shown = [], [step for step in search.steps[: None if until is None else until + 1] if step.winner]
    for step in shown:
        winner, taken = step.winner, step in search.taken
        kind = " (contracted)" if step.kind == "contraction" else "" if taken else " (not taken)"
        decision = step.decision
        chance = "" if decision.p_value is None else f", p = {decision.p_value:.2g}"
        judged = (points(winner.gain), points(decision.margin), "-" if step.kind != "expansion" else decision.verdict + chance)
        rows.append((f"{step.number} {winner.axis}{kind}", *spec_cells(winner.spec), show_cost("macs", winner.macs),
                     f"{winner.params / 1e6:.2f} M", accuracy(winner), *(judged if wide else judged[1:2])))
    score = task_named(search.settings.task).noun
    header = ("step", *SPEC_COLUMNS, "MACs", "params", score, *(("gain", "margin", "verdict") if wide else ("margin",)))
    notes = [f"step {step.number} {line}" for step in search.steps for line in failures(step)]
    notes += largest_class([step.winner for step in search.steps if step.winner])
    notes += [line for line in (forecast_error(search), racing_saving(search)) if line]
    return Table(header, rows, [len(shown) - 1 - (shown[-1] not in search.taken)] if rows else [], notes)


def step_table(step: Step) -> RichTable:
    """A step for a terminal; the winner is marked."""
    return to_rich(step_rows(step), f"step {step.number}", mark=" *", dense=True)


def path_table(search: SearchState) -> RichTable:
    """The path for a terminal."""
    return to_rich(path_rows(search), "path")


def to_rich(table: Table, title: str, mark: str = "", dense: bool | None = None) -> RichTable:
    """A table for a terminal.

    Args:
        mark: put behind the first cell of a strong row.
        dense: as make_table takes it; by default where the table is over 80 columns else.
    """
    if dense is None:
        dense = sum(2 + max(map(len, column)) for column in zip(table.header, *table.rows)) > 80
    shown = make_table(title, *table.header, dense=dense)
    for place, (first, *others) in enumerate(table.rows):
        strong = place in table.strong
        shown.add_row(first + mark * strong, *others, style="bold" if strong else None)
    if table.notes:
        shown.caption = Text("\n".join(table.notes))
    return shown


def to_markdown(table: Table) -> str:
    """A table in Markdown, without its notes; the first cell of a strong row is bold."""
    rows = [list(map(in_markdown, row)) for row in (table.header, *table.rows)]
    for place in table.strong:
        rows[1 + place][0] = f"**{rows[1 + place][0]}**"
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "| --- " + "| ---: " * (len(table.header) - 1) + "|", *lines[1:]])


def in_markdown(text: str) -> str:
    """A text that is shown as it is, and stays in its cell and in its line."""
    text = _MARKUP.sub(lambda found: _ENTITIES.get(found.group()) or f"\\{found.group()}", str(text).replace("\n", " "))
    return text or " "


def forecast_error(search: SearchState) -> str | None:
    """A line on what the steps were forecast to take when they began and what they took; None where there is none."""
    steps = retrospective(search)
    forecast, actual = sum(step.forecast for step in steps), sum(step.actual for step in steps)
    if not actual:
        return None
    which = f"steps {steps[0].step} to {steps[-1].step} were" if len(steps) > 1 else f"step {steps[0].step} was"
    return (f"{which} forecast to take {duration(forecast)} and took "
            f"{duration(actual)} ({100 * (forecast / actual - 1):+.0f} %)")


def racing_saving(search: SearchState) -> str | None:
    """A line on what races saved; None where there was none, or where it cannot be told."""
    spent = training_cost(search) if search.settings.race.on else None
    return str(spent) if spent and spent.stopped else None
