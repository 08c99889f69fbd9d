"""The search's tables for a terminal: one a step, and the path at the end."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from expansion.display.console import make_table
from expansion.search.costs import show_cost
from expansion.search.decisions import reason_of
from expansion.search.forecast import hindsight
from expansion.search.spending import spending
from expansion.search.state import Search
from expansion.search.steps import CandidateState, Step

SPEC_COLUMNS = ("clip", "size", "width", "depth", "bneck")


def percent(share: float | None) -> str:
    """A share of 1; halves are rounded up, also those that float32 has moved a little."""
    return "-" if share is None else f"{100 * share + 1e-5:.1f} %"


def cost(macs: int) -> str:
    """MACs with three digits, in the unit that suits: 20.7 M, 1.96 G."""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if macs >= size:
            return f"{macs / size:.3g} {unit}"
    return f"{macs / 1e3:.3g} k"


def accuracy(candidate: CandidateState) -> str:
    """Accuracy, and how far the farther end of its 95 % confidence interval is: 75.0 % ±22."""
    if candidate.interval is None:
        return percent(candidate.accuracy)
    reach = 100 * max(candidate.interval[1] - candidate.accuracy, candidate.accuracy - candidate.interval[0])
    return f"{percent(candidate.accuracy)} ±{reach:.0f}" if reach >= 9.95 else f"{percent(candidate.accuracy)} ±{reach:.1f}"


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


def clip_text(spec) -> str:
    """Frames x stride; a single frame has no stride."""
    return f"{spec.frames}x{spec.stride}" if spec.frames > 1 else "1"


def spec_cells(spec) -> list[str]:
    return [clip_text(spec), str(spec.size), f"{spec.width:g}", f"{spec.depth:g}", f"{spec.bottleneck:g}"]


def _result(candidate: CandidateState) -> str:
    return candidate.status if candidate.status in ("failed", "stopped") else accuracy(candidate)


def _seconds(candidate: CandidateState) -> float | None:
    known = [t.metrics["seconds"] for t in candidate.trainings if "seconds" in t.metrics]
    return sum(known) if known else None


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


def failures(step: Step) -> list[str]:
    """A line for each candidate of a step that failed, at last or before it completed."""
    lines = []
    for candidate in step.candidates:
        times = f"{len(candidate.failures)} times" if len(candidate.failures) > 1 else "once"
        for repeat in candidate.repeats:
            if repeat.status == "failed":
                lines.append(f"{candidate.axis}, training {repeat.seed + 1}, failed: {reason_of(repeat.message)}")
        if candidate.status == "failed":
            lines.append(f"{candidate.axis} failed {times}: {reason_of(candidate.message)}")
        elif candidate.failures:
            lines.append(f"{candidate.axis} was tried again after it failed {times}: {candidate.failures[-1]}")
    return lines


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


def step_table(step: Step) -> Table:
    """All candidates of a step; the winner is marked, axes that could not move and failures are named below."""
    measured = step.cost if step.cost in ("memory", "latency") else None
    table = make_table(f"step {step.step}", "axis", *SPEC_COLUMNS, measured or "MACs", "params", "accuracy", "gain", "time",
                       dense=True)  # else it is over 80 columns
    for candidate in step.candidates:
        axis = "=".join(candidate.names)
        chosen = candidate is step.winner
        table.add_row(
            f"{axis} *" if chosen else axis, *spec_cells(candidate.spec),
            show_cost(measured, candidate.cost) if measured else cost(candidate.macs),
            f"{candidate.params / 1e6:.2f} M", _result(candidate), points(candidate.gain),
            duration(_seconds(candidate)), style="bold" if chosen else None,
        )
    notes = [verdict(step)] if step.kind == "expansion" else []
    if again := [f"{c.axis} {len(c.accuracies)}" for c in step.candidates if len(c.accuracies) > 1]:
        notes.append(f"means over trainings: {', '.join(again)}")
    notes += stops(step) + [escape(line) for line in failures(step)]
    notes += [f"{saturated.axis} cannot move: {saturated.reason}" for saturated in step.saturated]
    if notes:
        table.caption = "\n".join(notes)
    return table


def path_table(search: Search) -> Table:
    """The winners from the seed to the end; what failed on the way is named below."""
    table = make_table("path", "step", *SPEC_COLUMNS, "MACs", "params", "accuracy", "margin")
    for step in search.steps:
        winner = step.winner
        if winner is None:
            continue
        name = f"{step.step} {winner.axis}" + (" (contracted)" if step.kind == "contraction" else "")
        table.add_row(name, *spec_cells(winner.spec), cost(winner.macs), f"{winner.params / 1e6:.2f} M",
                      accuracy(winner), points(step.decision.margin))
    notes = [escape(f"step {step.step}: {line}") for step in search.steps for line in failures(step)]
    notes += [line for line in (how_right(search), saved(search)) if line]
    if notes:
        table.caption = "\n".join(notes)
    return table


def how_right(search: Search) -> str | None:
    """A line on what the steps were forecast to take when they began and what they took; None where there is none."""
    steps = hindsight(search)
    forecast, actual = sum(step.forecast for step in steps), sum(step.actual for step in steps)
    if not actual:
        return None
    which = f"steps {steps[0].step} to {steps[-1].step} were" if len(steps) > 1 else f"step {steps[0].step} was"
    return (f"{which} forecast to take {duration(forecast)} and took "
            f"{duration(actual)} ({100 * (forecast / actual - 1):+.0f} %)")


def saved(search: Search) -> str | None:
    """A line on what races saved; None where there was none, or where it cannot be reckoned."""
    spent = spending(search) if search.settings.race.on else None
    return str(spent) if spent and spent.stopped else None
