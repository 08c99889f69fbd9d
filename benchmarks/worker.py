"""One side of a comparison, in a process of its own; the standard library only, so that a peer's own Python runs it.

A worker is started with its settings as JSON. It says once what it is, measures a round at each line that it reads, and
says its peak memory at the end. What it prints otherwise goes to standard error.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable


def settings() -> dict:
    """The settings that the worker was started with."""
    return json.loads(sys.argv[1])


def peak_bytes() -> int:
    """Largest resident memory of this process so far (VmHWM); unlike ru_maxrss it does not begin with the parent's."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def cpu_seconds() -> float:
    """Of all threads of this process and of its children that have ended."""
    return time.process_time() + sum(os.times()[2:4])


def serve(start: Callable[[], tuple[Callable[[], object], int, dict]], peak: Callable[[], int] = peak_bytes) -> None:
    """Answers the harness on standard output until its input ends.

    Args:
        start: makes (step, items, about): one call of `step` handles `items` items (clips, videos); `about` names
            versions and whatever else the report should show; it is read after the first step.
        peak: says the peak memory in bytes.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(**answer):
        print(json.dumps(answer), file=answers, flush=True)

    began = time.perf_counter()
    step, items, about = start()
    built = time.perf_counter()
    step()
    first = time.perf_counter()
    for _ in range(settings().get("warmup", 2)):
        step()
    say(about=about, start_seconds=built - began, first_step_seconds=first - built)
    for line in sys.stdin:
        for _ in range(settings().get("unmeasured", 0)):  # what was prefetched while the others were measured
            step()
        limit, seconds, cpu = time.perf_counter() + float(line), [], cpu_seconds()
        while not seconds or time.perf_counter() < limit:
            before = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - before)
        say(seconds=statistics.median(seconds) / items, steps=len(seconds),
            cpu_seconds=(cpu_seconds() - cpu) / items / len(seconds))
    say(peak_bytes=peak())
