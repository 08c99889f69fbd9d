"""How long training takes: reckoned from MACs, with the speed that a search's own trials had. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expansion.search import Search
from expansion.training.recipe import Recipe

DEFAULT_GMACS_PER_SECOND = 20.0  # forward and backward MACs a second in training, measured on 2 CPU cores
START_SECONDS = 10.0  # build, trace and first step of a trial, where no run has measured it


@dataclass(frozen=True)
class Speed:
    """What training costs: seconds = start + 3 * MACs * clips / rate (the backward pass counts twice)."""

    gmacs_per_second: float = DEFAULT_GMACS_PER_SECOND
    start_seconds: float = START_SECONDS
    measured: bool = False

    def seconds(self, macs: float, clips: float) -> float:
        return self.start_seconds + 3 * macs * clips / (self.gmacs_per_second * 1e9)


def measured_speed(search: Search | None) -> Speed | None:
    """The speed of a run's completed trials: the median of each, or None where none has completed."""
    trials = [c for step in (search.steps if search else []) for c in step.trainings if c.metrics.get("clips_per_second")]
    if not trials:
        return None
    rates = sorted(3 * c.macs * c.metrics["clips_per_second"] / 1e9 for c in trials)
    return Speed(rates[len(rates) // 2], START_SECONDS, True)


def steps_to_come(search: Search, recipe: Recipe, videos: int, speed: Speed) -> list[dict]:
    """What the steps after the last one will take if each costs what it should: step, macs, candidates, seconds.

    Args:
        videos: for training.
    """
    settings, last = search.settings, search.steps[-1]
    if search.finished or last.kind == "contraction":
        return []
    width = len(last.candidates) if last.kind == "expansion" else len(settings.axes)
    macs = float(sum(c.macs for c in last.candidates)) / len(last.candidates)
    rows = []
    for step in range(last.step + 1, settings.steps + 1):
        if settings.target_gmacs and macs >= settings.target_gmacs * 1e9:
            break
        macs *= settings.factor
        rows.append({"step": step, "macs": macs, "candidates": width,
                     "seconds": width * speed.seconds(macs, recipe.at(step).epochs * videos)})
    return rows


def step_seconds(search: Search, recipe: Recipe, videos: int, step: int, macs: Sequence[int]) -> float | None:
    """Time that a step's candidates will take, by the MACs of each; None before a trial has completed."""
    speed = measured_speed(search)
    clips = recipe.at(step).epochs * videos
    return None if speed is None else sum(speed.seconds(each, clips) for each in macs)


def seconds_left(search: Search, recipe: Recipe, videos: int) -> float | None:
    """Time that the rest of a search will take; None before a trial has completed, and for one that has ended.

    Candidates that run count whole. What could end the search early, a target accuracy, is not reckoned with.
    """
    speed = measured_speed(search)
    if speed is None or search.finished:
        return None
    last = search.steps[-1]
    clips = recipe.at(last.step).epochs * videos
    here = sum(speed.seconds(c.macs, clips) for c in last.trainings if not c.done)
    return here + sum(row["seconds"] for row in steps_to_come(search, recipe, videos, speed))
