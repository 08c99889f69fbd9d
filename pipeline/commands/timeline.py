"""`x3d predict --timeline`: what holds when in videos, on the screen and as files."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass

from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.progress import waiting
from expansion.display.tables import listed, percent
from expansion.foundation import kernels
from expansion.foundation.errors import InputError
from expansion.foundation.imports import import_keras
from pipeline.commands.timeline_files import as_dict, write_timeline
from pipeline.runs.models import StoredModel

NAMED = 3  # files that a line names


@dataclass(frozen=True)
class Wanted:
    """What is asked of timelines.

    Args:
        folder: for the files.
        every: seconds from one time to the next.
        threshold: least probability at which a class holds.
        crops, fps: as of `predict`.

    Raises:
        InputError: a value that is not allowed.
    """

    folder: str
    every: float
    threshold: float
    crops: int | None
    fps: float | None

    def __post_init__(self):
        if not 0 < self.every < float("inf"):
            raise InputError(f"--every is {self.every:g}; seconds above 0 are needed")
        if not 0 <= self.threshold <= 1:
            raise InputError(f"--threshold is {self.threshold:g}; a probability from 0 to 1 is needed")


def show_timelines(stored: StoredModel, videos: list[str], wanted: Wanted, as_json: bool, verbose: bool) -> None:
    """Writes and prints the timeline of each video.

    Args:
        videos: paths of videos, and of folders of them.

    Raises:
        InputError: the model cannot be used, or some videos could not; the timelines of the others are written and printed.
    """
    if not any(map(os.path.exists, videos)):
        raise InputError(f"{videos[0]}: no such file")
    found, failed, console = [], [], make_console(stderr=True)
    try:
        with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt"), verbose):
            kernels.choose(kernels.onednn_for())
            import_keras()
            from expansion.evaluation.networks import network_for
            from expansion.evaluation.predict import decoding, video_paths
            from expansion.evaluation.timeline import timeline

            inside = [video_paths(video) for video in videos]
            paths, others = [path for ones, _ in inside for path in ones], [path for _, ones in inside for path in ones]
            _check_names(paths)
            network, clips = network_for(stored.path, {} if wanted.crops is None else {"crops": wanted.crops},
                                         stored.preprocessing)
            decoded = decoding(network, clips, stored.preprocessing, wanted.fps)
            for path in paths:
                with waiting(console, f"watching {os.path.basename(path)}"):
                    try:
                        one = timeline(network, path, clips, decoded, wanted.every)
                    except InputError as error:
                        failed.append(str(error))
                        continue
                    found.append((one, write_timeline(one, wanted.folder, wanted.threshold)))
    finally:
        if as_json:
            print_json([as_dict(one, wanted.threshold) | {"files": files} for one, files in found])
        else:
            for one, files in found:
                _show(one, files, wanted.threshold)
    if others:
        console.print(f"not videos, so left out: {listed(others, NAMED)}", soft_wrap=True, markup=False)
    if failed and len(paths) == 1:
        raise InputError(failed[0])
    if failed:
        raise InputError(f"{len(failed)} of {len(paths)} videos have no timeline: {listed(failed, NAMED)}")


def _check_names(paths: list[str]) -> None:
    """Raises InputError where two timelines would have the same files."""
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"two videos are named {twice!r}, and so would be their timelines: give each a folder of its own")


def _show(one, paths: dict[str, str], threshold: float) -> None:
    console = make_console()
    held = one.held(threshold)
    table = make_table(f"{one.video}, {one.length:.1f} s", "class", "from", "to", "probability")
    for stretch in held:
        table.add_row(stretch.label, f"{stretch.start:.1f} s", f"{stretch.end:.1f} s", percent(stretch.probability))
    console.print(table)
    if not held:
        most = percent(float(one.probabilities.max()))
        console.print(f"no class reaches a probability of {threshold:g}; the largest is {most}")
    console.print(f"written: {', '.join(paths.values())}", soft_wrap=True, markup=False)
