"""`x3d predict --timeline`: what holds when in videos, on the screen and as files."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass

from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.progress import waiting
from expansion.display.tables import percent
from expansion.foundation import kernels
from expansion.foundation.errors import InputError
from expansion.foundation.imports import import_keras
from pipeline.commands.timeline_files import as_dict, write_timeline
from pipeline.runs.models import StoredModel


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

    Raises:
        InputError: the model or a video cannot be used; the timelines before it are written and printed.
    """
    missing = [video for video in videos if not os.path.exists(video)]
    if missing:
        raise InputError(f"{missing[0]}: no such file")
    names = [os.path.splitext(os.path.basename(video))[0] for video in videos]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"two videos are named {twice!r}, and so would be their timelines: give each a folder of its own")
    found, console = [], make_console(stderr=True)
    try:
        with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt"), verbose):
            kernels.choose(kernels.onednn_for())
            import_keras()
            from expansion.evaluation.networks import network_for
            from expansion.evaluation.predict import decoding
            from expansion.evaluation.timeline import timeline

            network, clips = network_for(stored.path, {} if wanted.crops is None else {"crops": wanted.crops},
                                         stored.preprocessing)
            decoded = decoding(network, clips, stored.preprocessing, wanted.fps)
            for video in videos:
                with waiting(console, f"watching {os.path.basename(video)}"):
                    one = timeline(network, video, clips, decoded, wanted.every)
                    found.append((one, write_timeline(one, wanted.folder, wanted.threshold)))
    finally:
        if as_json:
            print_json([as_dict(one, wanted.threshold) | {"files": paths} for one, paths in found])
        else:
            for one, paths in found:
                _show(one, paths, wanted.threshold)


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
