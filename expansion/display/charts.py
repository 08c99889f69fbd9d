"""Charts of a search other than accuracy over cost: gains by step, learning curves, time, accuracy by class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from expansion.display.fitted import as_shown
from expansion.display.lettering import Lettering
from expansion.display.path_figure import PATH_COLOUR, REFERENCE_COLOUR, STYLES, described
from expansion.display.tables import duration, percent, points
from expansion.search.axes import AXES
from expansion.search.forecast import phases
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.tasks.single_label import wilson

GRID_COLOUR = "#e3e3e3"
# Okabe and Ito's again; dark to light, so that they can be told apart without colour as well.
PHASE_COLOURS = {"start": "#D55E00", "train": "#0072B2", "input": "#E69F00", "evaluate": "#56B4E9", "other": "#bdbdbd"}
_LABEL = {"fontsize": 9, "color": PATH_COLOUR}


def gains_figure(search: SearchState, width: float = 8, until: int | None = None) -> Figure:
    """The gain of every candidate, one row per step: the winner filled and named, with its lead and the verdict on it.

    Args:
        until: last step to draw; None for all.
    """
    steps = [step for step in search.steps[:_end(until)] if step.kind == "expansion"
             and any(candidate.gain is not None for candidate in step.candidates)]
    figure, axes = _figure(width, 1.3 + 0.5 * max(1, len(steps)))
    gains = [100 * c.gain for step in steps for c in step.candidates if c.gain is not None]
    low, high = (min(gains), max(gains)) if gains else (0.0, 1.0)
    axes.axvline(0, color=REFERENCE_COLOUR, linewidth=1, zorder=1)
    for row, step in enumerate(steps):
        axes.axhline(row, color=GRID_COLOUR, linewidth=0.8, zorder=0)
        for candidate in step.candidates:
            if candidate.gain is not None:
                _gain(axes, row, step, candidate)
    room = max(high - low, 1e-3)
    axes.set_xlim(min(low, 0) - 0.05 * room, max(high, 0) + 0.5 * room)
    axes.set_ylim(len(steps) - 0.4, -0.6)
    axes.set_yticks(range(len(steps)), [f"step {step.number}" for step in steps])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("gain (points of accuracy per doubling of the cost)")
    axes.grid(axis="x", color=GRID_COLOUR, linewidth=0.8)
    axes.spines["left"].set_visible(False)
    _axis_legend(figure, steps)
    return figure


def _gain(axes: Axes, row: int, step: Step, candidate: CandidateState) -> None:
    chosen = candidate is step.winner
    style = STYLES[candidate.axis].drawn(9 if chosen else 6.5, filled=chosen)
    (line,) = axes.plot(100 * candidate.gain, row, zorder=4 if chosen else 3, **style)
    described(line, f"{candidate.axis}: {points(candidate.gain)} points per doubling, {percent(candidate.accuracy)}")
    if not chosen:
        return
    decision, text = step.decision, candidate.axis
    if decision.margin is not None:
        text += f"  {points(decision.margin)} points over {step.candidates[decision.runner_up].axis}, {decision.verdict}"
    axes.annotate(text, (100 * candidate.gain, row), xytext=(9, 0), textcoords="offset points", va="center", **_LABEL)


def curves_figure(search: SearchState, histories: Mapping[str, Mapping[str, Sequence[float]]], width: float = 8,
                  metric: str = "accuracy") -> Figure:
    """Training curves, one panel per step: the winner's line thick, and at its end the accuracy on validation videos.

    Args:
        histories: of each trial, by its id: metrics over epochs, as expansion.training.fit.train returns them.
        metric: "accuracy" or "loss".
    """
    steps = [step for step in search.steps if any(c.trial_id in histories for c in step.candidates)]
    columns = min(4, max(1, len(steps)))
    rows = max(1, math.ceil(len(steps) / columns))
    figure = Figure(figsize=(width, 0.9 + 2.1 * rows), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    share = metric == "accuracy"
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(steps):]:
        panel.set_visible(False)
    for panel, step in zip(panels.flat, steps):
        for candidate in step.candidates:
            if candidate.trial_id in histories:
                _curve(panel, step, candidate, histories[candidate.trial_id][metric], share)
        winner = f": {step.winner.axis}" if step.winner and step.kind != "seed" else ""
        panel.set_title("seed" if step.kind == "seed" else f"step {step.number}{winner}", loc="left", fontsize=10)
        panel.grid(color=GRID_COLOUR, linewidth=0.8)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        if share:
            panel.set_ylim(0, 100)
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel("accuracy (%)" if share else "loss (nats)", fontsize=10)
    _axis_legend(figure, [step for step in steps if step.kind != "seed"])
    return figure


def _curve(panel: Axes, step: Step, candidate: CandidateState, values: Sequence[float], share: bool) -> None:
    chosen, style = candidate is step.winner, STYLES[candidate.axis]
    scale = 100 if share else 1
    epochs = range(1, len(values) + 1)
    (line,) = panel.plot(epochs, [scale * value for value in values], color=style.colour,
                         linewidth=2.2 if chosen else 1.1, zorder=3 if chosen else 2)
    described(line, f"{candidate.axis}, training")
    if share and candidate.accuracy is not None:
        (marker,) = panel.plot(len(values), 100 * candidate.accuracy, zorder=5 if chosen else 4, clip_on=False,
                               **style.drawn(7 if chosen else 5, filled=chosen))
        described(marker, f"{candidate.axis}: {percent(candidate.accuracy)} of the validation videos")


def time_figure(search: SearchState, width: float = 8, until: int | None = None) -> Figure:
    """Where the time went: one bar per step, divided into building, training, waiting for input, evaluating, the rest.

    Args:
        until: last step to draw; None for all.
    """
    steps = [step for step in search.steps[:_end(until)] if any(phases(c) for c in step.candidates)]
    sums = [{name: sum(phases(c).get(name, 0.0) for c in step.candidates) for name in PHASE_COLOURS} for step in steps]
    longest = max((sum(parts.values()) for parts in sums), default=1.0) or 1.0
    unit, size = next((u, s) for u, s in (("h", 3600.0), ("min", 60.0), ("s", 1.0)) if longest >= 2 * s or s == 1)
    figure, axes = _figure(width, 1.3 + 0.4 * max(1, len(steps)))
    for row, (step, parts) in enumerate(zip(steps, sums)):
        left = 0.0
        for name, seconds in parts.items():
            bars = axes.barh(row, seconds / size, left=left, height=0.62, color=PHASE_COLOURS[name], edgecolor="white",
                             linewidth=0.8, label=name if row == 0 else None)
            described(bars[0], f"step {step.number}, {name}: {duration(seconds)}")
            left += seconds / size
        trained = sum(bool(phases(c)) for c in step.candidates)
        axes.annotate(f"{duration(left * size)}, {trained} trained", (left, row), xytext=(5, 0),
                      textcoords="offset points", va="center", **_LABEL)
    axes.set_xlim(0, 1.3 * longest / size)
    axes.set_ylim(len(steps) - 0.4, -0.6)
    axes.set_yticks(range(len(steps)), ["seed" if s.kind == "seed" else f"step {s.number}" for s in steps])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"time of all candidates ({unit})")
    axes.grid(axis="x", color=GRID_COLOUR, linewidth=0.8)
    if steps:
        figure.legend(loc="outside upper left", ncols=5, fontsize=9, frameon=False)
    return figure


def classes_figure(names: Sequence[str], right: Sequence[int], videos: Sequence[int], width: float = 8,
                   as_text: bool = False) -> Figure:
    """Accuracy by class with its 95 % interval, the best class on top, with the counts beside it.

    Args:
        as_text: the names are kept as text, as in an SVG; else those whose letters no font here has are drawn as numbers.
    """
    letters = Lettering.of(names)
    drawn = [as_shown(name) for name in names] if as_text else letters.names
    rows = sorted(((good / total, name, good, total) for name, good, total in zip(drawn, right, videos) if total),
                  reverse=True)
    figure, axes = _figure(width, 0.9 + 0.3 * max(1, len(rows)))
    for row, (share, name, good, total) in enumerate(rows):
        low, high = wilson(good, total)
        axes.plot([100 * low, 100 * high], [row, row], color=STYLES["fast"].colour, linewidth=2, alpha=0.45, zorder=2,
                  solid_capstyle="butt")
        (marker,) = axes.plot(100 * share, row, zorder=3, clip_on=False, **STYLES["fast"].drawn(8))
        described(marker, f"{name}: {good} of {total}; 95 % interval {percent(low)} to {percent(high)}")
        axes.annotate(f"{percent(share)}  ({good} of {total})", (1.02, row), xycoords=("axes fraction", "data"),
                      va="center", annotation_clip=False, **_LABEL)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [name for _, name, _, _ in rows], **letters.style)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("top-1 accuracy (%); the bar is the 95 % interval")
    axes.grid(axis="x", color=GRID_COLOUR, linewidth=0.8)
    return figure


def _end(until: int | None) -> int | None:
    return None if until is None else until + 1


def _axis_legend(figure: Figure, steps: Sequence[Step]) -> None:
    seen = {candidate.axis for step in steps for candidate in step.candidates}
    handles = [Line2D([], [], label=axis, **STYLES[axis].drawn(7)) for axis in AXES if axis in seen]
    if handles:
        figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), fontsize=9, frameon=False,
                      handletextpad=0.1, columnspacing=1.2)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
