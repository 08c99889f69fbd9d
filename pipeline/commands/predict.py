"""`x3d predict`: what a network says of video files."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Annotated

import typer

from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.tables import percent
from expansion.foundation import kernels
from expansion.foundation.errors import InputError
from expansion.foundation.imports import import_keras
from pipeline.options import Json, Runs, Verbose, run_names
from pipeline.runs.models import find_model

if TYPE_CHECKING:
    from expansion.evaluation.predict import Prediction


def predict(model: Annotated[str, typer.Argument(help="As for eval: a file, a SavedModel's folder, or a run.",
                                                 autocompletion=run_names)],
            videos: Annotated[list[str], typer.Argument(help="Video files.")],
            top: Annotated[int, typer.Option(help="Classes to show.")] = 5,
            views: Annotated[int | None, typer.Option(help="Clips per video; default: the model's, else 10.")] = None,
            crops: Annotated[int | None, typer.Option(help="1 or 3 of each clip; default: the model's, else 1.")] = None,
            fps: Annotated[float | None, typer.Option(
                help="Frames per second to look at; default: those of the run's records, else the video's own.")] = None,
            runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Say what a model sees in video files: the most probable classes.

    Raises:
        InputError: the model or a video cannot be used. What was found of the videos before it is printed.
    """
    if top < 1:
        raise InputError(f"--top is {top}; at least 1 is allowed")
    stored = find_model(model, runs)
    missing = [video for video in videos if not os.path.exists(video)]
    if missing:
        raise InputError(f"{missing[0]}: no such file")
    found: list[Prediction] = []
    try:
        with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt"), verbose):
            kernels.choose(kernels.onednn_for())
            import_keras()
            from expansion.evaluation.predict import predictions

            for prediction in predictions(stored.path, videos, views=views, crops=crops, fps=fps or stored.fps,
                                          short_side=stored.short_side, clips=stored.clips):
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
