"""Pictures of labels in time: what a network says of a video when, and how well each class is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from expansion.display.charts import GRID_COLOUR
from expansion.display.lettering import Lettering
from expansion.display.path_figure import STYLES, described
from expansion.display.tables import percent
from expansion.tasks.average_precision import mean_of_classes, of_classes

if TYPE_CHECKING:  # it brings TensorFlow, for which a report need not wait
    from expansion.evaluation.evaluate import Evaluation

MOST_CLASSES = 40  # of a picture
TRUTH_COLOUR = STYLES["depth"].colour


def timeline_figure(times: np.ndarray, scores: np.ndarray, classes: Sequence[str], length: float, title: str = "",
                    labels: np.ndarray | None = None, width: float = 9.0) -> Figure:
    """What holds when in one video: a row per class, darker where it is more probable; labels as a line below.

    Args:
        times: seconds, (times,), rising; each stands for the time up to the next.
        scores: probabilities, (times, classes).
        classes: names; those of the rows, at most MOST_CLASSES of the highest scores, are chosen here.
        length: seconds of the video.
        labels: what holds by the labels, (times, classes) of bool; None where that is not known.
    """
    figure = _figure(width, 1.4 + 0.3 * min(len(classes), MOST_CLASSES))
    _draw(figure.add_subplot(), times, scores, classes, length, title, labels)
    return figure


def timelines_figure(evaluation: Evaluation, classes: Sequence[str], count: int = 2) -> Figure:
    """The videos of a localization that are told best and worst, by the mean average precision of their own points.

    Args:
        count: videos of either kind.
    """
    found = [mean_of_classes(of_classes(scores, labels)) for scores, labels in zip(evaluation.probabilities, evaluation.labels)]
    order = [int(place) for place in np.argsort(found, kind="stable") if not np.isnan(found[place])]
    places = list(dict.fromkeys([*order[::-1][:count], *order[:count]]))
    figure = _figure(9.0, max(1, len(places)) * (1.4 + 0.3 * min(len(classes), 12)))
    for number, place in enumerate(places, start=1):
        labels = evaluation.labels[place]
        shown = np.argsort(-(evaluation.probabilities[place].max(axis=0) + 2 * labels.any(axis=0)), kind="stable")[:12]
        length = float(evaluation.lengths[place])
        times = np.arange(len(labels)) / len(labels) * length
        _draw(figure.add_subplot(len(places), 1, number), times, evaluation.probabilities[place][:, shown],
              [classes[index] for index in shown], length,
              f"{evaluation.video_ids[place]}: AP of its points {percent(found[place])}", labels[:, shown])
    return figure


def precision_figure(rows: Sequence[dict]) -> Figure:
    """Average precision of classes with its 95 % interval, the best on top.

    Args:
        rows: of Task.per_class; of more than MOST_CLASSES the best and the worst halves are drawn.
    """
    known = sorted((row for row in rows if row["ap"] is not None), key=lambda row: -row["ap"])
    if len(known) > MOST_CLASSES:
        known = known[:MOST_CLASSES // 2] + known[-MOST_CLASSES // 2:]
    figure = _figure(8.0, 0.9 + 0.3 * max(1, len(known)))
    axes = figure.add_subplot()
    style = STYLES["fast"]
    for place, row in enumerate(known):
        axes.plot([100 * row["low"], 100 * row["high"]], [place, place], color=style.colour, linewidth=2, alpha=0.45, zorder=2)
        (marker,) = axes.plot(100 * row["ap"], place, zorder=3, clip_on=False, **style.drawn(8))
        described(marker, f"{row['class']}: {percent(row['ap'])}; {row['positives']} positives")
        axes.annotate(f"{percent(row['ap'])}  ({row['positives']:,})", (1.02, place), xycoords=("axes fraction", "data"),
                      va="center", annotation_clip=False, fontsize=9)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(known) - 0.4, -0.6)
    letters = Lettering.of([row["class"] for row in known])
    axes.set_yticks(range(len(known)), letters.names, **letters.style)
    axes.set_xlabel("average precision (%); the bar is the 95 % interval, the number that of positives")
    axes.grid(axis="x", color=GRID_COLOUR, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw(axes: Axes, times: np.ndarray, scores: np.ndarray, classes: Sequence[str], length: float, title: str,
          labels: np.ndarray | None) -> None:
    rows = np.argsort(-scores.max(axis=0), kind="stable")[:MOST_CLASSES] if len(scores) else np.arange(0)
    edges = np.append(times, max(length, times[-1] + 1e-6)) if len(times) else np.array([0.0, length])
    axes.pcolormesh(edges, np.arange(len(rows) + 1), scores[:, rows].T, cmap="Blues", vmin=0, vmax=1)
    if labels is not None:
        for row, number in enumerate(rows):
            for begin, end in runs_of(labels[:, number]):
                axes.plot([edges[begin], edges[end]], [row + 0.9, row + 0.9], color=TRUTH_COLOUR, linewidth=3,
                          solid_capstyle="butt")
    axes.set_ylim(len(rows), 0)
    letters = Lettering.of(classes)  # numbers, where they stand for names, are those of the classes given
    axes.set_yticks(np.arange(len(rows)) + 0.5, [letters.names[number] for number in rows], **letters.style)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, edges[-1])
    axes.set_xlabel("seconds; blue: probability" + ("" if labels is None else ", orange: labels"))
    axes.set_title(title, fontsize=10, loc="left", parse_math=False)


def runs_of(holds: np.ndarray) -> list[tuple[int, int]]:
    """Where a row of bool is true: first place, and the one after the last, of each run."""
    steps = np.diff(np.concatenate([[0], np.asarray(holds, int), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist()))


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure
