"""A timeline as files: a picture, JSON, CSV, and WebVTT that a player shows as captions."""

from __future__ import annotations

import csv
import html
import io
import json
import os
from typing import TYPE_CHECKING

from expansion.foundation import files

if TYPE_CHECKING:
    from expansion.evaluation.timeline import Timeline

FORMATS = ("png", "json", "csv", "vtt")


def write_timeline(found: Timeline, folder: str, threshold: float) -> dict[str, str]:
    """Writes all forms of a timeline beside each other and returns their paths by format; of a picture only if it can be drawn.

    Args:
        folder: for the files; they have the name of the video.
        threshold: least probability at which a class counts as there, for JSON and WebVTT.
    """
    from expansion.display.lettering import if_drawn  # matplotlib

    stem = os.path.join(folder, os.path.splitext(os.path.basename(found.video))[0])
    paths = {form: f"{stem}.{form}" for form in FORMATS}
    picture = if_drawn(paths["png"], lambda: _png(found))
    if picture is None:
        del paths["png"]
    else:
        files.write_bytes(paths["png"], picture)
    files.write_text(paths["json"], as_json(found, threshold))
    files.write_text(paths["csv"], as_csv(found))
    files.write_text(paths["vtt"], as_vtt(found, threshold))
    return paths


def as_json(found: Timeline, threshold: float) -> str:
    """The timeline as a JSON document."""
    return json.dumps(as_dict(found, threshold), ensure_ascii=False) + "\n"


def as_dict(found: Timeline, threshold: float) -> dict:
    """The stretches in which each class holds, then the probabilities at all times."""
    return {
        "video": found.video, "seconds": round(found.length, 3), "threshold": threshold, "classes": found.classes,
        "held": [{"class": one.label, "start": round(one.start, 3), "end": round(one.end, 3),
                  "probability": round(one.probability, 6)} for one in found.held(threshold)],
        "times": [round(float(time), 3) for time in found.times],
        "probabilities": [[round(float(value), 6) for value in row] for row in found.probabilities],
    }


def as_csv(found: Timeline) -> str:
    """A line per time: seconds, then the probability of each class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seconds", *found.classes])
    writer.writerows([f"{time:.3f}", *(f"{value:.6f}" for value in row)] for time, row in zip(found.times, found.probabilities))
    return text.getvalue()


def as_vtt(found: Timeline, threshold: float) -> str:
    """Captions: each stretch in which a class holds, with its name and largest probability."""
    cues = [f"{_clock(one.start)} --> {_clock(one.end)}\n{html.escape(one.label, quote=False)} {100 * one.probability:.0f} %\n"
            for one in found.held(threshold)]
    return "\n".join(["WEBVTT\n", *cues])


def _clock(seconds: float) -> str:
    millis = round(1000 * seconds)
    return f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:{millis // 1000 % 60:02d}.{millis % 1000:03d}"


def _png(found: Timeline) -> bytes:
    from expansion.display.timeline import timeline_figure

    picture = io.BytesIO()
    timeline_figure(found.times, found.probabilities, found.classes, found.length, found.video).savefig(picture, format="png")
    return picture.getvalue()
