"""`x3d predict`: what a network says of video files, on the screen or as CSV or JSON."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Annotated

import typer

from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.progress import task_progress
from expansion.display.tables import percent
from expansion.foundation import kernels
from expansion.foundation.errors import InputError
from expansion.foundation.imports import import_keras
from pipeline.commands.predict_files import Output, json_row
from pipeline.commands.timeline import Wanted, show_timelines
from pipeline.options import Json, Runs, Verbose, run_names
from pipeline.runs.models import find_model

if TYPE_CHECKING:
    from expansion.evaluation.predict import Prediction
    from expansion.network.preprocessing import Preprocessing

EACH = 3  # videos that have a table each; more share one, a row for each
OTHER_RATE = 1.25  # times the frame rate of the training, or less than its share, is worth a line
NAMED = 3  # files that a line names, before "..."


def predict(model: Annotated[str, typer.Argument(help="As for eval: a file, a SavedModel's folder, or a run.",
                                                 autocompletion=run_names)],
            videos: Annotated[list[str], typer.Argument(help="Video files, and folders of them.")],
            top: Annotated[int, typer.Option(help="Classes to show.")] = 5,
            views: Annotated[int | None, typer.Option(help="Clips per video; default: the model's, else 10.")] = None,
            crops: Annotated[int | None, typer.Option(help="1 or 3 of each clip; default: the model's, else 1.")] = None,
            fps: Annotated[float | None, typer.Option(
                help="Frames per second to look at; default: those of the training, else the video's own.")] = None,
            output: Annotated[str | None, typer.Option(
                help="File to write the answers to as well, a row per video: .csv, .json or .jsonl.")] = None,
            timeline: Annotated[str | None, typer.Option(
                help="Say what holds when; folder for a picture, JSON, CSV and WebVTT of each video.")] = None,
            every: Annotated[float, typer.Option(help="Seconds from one time of a timeline to the next.")] = 0.5,
            threshold: Annotated[float, typer.Option(help="Least probability at which a class holds in a timeline.")] = 0.5,
            runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Say what a model sees in video files: the most probable classes, or what holds when.

    Raises:
        InputError: the model cannot be used, or some videos could not; the answers for the others are printed before.
    """
    if top < 1:
        raise InputError(f"--top is {top}; at least 1 is allowed")
    if timeline is not None:
        if odd := next((name for name, value in {"views": views, "output": output}.items() if value is not None), None):
            raise InputError(f"--{odd} goes without --timeline, which looks at all of a video and writes files of its own")
        show_timelines(find_model(model, runs), videos, Wanted(timeline, every, threshold, crops, fps), as_json, verbose)
        return
    written = Output(output, top)
    stored = find_model(model, runs)
    if not any(map(os.path.exists, videos)):
        raise InputError(f"{videos[0]}: no such file")
    found: list[Prediction] = []
    try:
        with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt"), verbose):
            kernels.choose(kernels.onednn_for())
            import_keras()
            from expansion.evaluation.networks import network_for
            from expansion.evaluation.predict import predictions, video_paths

            wanted = {name: value for name, value in {"views": views, "crops": crops}.items() if value is not None}
            network, clips = network_for(stored.path, wanted, stored.preprocessing)
            known = network.preprocessing.otherwise(stored.preprocessing)
            paths, others = [], []
            for video in videos:
                inside, beside = video_paths(video)
                paths, others = paths + inside, others + beside
            with written, task_progress("predicting") as progress:
                for prediction in predictions(network, paths, views=clips.views, crops=clips.crops, fps=fps,
                                              otherwise=stored.preprocessing):
                    found.append(prediction)
                    written.write(prediction)
                    progress(len(found), len(paths))
    finally:
        if found:
            _show(found, top, as_json)
    if fps is None and (line := _on_rates(stored.name, known, found)):
        make_console(stderr=True).print(line, soft_wrap=True)
    if others:
        make_console(stderr=True).print(f"not videos, so left out: {_some(others)}", soft_wrap=True)
    if output:
        make_console(stderr=True).print(f"written: {output}", soft_wrap=True)
    failed = [prediction for prediction in found if prediction.error]
    if len(paths) == 1 and failed:
        raise InputError(f"{failed[0].video}: {failed[0].error}")
    if failed:
        reasons = [f"{prediction.video}: {prediction.error}" for prediction in failed]
        raise InputError(f"{len(failed)} of {len(paths)} videos have no answer: {_some(reasons, '; ')}")


def _on_rates(name: str, known: Preprocessing, found: list[Prediction]) -> str | None:
    """A line where videos were looked at in another tempo than those of the training, or where that is not known."""
    if known.video is None:
        return (f"{name} does not say at which frame rate it was trained, so each video's own frames were looked at; --fps sets "
                "a rate")
    other = [prediction for prediction in found if prediction.fps and known.fps and known.video.fps is None
             and max(prediction.fps / known.fps, known.fps / prediction.fps) > OTHER_RATE]
    if not other:
        return None
    rates = [f"{prediction.video} has {prediction.fps:.4g}" for prediction in other]
    return (f"{name} was trained on videos of about {known.fps:.4g} frames a second; {_some(rates)}: --fps {known.fps:.4g} looks "
            "at them as the training did")


def _some(texts: list[str], between: str = ", ") -> str:
    more = f"{between}and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return between.join(texts[:NAMED]) + more


def _show(found: list[Prediction], top: int, as_json: bool) -> None:
    if as_json:
        print_json([json_row(prediction, top) for prediction in found])
        return
    console = make_console()
    if len(found) > EACH:
        table = make_table(f"{len(found)} videos", "video", "class", "probability", "views", text=("class",))
        for prediction in found:
            if prediction.error is None:
                table.add_row(prediction.video, prediction.label, percent(prediction.top(1)[0][1]), str(prediction.views))
            else:
                table.add_row(prediction.video, prediction.error, "-", "-")
        console.print(table)
        return
    for number, prediction in enumerate(found):
        if number:
            console.print()
        if prediction.error is None:
            table = make_table(f"{prediction.video}, {prediction.views} views, {prediction.fps:.4g} frames a second", "class",
                               "probability")
            for label, share in prediction.top(top):
                table.add_row(label, percent(share))
            console.print(table)
        else:
            console.print(f"{prediction.video}: {prediction.error}", soft_wrap=True)
