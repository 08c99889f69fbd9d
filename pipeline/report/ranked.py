"""What a report says of a network that tells several labels a video: mAP, average precision of each class."""

from __future__ import annotations

from matplotlib.figure import Figure

from expansion.display.tables import Table, percent
from expansion.display.timeline import precision_figure
from expansion.tasks.registry import task_named
from pipeline.runs.held_out import HeldOutResult

INTERVAL = "bootstrap over videos"  # how 95 % intervals are found
WEAK = 0.15  # below the mean by which a class is far below the rest


def score_text(outcome: HeldOutResult) -> str:
    """38.9 % (36.1 to 41.7): mAP with its 95 % interval."""
    low, high = outcome.interval
    return f"{percent(outcome.accuracy)} ({100 * low:.1f} to {100 * high:.1f})"


def interval(outcome: HeldOutResult) -> tuple[float, float]:
    """The 95 % interval of the score, shares of 1."""
    return outcome.interval


def others(outcome: HeldOutResult) -> str:
    """The other figures of the task: mAP (sklearn) 37.1 %, wAP 40.2 %."""
    task = task_named(outcome.task)
    return ", ".join(f"{name} {percent(outcome.metrics[metric])}" for metric, name in task.titles.items()
                     if metric not in (task.score, "loss"))


beside = others


def further_rows(outcome: HeldOutResult) -> list[tuple[str, str]]:
    """Further rows of the model card: none."""
    return []


def picture(outcome: HeldOutResult, width: float, as_text: bool) -> tuple[Figure, str]:
    """The figure of the classes, which has a width of its own, and a sentence on it."""
    return (precision_figure(outcome.per_class),
            f"Average precision of each class on the {outcome.split} videos, with 95 % intervals.")


def class_table(outcome: HeldOutResult) -> Table:
    """Average precision by class, the best first."""
    found = sorted(outcome.per_class, key=lambda row: -1.0 if row["ap"] is None else row["ap"], reverse=True)
    return Table(("class", "positives", "AP (95 % interval)", "AP (sklearn)"), [
        (row["class"], f"{row['positives']:,}", _with_interval(row), percent(row["ap_sklearn"])) for row in found])


def _with_interval(row: dict) -> str:
    return "-" if row["ap"] is None else f"{percent(row['ap'])} ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def warning(outcome: HeldOutResult) -> str | None:
    """None: mAP has no answer that is always given."""
    return None


def limits(outcome: HeldOutResult) -> list[str]:
    """What the figures rest on."""
    known = [row for row in outcome.per_class if row["ap"] is not None]
    found = [f"Its mAP rests on {outcome.tested:,} {outcome.split} videos and {len(known)} of {len(outcome.classes)} classes "
             f"that have positives there, {min(row['positives'] for row in known):,} of the rarest; the intervals hold for "
             "videos of the same origin, not for other cameras, places or people."]
    weak = [row["class"] for row in known if row["ap"] < outcome.accuracy - WEAK]
    if weak:
        found.append(f"Classes far below the rest: {', '.join(weak[:10])}.")
    return found
