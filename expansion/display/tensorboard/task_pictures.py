"""The pictures of an evaluation in TensorBoard, by what the labels of its task are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from expansion.display.lettering import Lettering
from expansion.display.path_figure import confusion_figure, pixels
from expansion.display.samples import samples_figure
from expansion.display.tables import Table, in_markdown, percent, to_markdown
from expansion.display.tensorboard.events import Run
from expansion.display.timeline import precision_figure, timelines_figure
from expansion.evaluation.evaluate import Evaluation
from expansion.evaluation.samples import Sample

Samples = Callable[[], Sequence[Sample]] | None


def _of_class(run: Run, evaluation: Evaluation, classes: Sequence[str], samples: Samples, step: int) -> None:
    """The confusion matrix, and clips with what the network says of them."""
    run.image("confusion", lambda: pixels(confusion_figure(evaluation.confusion(), classes)), step)
    if samples:
        run.image("samples", lambda: pixels(samples_figure(samples(), classes)), step)
    if legend := Lettering.of(classes).legend:
        run.text("legend", in_markdown(legend), step)


def _of_classes(run: Run, evaluation: Evaluation, classes: Sequence[str], samples: Samples, step: int) -> None:
    """Average precision of each class, as a picture and as a table."""
    rows = evaluation.task.per_class(evaluation.probabilities, evaluation.labels, _names(evaluation, classes))
    run.image("average_precision", lambda: pixels(precision_figure(rows)), step)
    run.text("average precision", to_markdown(Table(
        ("class", "positives", "AP", "95 %"),
        [(row["class"], f"{row['positives']:,}", percent(row["ap"]), _interval(row)) for row in rows])), step)


def _of_frames(run: Run, evaluation: Evaluation, classes: Sequence[str], samples: Samples, step: int) -> None:
    """The same, and the timelines of the videos that are told best and worst."""
    _of_classes(run, evaluation, classes, samples, step)
    run.image("timelines", lambda: pixels(timelines_figure(evaluation, _names(evaluation, classes))), step)


def _names(evaluation: Evaluation, classes: Sequence[str]) -> Sequence[str]:
    return classes or [str(number) for number in range(evaluation.probabilities.shape[-1])]


def _interval(row: dict) -> str:
    return "-" if row["low"] is None else f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"


PICTURES = {"class": _of_class, "clip": _of_classes, "frames": _of_frames}  # by Task.labels
