"""What an evaluation of several labels leaves: tables, average precision per class, Charades' submission files, timelines."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence

import numpy as np

from expansion.display.console import make_console, make_table
from expansion.display.tables import Table, clip_text, percent, to_markdown
from expansion.foundation import files
from expansion.search.costs import show_cost
from expansion.spec import Spec
from expansion.tasks.registry import task_named
from pipeline.commands.eval_tables import gmacs, speed
from pipeline.commands.submission import classification_lines, localization_lines

SHOWN_CLASSES = 40  # more are in the files alone
KEPT = 5  # most probable classes of a video that are written
EXPLAINED = ("mAP and wAP are by Charades' scripts (a stable sort, ties not merged, no interpolation), mAP (sklearn) by "
             "scikit-learn's average_precision_score; in brackets the 95 % interval of mAP by a bootstrap over videos.")


def figures(evaluation, classes: Sequence[str]) -> dict:
    """What results.json has of the task: its metrics, mAP's interval, and the classes."""
    task = evaluation.task
    return {"task": task.name, "metrics": evaluation.metrics, "interval": task.interval(evaluation.score, evaluation.evidence),
            "videos_without_labels": int((~evaluation.labels.any(axis=tuple(range(1, evaluation.labels.ndim)))).sum()),
            "per_class": task.per_class(evaluation.probabilities, evaluation.labels, classes)}


def write_model(output: str, label: str, row: dict, evaluation) -> None:
    """A model's own folder: classes.csv, classes.png, predictions.jsonl, submission files; of localization timelines.png."""
    from expansion.display.timeline import precision_figure

    folder = os.path.join(output, label)
    columns = ("class", "positives", "ap", "low", "high", "ap_sklearn")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *([entry[name] for name in columns] for entry in row["per_class"])])
    files.write_text(os.path.join(folder, "classes.csv"), text.getvalue())
    files.write_text(os.path.join(folder, "predictions.jsonl"), "".join(
        json.dumps(line, ensure_ascii=False) + "\n" for line in predictions(evaluation, row["classes"])))
    _write_figure(folder, "classes.png", precision_figure(row["per_class"]))
    _WRITERS[evaluation.task.labels](folder, row["classes"], evaluation)


def _of_videos(folder: str, classes: Sequence[str], evaluation) -> None:
    files.write_text(os.path.join(folder, "classify.txt"), "".join(
        classification_lines(evaluation.video_ids, evaluation.probabilities)))


def _of_points(folder: str, classes: Sequence[str], evaluation) -> None:
    from expansion.display.timeline import timelines_figure

    files.write_text(os.path.join(folder, "localize.txt"), "".join(
        localization_lines(evaluation.video_ids, evaluation.probabilities)))
    _write_figure(folder, "timelines.png", timelines_figure(evaluation, classes))


_WRITERS = {"clip": _of_videos, "frames": _of_points}  # by Task.labels


def _write_figure(folder: str, name: str, figure) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    files.write_bytes(os.path.join(folder, name), picture.getvalue())


def predictions(evaluation, classes: Sequence[str]):
    """One dictionary per video: its id, its labels, and its most probable classes; of points, at the most probable one."""
    whole = tuple(range(1, evaluation.labels.ndim - 1))
    for video_id, labels, shares in zip(
            evaluation.video_ids, evaluation.labels.any(axis=whole), evaluation.probabilities.max(axis=whole)):
        best = np.argsort(-shares, kind="stable")[:KEPT]
        yield {"video_id": video_id, "labels": [classes[index] for index in np.flatnonzero(labels)],
               "top": [[classes[index], round(float(shares[index]), 6)] for index in best]}


def write_table(output: str, rows: list[dict]) -> None:
    """results.json, and results.md with a row per model."""
    files.write_json(os.path.join(output, "results.json"), rows)
    files.write_text(os.path.join(output, "results.md"), markdown(rows))


def markdown(rows: list[dict]) -> str:
    """The models as a table: mAP in per cent with its interval, the other metrics, GMACs of a view times views."""
    first, titles = rows[0], _titles(rows)
    table = to_markdown(Table(
        ("model", "task", "form", "clip", "input", *titles.values(), "GMACs x views", "params", "latency", "clips/s"),
        [(row["model"], row["task"], row["form"], clip_text(Spec(**row["spec"])), str(row["size"]),
          *_cells(row, titles, brackets=True), gmacs(row), f"{row['params'] / 1e6:.2f} M", *speed(row)) for row in rows]))
    lines = [table, "", f"{first['videos']} videos of split {first['split']!r} of {os.path.basename(first['records'])}, "
                        f"{first['videos_without_labels']} of them without a label. {EXPLAINED}"]
    return "\n".join(lines) + "\n"


def _titles(rows: list[dict]) -> dict[str, str]:
    return dict(task_named(rows[0]["task"]).titles)


def _cells(row: dict, titles: dict[str, str], brackets: bool) -> list[str]:
    low, high = row["interval"]
    cells = [f"{row['metrics'][name]:.3f}" if name == "loss" else percent(row["metrics"][name]) for name in titles]
    return [f"{cells[0]} ({100 * low:.1f} to {100 * high:.1f})", *cells[1:]] if brackets else cells


def show(rows: list[dict], output: str) -> None:
    """The models, and the classes of each, on the screen."""
    console, titles = make_console(), _titles(rows)
    score, *others = titles.values()
    table = make_table(f"{rows[0]['videos']} videos, split {rows[0]['split']}", "model", "task", "form", score, "95 %", *others,
                       "MACs x views", "params", "latency", "clips/s")
    for row in rows:
        low, high = row["interval"]
        first, *rest = _cells(row, titles, brackets=False)
        table.add_row(row["model"], row["task"], row["form"], first, f"{100 * low:.1f} to {100 * high:.1f}", *rest,
                      f"{show_cost('macs', row['macs_view'])} x {row['views'] * row['crops']}", f"{row['params'] / 1e6:.2f} M",
                      *speed(row))
    console.print(table)
    if len(rows[0]["classes"]) <= SHOWN_CLASSES:
        for row in rows:
            console.print()
            console.print(_classes_table(row))
    console.print(f"\nwritten: {output}/results.md, {output}/results.json; for each model, in {output}/MODEL: classes.csv, "
                  "classes.png, predictions.jsonl, and Charades' classify.txt or localize.txt with timelines.png", soft_wrap=True)


def _classes_table(row: dict):
    table = make_table(row["model"], "class", "positives", "AP", "95 %")
    for entry in row["per_class"]:
        interval = "-" if entry["low"] is None else f"{100 * entry['low']:.1f} to {100 * entry['high']:.1f}"
        table.add_row(entry["class"], f"{entry['positives']:,}", percent(entry["ap"]), interval)
    return table
