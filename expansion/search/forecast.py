"""What a search takes and has taken: time estimated from MACs at the speed of its own trials, and multiply-adds spent."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from expansion.foundation.settings import parse_settings
from expansion.recipe import ClipSettings, Recipe
from expansion.search.racing import RaceSettings
from expansion.search.state import Search
from expansion.search.steps import CandidateState

DEFAULT_GMACS_PER_SECOND = 20.0  # forward and backward MACs a second, measured on 2 CPU cores
START_SECONDS = 10.0  # build, trace and first step of a trial, where no run has measured it
PHASES = ("start", "train", "input", "evaluate", "other")  # of a training


@dataclass(frozen=True)
class Speed:
    """What training costs: seconds = start + 3 * MACs * clips / rate (the backward pass counts twice)."""

    gmacs_per_second: float = DEFAULT_GMACS_PER_SECOND
    start_seconds: float = START_SECONDS
    measured: bool = False

    def seconds(self, macs: float, clips: float) -> float:
        return self.start_seconds + 3 * macs * clips / (self.gmacs_per_second * 1e9)


def measured_speed(search: Search | None, recipe: Recipe, videos: int) -> Speed | None:
    """The speed of a search's own trials, or None where none has ended.

    The start and the rate that fit their seconds best, by least squares: a trial that paused at rungs began several times.
    One point, or a fit below 0, is taken as START_SECONDS, at most half of the time, and work. Evaluation costs a fixed
    share of the work and is in it.

    Args:
        videos: for training.
    """
    points = [(_parts(t), 3 * t.macs * _epochs(t, recipe.at(step.step)) * videos / 1e9, t.metrics["seconds"])
              for step in (search.all_steps if search else []) for t in step.trainings
              if t.metrics.get("seconds") and t.status in ("completed", "stopped", "paused")]
    if not points:
        return None
    begun, work, seconds = np.array(points).T
    (start, slope), _, rank, _ = np.linalg.lstsq(np.stack([begun, work], 1), seconds, rcond=None)
    if rank < 2 or slope <= 0 or start < 0:
        start = min(START_SECONDS, seconds.sum() / begun.sum() / 2)
        slope = (seconds.sum() - start * begun.sum()) / work.sum()
    return Speed(float(1 / slope), float(start), True)


def _parts(training: CandidateState) -> int:
    """How often a training began: once, and again after each rung that it went on from."""
    return len(training.rungs) + (training.status == "completed")


def _epochs(training: CandidateState, recipe: Recipe) -> float:
    return recipe.epochs if training.status == "completed" else min(training.rungs[-1].epoch, recipe.epochs)


def raced(race: RaceSettings, candidates: int) -> tuple[float, float]:
    """What a race takes: (parts that trainings are done in, full trainings), for so many candidates of a step.

    With the rule "bound" it is not known who stops; all are taken to train in full.
    """
    if not race.on:
        return candidates, candidates
    parts = trainings = 0.0
    left, before = candidates, 0.0
    for rung in (*race.rungs, 1.0):
        parts, trainings = parts + left, trainings + left * (rung - before)
        left, before = math.ceil(race.keep * left - 1e-9) if race.rule == "halving" else left, rung
    return parts, trainings


def of_step(macs: Sequence[float], clips: float, speed: Speed, race: RaceSettings) -> float:
    """Seconds of a step's candidates, by the MACs of each, for so many training clips in a full training."""
    if not macs:
        return 0.0
    parts, trainings = raced(race, len(macs))
    return parts * speed.start_seconds + trainings * (speed.seconds(sum(macs) / len(macs), clips) - speed.start_seconds)


@dataclass(frozen=True)
class Hindsight:
    """How right the forecast of a step was: seconds, as they were forecast when it began, and as they were."""

    step: int
    forecast: float
    actual: float


def hindsight(search: Search) -> list[Hindsight]:
    """The decided steps after the seed, each forecast from the trials before it; [] where the trace does not say enough."""
    if not {"recipe", "data"} <= search.made_with.keys():
        return []
    recipe, videos = parse_settings(Recipe, search.made_with["recipe"], "recipe"), search.made_with["data"]["videos"]["train"]
    found = []
    for step in search.steps[1:]:
        before = copy.copy(search)
        before.steps, before.set_aside = search.steps[:step.step], []
        speed = measured_speed(before, recipe, videos)
        if speed is None or not step.decision:
            continue
        race = search.settings.race if step.kind == "expansion" and step.step > len(search.settings.follow) else RaceSettings()
        forecast = of_step([c.macs for c in step.candidates], recipe.at(step.step).epochs * videos, speed, race)
        found.append(Hindsight(step.step, forecast, sum(t.metrics.get("seconds", 0.0) for t in step.trainings)))
    return found


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
                     "seconds": of_step([macs] * width, recipe.at(step).epochs * videos, speed, settings.race)})
    return rows


def step_seconds(search: Search, recipe: Recipe, videos: int, step: int, macs: Sequence[int]) -> float | None:
    """Time that a step's candidates will take, by the MACs of each; None before a trial has completed."""
    speed = measured_speed(search, recipe, videos)
    clips = recipe.at(step).epochs * videos
    return None if speed is None else of_step(macs, clips, speed, search.settings.race)


def seconds_left(search: Search, recipe: Recipe, videos: int) -> float | None:
    """Time that the rest of a search will take; None before a trial has completed, and for one that has ended.

    Candidates that run count from the rung that they came to, or whole. What could end the search early, a target
    accuracy, is not reckoned with.
    """
    speed = measured_speed(search, recipe, videos)
    if speed is None or search.finished:
        return None
    last = search.steps[-1]
    epochs = recipe.at(last.step).epochs
    here = sum(speed.seconds(c.macs, videos * (epochs - (c.rungs[-1].epoch if c.rungs else 0)))
               for c in last.trainings if not c.done)  # who stops early is not known yet
    return here + sum(row["seconds"] for row in steps_to_come(search, recipe, videos, speed))


# What was spent


@dataclass(frozen=True)
class Spending:
    """Of all trainings of a search that have ended.

    Args:
        macs: multiply-adds of trainings and evaluations; the backward pass counts twice.
        full: the same if none had been stopped early and none had paused.
        epochs, full_epochs: epochs trained, and those of full trainings.
        stopped: candidates that were stopped.
    """

    macs: float
    full: float
    epochs: float
    full_epochs: float
    stopped: int

    @property
    def saved(self) -> float:
        """Share of 1 of the multiply-adds that were not spent; below 0 where pauses cost more than they saved."""
        return 1 - self.macs / self.full if self.full else 0.0

    def __str__(self) -> str:
        return (f"racing stopped {self.stopped} candidates: {self.full_epochs - self.epochs:g} of {self.full_epochs:g} epochs "
                f"and {100 * self.saved:.0f} % of the multiply-adds were not spent")


def training_macs(macs: float, epochs: float, videos: int) -> float:
    """Multiply-adds of a training: forward and, at twice that, backward."""
    return 3 * macs * epochs * videos


def spending(search: Search) -> Spending | None:
    """What a search has spent; None where its trace does not say how and on what it trained."""
    known = search.made_with
    if not {"recipe", "clips", "data"} <= known.keys():
        return None
    recipe, clips = parse_settings(Recipe, known["recipe"], "recipe"), parse_settings(ClipSettings, known["clips"], "clips")
    videos = known["data"]["videos"]
    spent = full = epochs = full_epochs = 0.0
    ended = [(step, training) for step in search.all_steps for training in step.trainings
             if training.status in ("completed", "stopped")]
    for step, training in ended:
        all_epochs = recipe.at(step.step).epochs
        evaluation = training.macs * videos.get("val", 0) * clips.views * clips.crops
        own = _epochs(training, recipe.at(step.step))
        rungs = len(training.rungs) * evaluation * min(search.settings.race.views, clips.views) / clips.views
        spent += training_macs(training.macs, own, videos["train"]) + rungs
        spent += evaluation if training.status == "completed" else 0.0
        full += training_macs(training.macs, all_epochs, videos["train"]) + evaluation
        epochs, full_epochs = epochs + own, full_epochs + all_epochs
    return Spending(spent, full, epochs, full_epochs, sum(training.status == "stopped" for _, training in ended))


def phases(candidate: CandidateState) -> dict[str, float]:
    """Seconds that a candidate spent in each of PHASES; empty where it was not trained.

    Start is building the network, its trace and its first step; input is waiting for clips.
    """
    found = candidate.metrics
    if "seconds" not in found:
        return {}
    known = {name: found.get(f"{name}_seconds", 0.0) for name in PHASES if name != "other"}
    for name, measured in (("start", "start_seconds"), ("input", "input_wait_seconds")):
        known[name] = min(found.get(measured, 0.0), known["train"])
        known["train"] -= known[name]
    known["start"] += found.get("build_seconds", 0.0)
    return known | {"other": max(0.0, found["seconds"] - sum(known.values()))}


def phases_of_all(search: Search) -> dict[str, float]:
    """Seconds of all the search's trainings by phase; empty before the first."""
    parts = [part for step in search.all_steps for part in map(phases, step.trainings) if part]
    return {name: sum(part[name] for part in parts) for name in PHASES} if parts else {}
