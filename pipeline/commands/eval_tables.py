"""What an evaluation leaves: tables on the screen and in Markdown, per-class figures, confusion matrix, predictions."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence

import numpy as np

from expansion.display.console import make_console, make_table
from expansion.display.tables import Table, baseline_warning, clip_text, in_markdown, listed, percent, to_markdown
from expansion.foundation import files
from expansion.foundation.cpu import this_cpu
from expansion.foundation.machine import cores
from expansion.search.costs import show_cost
from expansion.spec import Spec
from expansion.tasks.single_label import Baseline, wilson

SHOWN_CLASSES = 40  # more are in the files alone
KEPT = 5  # most probable classes of a video that are written


def distinct(names: Sequence[str]) -> list[str]:
    """The names, with -2, -3 ... behind those that came before."""
    found: list[str] = []
    for name in names:
        number, label = 2, name
        while label in found:
            number, label = number + 1, f"{name}-{number}"
        found.append(label)
    return found


def figures(evaluation, classes: Sequence[str]) -> dict:
    """What results.json has of the task: top-1 and top-5 with their intervals, the classes, and the confusion matrix."""
    videos, top1, top5, baseline = len(evaluation.labels), evaluation.accuracy, evaluation.top(5), evaluation.baseline()
    return {"top1": top1, "top1_interval": wilson(top1 * videos, videos),
            "top5": top5, "top5_interval": wilson(top5 * videos, videos), "loss": evaluation.loss,
            "largest_class": {"class": classes[baseline.largest], "share": baseline.share},
            "balanced_accuracy": baseline.balanced, "never_named": [classes[number] for number in baseline.never],
            "per_class": per_class(evaluation, classes), "confusion": evaluation.confusion().tolist()}


def per_class(evaluation, classes: Sequence[str]) -> list[dict]:
    """Videos, right ones, top-1 with its interval, and the class that its videos are most often mistaken for."""
    rows = []
    for index, (name, counts) in enumerate(zip(classes, evaluation.confusion())):
        videos, right = int(counts.sum()), int(counts[index])
        wrong = counts.copy()
        wrong[index] = 0
        rows.append({
            "class": name, "videos": videos, "right": right, "top1": right / videos if videos else None,
            "interval": wilson(right, videos) if videos else None,
            "taken_for": classes[int(wrong.argmax())] if wrong.any() else None, "times": int(wrong.max())})
    return rows


def device() -> str:
    """What TensorFlow computes on: the first GPU, else the processor and its cores."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    return f"{this_cpu().name}, {cores()} cores"


def write_model(output: str, label: str, row: dict, evaluation) -> None:
    """A model's own folder: predictions.jsonl, classes.csv, confusion.csv and confusion.png; the row gets `picture`, what there
    is to say of that."""
    from expansion.display.lettering import Lettering, if_drawn
    from expansion.display.path_figure import confusion_figure, png

    folder, classes = os.path.join(output, label), row["classes"]
    files.write_text(os.path.join(folder, "predictions.jsonl"), "".join(
        json.dumps(line, ensure_ascii=False) + "\n" for line in predictions(evaluation, classes)))
    confusion = np.array(row["confusion"])
    files.write_text(os.path.join(folder, "confusion.csv"), _csv(
        [["label \\ prediction", *classes], *([name, *counts] for name, counts in zip(classes, confusion.tolist()))]))
    files.write_text(os.path.join(folder, "classes.csv"), _csv(
        [["class", "videos", "right", "top1", "low", "high", "taken_for", "times"],
         *([entry["class"], entry["videos"], entry["right"], entry["top1"], *(entry["interval"] or (None, None)),
            entry["taken_for"], entry["times"]] for entry in row["per_class"])]))
    picture = if_drawn("confusion.png", lambda: png(confusion_figure(confusion, classes)))
    path = os.path.join(folder, "confusion.png")
    if picture is None:
        files.remove_file(path)  # of another evaluation
    else:
        files.write_bytes(path, picture)
    row["picture"] = "cannot be drawn; the log says why" if picture is None else Lettering.of(classes).legend


def predictions(evaluation, classes: Sequence[str]):
    """One dictionary per video: its id, label, prediction, whether that is right, and its most probable classes."""
    for video_id, label, shares in zip(evaluation.video_ids, evaluation.labels, evaluation.probabilities):
        best = np.argsort(-shares, kind="stable")[:KEPT]
        yield {"video_id": video_id, "label": classes[label], "prediction": classes[best[0]],
               "correct": bool(best[0] == label),
               "top": [[classes[index], round(float(shares[index]), 6)] for index in best]}


def _csv(rows) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_table(output: str, rows: list[dict]) -> None:
    """results.json, and results.md with a row per model, in the manner of the paper's Table 4."""
    files.write_json(os.path.join(output, "results.json"), rows)
    files.write_text(os.path.join(output, "results.md"), markdown(rows))


def markdown(rows: list[dict]) -> str:
    """The models as a table: accuracies in per cent with 95 % intervals, GMACs of a view times views."""
    first = rows[0]
    table = to_markdown(Table(
        ("model", "form", "clip", "input", "top-1", "largest class", "mean over classes", "top-5", "GMACs x views", "params",
         "latency", "clips/s"),
        [(row["model"], row["form"], clip_text(Spec(**row["spec"])), str(row["size"]), _with_interval(row, "top1"),
          percent(row["largest_class"]["share"]), percent(row["balanced_accuracy"]), _with_interval(row, "top5"), gmacs(row),
          f"{row['params'] / 1e6:.2f} M", *speed(row)) for row in rows]))
    timed = next((row for row in rows if "device" in row), None)
    lines = [table, "", *(f"{in_markdown(line)}.\n" for line in _said(rows)),
             f"{first['videos']} videos of split {first['split']!r} of {os.path.basename(first['records'])}; in brackets the 95 %"
             " interval (Wilson). Largest class: what always naming it reaches; mean over classes: of their accuracies (balanced "
             "accuracy). GMACs are multiply-adds of one view at the input used; a short or square video has fewer views."]
    if timed:
        lines.append(f"Latency: median per clip at batch 1; clips/s at the batch of the evaluation; both on "
                     f"{timed['device']}, without decoding.")
    return "\n".join(lines) + "\n"


def _said(rows: list[dict]) -> list[str]:
    """What the accuracies are worth, a line per model where there is something to say."""
    lines = []
    for row in rows:
        warning = baseline_warning(Baseline.of(row["confusion"]), row["classes"])
        lines += [f"{row['model']}: {warning}"] if warning else []
        lines += [f"{row['model']}: never named: {listed(row['never_named'])}"] if row["never_named"] else []
        lines += [f"{row['model']}: confusion.png: {row['picture']}"] if row.get("picture") else []
    return lines


def speed(row: dict) -> tuple[str, str]:
    """Latency and clips per second, where they were measured."""
    if "latency_ms" not in row:
        return "-", "-"
    return f"{row['latency_ms']:.1f} ms", f"{row['clips_per_second']:.1f}"


def gmacs(row: dict) -> str:
    """GMACs of a view, times views: 1.96 x 30."""
    return f"{row['macs_view'] / 1e9:.3g} x {row['views'] * row['crops']}"


def _with_interval(row: dict, key: str) -> str:
    if key == "top5" and len(row["classes"]) <= KEPT:
        return "-"
    low, high = row[f"{key}_interval"]
    return f"{percent(row[key])} ({100 * low:.1f} to {100 * high:.1f})"


def show(rows: list[dict], output: str) -> None:
    """The models, and the classes of each, on the screen."""
    console = make_console()
    table = make_table(f"{rows[0]['videos']} videos, split {rows[0]['split']}", "model", "form", "input", "top-1",
                       "95 %", "largest class", "mean over classes", "top-5", "MACs x views", "params", "latency", "clips/s",
                       text=("form",))
    for row in rows:
        low, high = row["top1_interval"]
        table.add_row(
            row["model"], row["form"], str(row["size"]), percent(row["top1"]), f"{100 * low:.1f} to {100 * high:.1f}",
            percent(row["largest_class"]["share"]), percent(row["balanced_accuracy"]),
            percent(row["top5"]) if len(row["classes"]) > KEPT else "-",
            f"{show_cost('macs', row['macs_view'])} x {row['views'] * row['crops']}", f"{row['params'] / 1e6:.2f} M",
            *speed(row))
    console.print(table)
    for line in _said(rows):
        console.print(line, soft_wrap=True)
    if len(rows[0]["classes"]) <= SHOWN_CLASSES:
        for row in rows:
            console.print()
            console.print(_classes_table(row))
    timed = [row for row in rows if "device" in row]
    if timed:
        console.print(f"\ndevice: {timed[0]['device']}", soft_wrap=True)
    console.print(f"peak memory of this process: {max(row['peak_memory'] for row in rows) / 2**20:.0f} MiB")
    console.print(f"written: {output}/results.md, {output}/results.json; for each model, in {output}/MODEL: "
                  "predictions.jsonl, classes.csv, confusion.csv, confusion.png", soft_wrap=True)


def _classes_table(row: dict):
    table = make_table(row["model"], "class", "videos", "right", "top-1", "95 %", "mistaken for", text=("mistaken for",))
    for entry in row["per_class"]:
        low, high = entry["interval"] or (0.0, 1.0)
        taken = f"{entry['taken_for']} ({entry['times']})" if entry["taken_for"] else "-"
        table.add_row(entry["class"], str(entry["videos"]), str(entry["right"]), percent(entry["top1"]),
                      f"{100 * low:.1f} to {100 * high:.1f}", taken)
    return table
