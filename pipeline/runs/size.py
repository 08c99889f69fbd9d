"""How much of a disk a run takes, by what it is for, and how that is given back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from expansion.foundation.errors import InputError
from pipeline.runs.folder import RunFolder, all_runs
from pipeline.runs.state import is_worked_on

STATE = "state.npz"  # a checkpoint's only file; training.checkpoint.STATE, which brings Keras with it


@dataclass(frozen=True)
class Size:
    """Bytes of a run's folder.

    Args:
        records: videos as ingested.
        searches: networks, curves and traces of its searches.
        checkpoints: states of trainings that are to be resumed, or were.
        rest: what the pipeline made of the search, what `x3d train` left, logs.
    """

    records: int = 0
    searches: int = 0
    checkpoints: int = 0
    rest: int = 0

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


def size_of_run(folder: RunFolder) -> Size:
    """What is in a run's folder; links count as themselves, not as what they point to."""
    found = dict.fromkeys(asdict(Size()), 0)
    places = {"records": (os.path.join(folder.artifacts, "VideoExampleGen"), folder.train_records, folder.ingest_work),
              "searches": (folder.searches,)}
    for path, size in _files(folder.path):
        kind = next((kind for kind, roots in places.items() if any(path.startswith(root + os.sep) for root in roots)), "rest")
        found["checkpoints" if os.path.basename(path) == STATE else kind] += size
    return Size(**found)


def _files(folder: str) -> Iterator[tuple[str, int]]:
    """(path, bytes) of all that is in a folder but folders; what vanishes meanwhile is left out."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            try:
                yield path, os.lstat(path).st_size
            except FileNotFoundError:
                pass


def removable_run(name: str, root: str) -> RunFolder:
    """The run of a name or a path, which no one works on.

    A folder counts as a run's by its environment.json, which every command that works on one writes first.

    Raises:
        InputError: there is no such run, it is a link, or it is worked on.
    """
    for path in (os.path.join(root, name), name):
        folder = RunFolder(os.path.normpath(path))
        if os.path.isfile(folder.environment):
            if os.path.islink(folder.path):
                raise InputError(f"{folder.path} is a link to {os.path.realpath(folder.path)}: name the run's own folder")
            if is_worked_on(folder):
                raise InputError(f"run {folder.name} is being worked on; stop that first")
            return folder
    there = ", ".join(run.name for run in all_runs(root))
    raise InputError(f"no run {name!r} under {root}/; there are {there or 'none'}")


def remove_run(folder: RunFolder) -> None:
    """Removes a run's folder. What is linked to from it stays. Stopped halfway, it is still known as a run."""
    for entry in os.scandir(folder.path):
        if entry.path != folder.environment:
            _remove(entry)
    os.remove(folder.environment)
    os.rmdir(folder.path)


def _remove(entry: os.DirEntry) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.remove(entry.path)


def remove_checkpoints(folder: RunFolder) -> None:
    """Removes the states of a run's trainings, wherever they lie in its folder; the folders that they leave empty too."""
    for path, _ in list(_files(folder.path)):
        if os.path.basename(path) == STATE and not os.path.islink(path):
            os.remove(path)
            if not os.listdir(os.path.dirname(path)):
                os.rmdir(os.path.dirname(path))
