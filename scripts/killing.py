"""Runs a command and kills it (SIGKILL, with its children) at random moments, again and again, until it ends by itself."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil


@dataclass
class Killed:
    """What became of it.

    Attributes:
        kills: seconds after which each kill came, from the mark if there is one.
        code: exit code of the last run.
        last: seconds of the last run, from the mark.
    """

    kills: list[float] = field(default_factory=list)
    code: int | None = None
    last: float = 0.0


def kill_until_done(
    command: Sequence[str],
    kills: int,
    window: tuple[float, float],
    seed: int = 0,
    log: str = os.devnull,
    limit: float = 600.0,
    env: dict[str, str] | None = None,
    mark: str | None = None,
) -> Killed:
    """Starts the command `kills` times, each time killing its process group, then lets it run to its end.

    A run that ends before its moment comes counts as no kill; with code 0 it ends the whole.

    Args:
        window: seconds between which, at random, a kill comes after a start.
        log: file to which the command's output is appended.
        limit: seconds that the last run may take.
        mark: file that the command makes when its work begins; moments count from there. It is removed before each start.

    Raises:
        TimeoutError: the last run did not end within the limit.
    """
    rng, found = random.Random(seed), Killed()
    while True:
        moment = rng.uniform(*window) if len(found.kills) < kills else limit
        if mark is not None and os.path.exists(mark):
            os.remove(mark)
        with open(log, "ab") as output:
            started = time.monotonic()
            process = subprocess.Popen(command, stdout=output, stderr=output, env=env, start_new_session=True)
            try:
                if mark is not None:
                    wait_for(mark, process, limit)
                    started = time.monotonic()
                found.code = process.wait(timeout=moment)
                found.last = time.monotonic() - started
                return found
            except subprocess.TimeoutExpired:
                if len(found.kills) == kills:
                    raise TimeoutError(f"not done within {limit:g} s after {kills} kills: {' '.join(command)}") from None
                found.kills.append(round(moment, 2))
            finally:
                kill_group(process)


def wait_for(mark: str, process: subprocess.Popen, limit: float) -> None:
    """Until the file is there, or the process has ended."""
    ends = time.monotonic() + limit
    while not os.path.exists(mark) and process.poll() is None:
        if time.monotonic() > ends:
            raise TimeoutError(f"{mark} did not come within {limit:g} s")
        time.sleep(0.01)


def kill_group(process: subprocess.Popen) -> None:
    """The process and what it started; all of them share its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def children(process: int, part: str) -> list[int]:
    """Ids of a process's children whose command line holds a text."""
    try:
        return [child.pid for child in psutil.Process(process).children() if part in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:  # it, or one of them, has just ended
        return []
