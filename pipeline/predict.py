"""`x3d predict`: what a network says of video files."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.tables import percent
from expansion.foundation.errors import InputError
from expansion.foundation.imports import import_keras
from pipeline.runs.models import find_model

if TYPE_CHECKING:
    from expansion.evaluation.predict import Prediction


def predict(name: str, videos: list[str], *, top: int = 5, views: int | None = None, crops: int | None = None,
            fps: float | None = None, runs: str = "runs", as_json: bool = False, verbose: bool = False) -> None:
    """Prints the most probable classes of each video.

    Args:
        name: of the model, as `x3d eval` takes it. Of a run, clips are cut and frames taken as the run did.
        videos: files.
        top: classes to show.
        fps: frames per second to look at; None for the run's, else the video's own.

    Raises:
        InputError: the model or a video cannot be used. What was found of the videos before it is printed.
    """
    if top < 1:
        raise InputError(f"--top is {top}; at least 1 is allowed")
    model = find_model(name, runs)
    missing = [video for video in videos if not os.path.exists(video)]
    if missing:
        raise InputError(f"{missing[0]}: no such file")
    found: list[Prediction] = []
    try:
        with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt"), verbose):
            import_keras()
            from expansion.evaluation.predict import predictions

            for prediction in predictions(model.path, videos, views=views, crops=crops, fps=fps or model.fps,
                                          short_side=model.short_side, clips=model.clips):
                found.append(prediction)
    finally:
        _show(found, top, as_json)


def _show(found: list[Prediction], top: int, as_json: bool) -> None:
    if as_json:
        print_json([{"video": prediction.video, "label": prediction.label, "views": prediction.views,
                     "top": [[label, round(share, 6)] for label, share in prediction.top(top)]} for prediction in found])
        return
    for prediction in found:
        table = make_table(f"{prediction.video}, {prediction.views} views", "class", "probability")
        for label, share in prediction.top(top):
            table.add_row(label, percent(share))
        make_console().print(table)
