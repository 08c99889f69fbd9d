"""Whether a run is being worked on, how it ended, and on what it ran: small files in its folder."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from expansion.foundation import files
from expansion.foundation.cpu import this_cpu
from expansion.foundation.kernels import in_words, onednn_in_use
from expansion.foundation.lock import lock
from expansion.foundation.machine import cores
from expansion.search.state import SearchState
from pipeline.runs.folder import RunFolder

State = Literal["running", "finished", "stopped", "failed"]
PACKAGES = ("x3d-search", "tensorflow", "keras", "keras-tuner", "tfx", "apache-beam", "numpy")


@contextlib.contextmanager
def working(folder: RunFolder) -> Iterator[None]:
    """Marks a run as worked on while the block runs, and keeps the reason if it fails.

    The mark is a shared lock on a file: it goes with the process, however that ends, and several may work on one run.
    """
    os.makedirs(folder.path, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.remove(folder.failure)
    files.write_json(folder.environment, environment())
    with open(folder.lock, "a", encoding="utf-8") as mark:
        lock(mark, shared=True, wait=True)  # for one who looks right now, see is_worked_on
        try:
            yield
        except Exception as error:
            files.write_text(folder.failure, first_line(error))
            raise


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def environment() -> dict:
    """The command, its time, the machine and the versions of what matters."""
    packages = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "command": shlex.join(["x3d", *sys.argv[1:]]),
        "began": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {cores()} CPU cores",
        "cpu": str(this_cpu()),
        "kernels": in_words(onednn_in_use()),
        "packages": packages,
    }


def is_worked_on(folder: RunFolder) -> bool:
    """Whether a process works on the run, as far as this machine can tell."""
    writable = os.access(folder.lock, os.W_OK)  # NFS locks no file that is open for reading alone
    try:
        with open(folder.lock, "r+" if writable else "r", encoding="utf-8") as mark:
            return not lock(mark)
    except FileNotFoundError:
        return False


def state(folder: RunFolder, search: SearchState | None) -> State:
    """running: a process works on it; finished: ended as it should; failed: with an error; stopped: neither."""
    if is_worked_on(folder):
        return "running"
    if os.path.exists(folder.failure):
        return "failed"
    if os.path.exists(folder.training_results):
        return "finished"
    ended = search is not None and search.finished
    return "finished" if ended and is_whole(folder) else "stopped"


def is_whole(folder: RunFolder) -> bool:
    """Whether the last that worked on the run came to its end; true as well where the pipeline never did."""
    if not os.path.exists(folder.environment):
        return True
    return os.path.exists(folder.result) and os.path.getmtime(folder.result) >= os.path.getmtime(folder.environment)
