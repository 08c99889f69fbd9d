"""Predictions as a file: CSV or JSON lines, each written as soon as it is known, or one JSON list at the end."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import TYPE_CHECKING

from expansion.foundation import files
from expansion.foundation.errors import InputError

if TYPE_CHECKING:
    from expansion.evaluation.predict import Prediction

ENDINGS = (".csv", ".json", ".jsonl")


def json_row(prediction: Prediction, top: int) -> dict:
    """A video's answer: its path, its class, the `top` most probable classes with their probabilities, the number of views
    and frames per second; where there is none, `error` says why and the others are null, empty or 0."""
    return {"video": prediction.video, "label": prediction.label, "views": prediction.views, "fps": prediction.fps,
            "top": [[label, round(share, 6)] for label, share in prediction.top(top)], "error": prediction.error}


class Output:
    """The file that answers are written to; used as a context manager. What is written stays if the block fails.

    The columns of CSV are video, error, views, fps, label_1, probability_1, label_2, ... as far as `top` goes.

    Args:
        path: with one of ENDINGS; None for no file.

    Raises:
        InputError: another ending.
        WriteFailed: from `write` and at the end, where the file cannot be written.
    """

    def __init__(self, path: str | None, top: int):
        self._ending = os.path.splitext(path or "")[1].lower()
        if path is not None and self._ending not in ENDINGS:
            raise InputError(f"--output {path}: a name that ends with {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]} is needed")
        self.path, self._top = path, top
        self._rows: list[str] = []
        self._file = None

    def __enter__(self) -> Output:
        return self

    def write(self, prediction: Prediction) -> None:
        """Adds the answer for a video. The first one takes the place of what the file held before."""
        if self.path is None:
            return
        if self._ending == ".csv":
            row = ("" if self._rows else _csv_line(self._header(prediction))) + _csv_line(self._cells(prediction))
        else:
            row = _json_line(json_row(prediction, self._top))
        self._rows.append(row)
        if self._ending == ".json" or "://" in self.path:
            return  # a list has an end, and an object store takes whole files alone
        with files.writes(self.path):
            if self._file is None:
                os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
                self._file = open(self.path, "w", encoding="utf-8", newline="", errors="surrogateescape")  # as file names are
            self._file.write(row)
            self._file.flush()

    def __exit__(self, *_) -> None:
        if self._file:
            self._file.close()
        elif self._rows:
            files.write_text(self.path, f"[{','.join(self._rows)}]\n" if self._ending == ".json" else "".join(self._rows))

    def _header(self, prediction: Prediction) -> list[str]:
        ranks = range(1, min(self._top, len(prediction.classes)) + 1)
        return ["video", "error", "views", "fps", *(f"{name}_{rank}" for rank in ranks for name in ("label", "probability"))]

    def _cells(self, prediction: Prediction) -> list:
        best = prediction.top(self._top) or [("", "")] * min(self._top, len(prediction.classes))
        return [prediction.video, prediction.error, prediction.views, prediction.fps, *(cell for pair in best for cell in pair)]


def _json_line(row: dict) -> str:
    """Letters stay readable, but where a file's name is no UTF-8."""
    text = json.dumps(row, ensure_ascii=False)
    whole = all(not "\ud800" <= letter <= "\udfff" for letter in row["video"])
    return (text if whole else json.dumps(row)) + "\n"


def _csv_line(cells: list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
