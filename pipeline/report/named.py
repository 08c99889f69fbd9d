"""What a report says of a network that names the one class of a video: top-1, accuracy and confusions of each class."""

from __future__ import annotations

from matplotlib.figure import Figure

from expansion.display.charts import classes_figure
from expansion.display.lettering import Lettering
from expansion.display.tables import Table, baseline_text, baseline_warning, listed, percent
from expansion.tasks.single_label import wilson
from pipeline.runs.held_out import HeldOutResult

INTERVAL = "Wilson"  # how 95 % intervals are found
MOST_CLASSES = 20  # of a confusion matrix that is shown whole
MOST_DRAWN = 5 * MOST_CLASSES
MOST_CONFUSED = 10
WEAK = 0.15  # below the accuracy by which a class is far below the rest


def _share_text(right: int, total: int) -> str:
    """90.4 % (86.0 to 93.5): a share with its 95 % interval."""
    low, high = wilson(right, total)
    return f"{percent(right / total)} ({100 * low:.1f} to {100 * high:.1f})"


def score_text(outcome: HeldOutResult) -> str:
    """Top-1 with its 95 % interval."""
    return _share_text(sum(outcome.right), sum(outcome.videos))


def interval(outcome: HeldOutResult) -> tuple[float, float]:
    """The 95 % interval of the score, shares of 1."""
    return wilson(sum(outcome.right), sum(outcome.videos))


def others(outcome: HeldOutResult) -> str:
    """The other figures of the task."""
    return f"top-5 {percent(outcome.top5)}"


def beside(outcome: HeldOutResult) -> str:
    """What the score is to be compared with."""
    return (f"always saying the largest class {percent(outcome.baseline.share)}; mean over classes "
            f"{percent(outcome.baseline.balanced)}")


def further_rows(outcome: HeldOutResult) -> list[tuple[str, str]]:
    """Further rows of the model card."""
    return [("the same by class", baseline_text(outcome.baseline, outcome.classes))]


def picture(outcome: HeldOutResult, width: float, as_text: bool) -> tuple[Figure, str] | None:
    """The figure of the classes, `width` inches wide, and a sentence on it; None where there are too many."""
    if len(outcome.classes) > MOST_DRAWN:
        return None
    legend = "" if as_text else Lettering.of(outcome.classes).legend
    return (classes_figure(outcome.classes, outcome.right, outcome.videos, width, as_text),
            f"Accuracy of each class on the {outcome.split} videos, with 95 % intervals." + (f" ({legend}.)" if legend else ""))


def class_table(outcome: HeldOutResult) -> Table:
    """Accuracy by class, the best first."""
    found = sorted(zip(outcome.right, outcome.videos, outcome.classes), key=lambda row: -row[0] / max(row[1], 1))
    return Table(("class", "right", "videos", "accuracy (95 % interval)"),
                 [(name, str(right), str(total), _share_text(right, total) if total else "-")
                  for right, total, name in found])


def confusion_table(outcome: HeldOutResult) -> Table:
    """The most frequent confusions, for those who cannot see the matrix or where it is too large to show."""
    pairs = sorted(((count, label, other) for label, row in enumerate(outcome.confusion)
                    for other, count in enumerate(row) if other != label and count), reverse=True)[:MOST_CONFUSED]
    return Table(("label", "predicted as", "videos", "of the label's"), [
        (outcome.classes[label], outcome.classes[other], str(count), percent(count / outcome.videos[label]))
        for count, label, other in pairs])


def warning(outcome: HeldOutResult) -> str | None:
    """That it is no better than always saying the largest class; None where it is."""
    return baseline_warning(outcome.baseline, outcome.classes)


def limits(outcome: HeldOutResult) -> list[str]:
    """What the figures rest on, and what they do not say."""
    total, smallest = sum(outcome.videos), min(count for count in outcome.videos if count)
    found = [f"Its accuracy rests on {total:,} {outcome.split} videos, {smallest} of the rarest class; the intervals "
             "hold for videos of the same origin, not for other cameras, places or people."]
    if outcome.baseline.never:
        found.append(f"It never names {listed([outcome.classes[number] for number in outcome.baseline.never])}.")
    weak = [name for right, count, name in zip(outcome.right, outcome.videos, outcome.classes)
            if count and right / count < outcome.accuracy - WEAK]
    if weak:
        found.append(f"Classes far below the rest: {', '.join(weak[:MOST_CONFUSED])}.")
    return found
