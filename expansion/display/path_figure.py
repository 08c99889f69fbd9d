"""The search as a picture: accuracy over GMACs of every candidate, in the manner of X3D's Figure 2.

Drawn with matplotlib's objects alone: nothing is kept in pyplot's global state, and no display is needed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import NamedTuple

import fsspec
import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from expansion.display.lettering import Lettering
from expansion.display.tables import percent
from expansion.foundation.errors import InputError
from expansion.search.axes import AXES
from expansion.search.costs import in_macs
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.tasks.registry import task_named


class AxisStyle(NamedTuple):
    """How an axis looks wherever it is drawn: #rrggbb, matplotlib's letter for a marker, what evens out its size."""

    colour: str
    marker: str
    scale: float = 1.0

    def drawn(self, size: float, filled: bool = True, colour: str | None = None) -> dict:
        """Arguments of matplotlib's plot for a lone marker of `size` points, in the axis' colour or another."""
        colour = colour or self.colour
        face, edge = (colour, PATH_COLOUR if colour == self.colour else colour) if filled else ("white", colour)
        return {"marker": self.marker, "markersize": size * self.scale, "markerfacecolor": face,
                "markeredgecolor": edge, "linestyle": "none"}


PATH_COLOUR, REFERENCE_COLOUR = "#333333", "#8a8a8a"


# Told apart by shape as well as by colour; the colours are Okabe and Ito's, for all kinds of colour vision.
STYLES = {
    "seed": AxisStyle(PATH_COLOUR, "*", 1.6),
    "fast": AxisStyle("#0072B2", "o"),
    "temporal": AxisStyle("#E69F00", "s"),
    "spatial": AxisStyle("#009E73", "^"),
    "depth": AxisStyle("#D55E00", "D", 0.82),
    "width": AxisStyle("#CC79A7", "v"),
    "bottleneck": AxisStyle("#56B4E9", "P", 1.1),
}
FORMATS = ("png", "svg")
DESCRIBED = "about: "  # how the ids of what `described` names begin
_HALO = (patheffects.withStroke(linewidth=2.5, foreground="white"),)


class Reference(NamedTuple):
    """A point of another search: cost in GMACs, top-1 accuracy in per cent, axis, and whether it won its step."""

    gmacs: float
    top1: float
    axis: str
    winner: bool


def search_figure(search: SearchState, *, until: int | None = None, references: Sequence[Reference] = (),
                  references_name: str = "reference", title: str | None = None,
                  size: tuple[float, float] = (8, 5)) -> Figure:
    """Accuracy over GMACs of all candidates: winners filled, named and joined, the others hollow and faint.

    Failed candidates and those not trained yet are not shown.

    Args:
        search: what to draw.
        until: last step to draw; None for all.
        references: points of another search, in grey; its winners are joined.
        references_name: what the legend calls them.
        title: over the picture; None for none.
        size: width and height in inches; the letters stay the same, so a smaller one reads better as a thumbnail.
    """
    figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps = [step for step in search.steps if until is None or step.number <= until]
    _draw_references(axes, references)
    path = [step for step in search.taken if until is None or step.number <= until]
    _draw_candidates(axes, steps, path)
    _draw_path(axes, path)
    _scales(axes)
    axes.set_ylabel(f"{task_named(search.settings.task).full_noun} on validation videos (%)")
    _legend(axes, steps, references_name if references else None)
    if title:
        axes.set_title(title, loc="left")
    return figure


def save_figure(search: SearchState, path: str | os.PathLike, **options) -> str:
    """Draws a search into a PNG or SVG file, by the path's ending. Returns the path.

    Args:
        options: those of search_figure.

    Raises:
        InputError: the ending is another one.
    """
    path = os.fspath(path)
    ending = os.path.splitext(path)[1].lower().removeprefix(".")
    if ending not in FORMATS:
        raise InputError(f"{path}: {ending or 'no ending'!r} is not known; allowed are {', '.join(FORMATS)}")
    buffer = io.BytesIO()
    # Without a date, and with a fixed salt of ids, the same search gives the same file.
    with matplotlib.rc_context({"svg.hashsalt": "x3d"}):
        search_figure(search, **options).savefig(buffer, format=ending,
                                                 metadata={"Date": None} if ending == "svg" else None)
    with fsspec.open(path, "wb", auto_mkdir=True) as file:
        file.write(buffer.getvalue())
    return path


def described(artist: Artist, text: str) -> Artist:
    """Gives what is drawn a text that an SVG keeps; the report shows it beside the pointer."""
    artist.set_gid(f"{DESCRIBED}{text}")
    return artist


def pixels(figure: Figure) -> np.ndarray:
    """The picture as (height, width, 3), uint8."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def png(figure: Figure) -> bytes:
    """The picture as a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def confusion_figure(counts: np.ndarray, classes: Sequence[str] = ()) -> Figure:
    """A confusion matrix: colour is the share of each label's videos; numbers are videos, where there is room.

    Args:
        counts: (label, prediction).
        classes: names of the classes; their numbers where there are none, or where no font has a name's letters.
    """
    total = len(counts)
    letters = Lettering.of(classes if len(classes) == total else [str(index) for index in range(total)])
    side = min(10.0, 2.2 + 0.3 * total)
    room = 0.06 * max(map(len, letters.names)) if total <= 40 else 0.0  # inches of the longest name; less aslant
    figure = Figure(figsize=(side + 0.7 + room, side + 0.7 * room), dpi=120, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(picture, ax=axes, label="share of the label's videos", shrink=0.8)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    if total <= 40:
        axes.set_xticks(range(total), letters.names, rotation=45, ha="right", rotation_mode="anchor", **letters.style)
        axes.set_yticks(range(total), letters.names, **letters.style)
    if total <= 20:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                axes.text(column, row, str(count), ha="center", va="center", fontsize=8,
                          color="white" if shares[row, column] > 0.55 else "black")
    return figure


def _drawn(step: Step) -> list[CandidateState]:
    return [candidate for candidate in step.candidates if candidate.status == "completed"]


def _draw_candidates(axes: Axes, steps: Sequence[Step], path: Sequence[Step]) -> None:
    for step in steps:
        for candidate in _drawn(step):
            if candidate is not step.winner or step not in path:
                (line,) = axes.plot(candidate.macs / 1e9, 100 * candidate.accuracy, alpha=0.75, zorder=3,
                                    **STYLES[candidate.axis].drawn(6, filled=False))
                described(line, _about(step, candidate))


def _draw_path(axes: Axes, steps: Sequence[Step]) -> None:
    for before, after in zip(steps, steps[1:]):
        ends = before.winner, after.winner
        axes.plot([c.macs / 1e9 for c in ends], [100 * c.accuracy for c in ends], color=PATH_COLOUR, linewidth=1.5,
                  linestyle="--" if after.kind == "contraction" else "-", zorder=2)
    for step in steps:
        winner = step.winner
        place = winner.macs / 1e9, 100 * winner.accuracy
        (line,) = axes.plot(*place, zorder=4, **STYLES[winner.axis].drawn(9))
        described(line, _about(step, winner))
        # The path rises to the right and losers lie below it: above and to the left there is room.
        axes.annotate(_label(step), place, xytext=(-6, 6), textcoords="offset points", ha="right", fontsize=9,
                      color=PATH_COLOUR, path_effects=_HALO, zorder=5)


def _about(step: Step, candidate: CandidateState) -> str:
    return f"step {step.number} {candidate.axis}: {percent(candidate.accuracy)}, {in_macs(candidate.macs)}"


def _label(step: Step) -> str:
    name = "contraction" if step.kind == "contraction" else step.winner.axis
    return f"{name} ~" if step.decision.verdict == "within noise" else name


def _draw_references(axes: Axes, references: Sequence[Reference]) -> None:
    if not references:
        return
    path = sorted(point for point in references if point.winner)
    axes.plot([p.gmacs for p in path], [p.top1 for p in path], color=REFERENCE_COLOUR, linewidth=1.2, linestyle=":",
              zorder=1)
    for point in references:
        style = STYLES.get(point.axis, STYLES["seed"])
        axes.plot(point.gmacs, point.top1, alpha=0.7, zorder=1,
                  **style.drawn(6, filled=point.winner, colour=REFERENCE_COLOUR))


def _scales(axes: Axes) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low / 1.25, high * 1.05)
    axes.margins(y=0.08)
    axes.set_xlabel("cost per clip (GMACs)")
    axes.grid(color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(axes: Axes, steps: Sequence[Step], references_name: str | None) -> None:
    seen = {candidate.axis for step in steps for candidate in _drawn(step)}
    merged = {other: c.axis for step in steps for c in _drawn(step) for other in c.merged}
    handles = []
    for axis in ("seed", *AXES):
        if axis in seen:
            handles.append(Line2D([], [], label=axis, **STYLES[axis].drawn(8)))
    if any(len(_drawn(step)) > 1 for step in steps):
        handles.append(Line2D([], [], label="not chosen",
                              **STYLES["fast"].drawn(6, filled=False, colour=REFERENCE_COLOUR)))
    if any(step.decision and step.decision.verdict == "within noise" for step in steps):
        handles.append(Line2D([], [], linestyle="none", label="~  within noise"))
    for other in sorted(set(merged) - seen):
        handles.append(Line2D([], [], linestyle="none", label=f"{other}: same as {merged[other]}"))
    if references_name:
        handles.append(Line2D([], [], color=REFERENCE_COLOUR, linestyle=":", marker="o", markersize=5,
                              label=references_name))
    axes.legend(handles=handles, loc="lower right", fontsize=9, frameon=True, framealpha=0.9, edgecolor="#dddddd")
