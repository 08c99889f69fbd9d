"""The time that a search takes: estimated from MACs at the speed of its own trials, and what its trials spent it on."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from expansion.foundation.settings import parse_settings
from expansion.recipe import Recipe
from expansion.recipe.schedule import traces
from expansion.search.axes import Candidate, Saturated, propose
from expansion.search.racing import RaceSettings, race_with
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.search.training_cost import epochs_of, full_epochs, training_macs
from expansion.spec import NAMED, Spec

DEFAULT_GMACS_PER_SECOND = 20.0  # forward and backward MACs a second, measured on 2 CPU cores
START_SECONDS = 10.0  # build, trace and first step of a trial, where no run has measured it
LATER = NAMED["M"]  # stands for networks to come: from 4 frames on, the shapes of multigrid training hardly depend on the network
Proposals = tuple[list[Candidate], list[Saturated]]  # of axes.propose
PHASES = ("start", "train", "input", "evaluate", "other")  # of a training


@dataclass(frozen=True)
class Speed:
    """What training costs: seconds = start * shapes + 3 * MACs * clips / rate (the backward pass counts twice)."""

    gmacs_per_second: float = DEFAULT_GMACS_PER_SECOND
    start_seconds: float = START_SECONDS
    measured: bool = False

    def seconds(self, macs: float, clips: float, shapes: int = 1) -> float:
        return self.start_seconds * shapes + 3 * macs * clips / (self.gmacs_per_second * 1e9)


def measured_speed(search: SearchState | None, recipe: Recipe, videos: int) -> Speed | None:
    """The speed of a search's own trials, or None where none has ended.

    The start and the rate that fit their seconds best, by least squares: a trial that paused at rungs began several times.
    One point, or a fit below 0, is taken as START_SECONDS, at most half of the time, and work. Evaluation costs a fixed
    share of the work and is in it.

    Args:
        videos: for training.
    """
    points = [(_parts(t) * traces(t.spec, recipe.at(step.number), videos),
               training_macs(t.macs, epochs_of(t, recipe.at(step.number), videos), videos) / 1e9, t.metrics["seconds"])
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
    """How often a training began: once, and again after each rung that it was resumed from."""
    return len(training.rungs) + (training.status == "completed")


def race_at(settings: SearchSettings, step: int, recipe: Recipe, kind: str = "expansion") -> RaceSettings:
    """The race of a step; one that is off where the axis is prescribed and in a contraction. See decisions.next_rung.

    Args:
        recipe: of the step; with multigrid its rungs lie where it says.
    """
    taken = kind != "contraction" and not 0 < step <= len(settings.follow)
    return race_with(settings.race, recipe) if taken else RaceSettings()


def raced(race: RaceSettings, candidates: int) -> tuple[float, float]:
    """What a race takes: (parts that trainings are done in, full trainings), for so many candidates of a step.

    With the rule "bound" it is not known who stops; all are taken to train in full.
    """
    parts = trainings = 0.0
    for begin, end, left in _stretches(race, candidates):
        parts, trainings = parts + left, trainings + left * (end - begin)
    return parts, trainings


def _stretches(race: RaceSettings, candidates: float) -> Iterator[tuple[float, float, float]]:
    """(from, to, candidates left) between the rungs of a race, in shares of the epochs; the number is as racing.race counts."""
    begin = 0.0
    for end in (*(race.rungs if race.on else ()), 1.0):
        yield begin, end, candidates
        begin = end
        if race.rule == "halving":
            candidates = math.ceil(race.keep * candidates - 1e-9)


@dataclass(frozen=True)
class Training:
    """What a full training of a step is: clips of the network's own shape, and how many shapes its step is traced for."""

    clips: float
    shapes: int = 1


def training_at(spec: Spec, recipe: Recipe, step: int, videos: int) -> Training:
    """A full training of a network by the recipe of a step."""
    recipe = recipe.at(step)
    return Training(full_epochs(spec, recipe, videos) * videos, traces(spec, recipe, videos))


def of_step(macs: Sequence[float], training: Training, speed: Speed, race: RaceSettings, done: Sequence[float] = ()) -> float:
    """Seconds of a step's candidates.

    Args:
        macs: of each candidate.
        training: a full one.
        done: share of its epochs that each has trained; none where the step has not begun. Who of them will stop at a rung
            is not known: all count by the share that continues.
    """
    done = done or [0.0] * len(macs)
    seconds = 0.0
    for begin, end, left in _stretches(race, len(macs)):
        for cost, share in zip(macs, done):
            if share < end:
                seconds += left / len(macs) * speed.seconds(
                    cost, training.clips * (end - max(begin, share)), training.shapes)
    return seconds


@dataclass(frozen=True)
class Retrospective:
    """How right the forecast of a step was: seconds, as they were forecast when it began, and as they were."""

    step: int
    forecast: float
    actual: float


def retrospective(search: SearchState) -> list[Retrospective]:
    """The decided steps after the seed, each forecast from the trials before it; [] where the trace does not say enough."""
    if not {"recipe", "data"} <= search.made_with.keys():
        return []
    recipe = parse_settings(Recipe, search.made_with["recipe"], "recipe")
    videos, _ = search.settings.videos_seen(search.made_with["data"]["videos"])
    found = []
    for step in search.steps[1:]:
        before = copy.copy(search)
        before.steps, before.set_aside = search.steps[:step.number], []
        speed = measured_speed(before, recipe, videos)
        if speed is None or not step.decision:
            continue
        race = race_at(search.settings, step.number, recipe.at(step.number), step.kind)
        training = training_at(step.candidates[0].spec, recipe, step.number, videos)
        forecast = of_step([c.macs for c in step.candidates], training, speed, race)
        found.append(Retrospective(step.number, forecast, sum(t.metrics.get("seconds", 0.0) for t in step.trainings)))
    return found


@dataclass(frozen=True)
class StepForecast:
    """What a step takes: MACs of a typical candidate, how many candidates, seconds of one device."""

    step: int
    macs: float
    candidates: int
    seconds: float


def steps_ahead(search: SearchState, recipe: Recipe, videos: int, speed: Speed, *, evaluated: float = 0.0,
                proposed: Proposals | None = None) -> list[StepForecast]:
    """The rest of the step that a search is at, then the steps after it if each costs what it should; [] after the end.

    MACs grow by the factor, or, where the cost is another, as they do in the step that is known last. The steps end where
    the search would end: at `steps`, at `target_gmacs`, and before one that would take it past `hours`. What cannot be known,
    a target accuracy, the contraction to a target and a step that gains nothing, is not in it.

    Args:
        recipe, videos: of the trainings.
        speed: of one device.
        evaluated: clips of the evaluation after a training, where the speed does not have them in it.
        proposed: what axes.propose makes of the seed, where it is known: of a search that is still at its seed it tells how
            wide the next step is. Without it this is found here, but for latencies, which only an idle machine can measure.
    """
    if search.finished:
        return []
    settings, last = search.settings, search.steps[-1]

    def training(step: int, spec: Spec = LATER) -> Training:  # the forward pass alone is a third of a training step
        found = training_at(spec, recipe, step, videos)
        return replace(found, clips=found.clips + evaluated / 3)

    macs = fmean(candidate.macs for candidate in last.candidates)
    rest = _rest(search, last, recipe.at(last.number), videos, training(last.number, last.candidates[0].spec), speed)
    rows = [StepForecast(last.number, macs, len(last.candidates), rest)]
    if last.kind == "contraction":
        return rows
    growth, count, later = _growth(search, proposed)
    spent = rows[0].seconds + sum(t.metrics.get("seconds", 0.0) for step in search.all_steps for t in step.trainings)
    for step in range(last.number + 1, settings.steps + 1):
        macs *= growth
        seconds = of_step([macs] * count, training(step), speed, race_at(settings, step, recipe.at(step)))
        spent += seconds
        reached = settings.target_gmacs and macs / growth >= settings.target_gmacs * 1e9
        if not count or reached or settings.hours and spent > 3600 * settings.hours:
            break
        rows.append(StepForecast(step, macs, count, seconds))
        count = later
    return rows


def _rest(search: SearchState, step: Step, recipe: Recipe, videos: int, training: Training, speed: Speed) -> float:
    """Seconds of the trainings of a step that are not done, from the rungs that they came to."""
    race = race_at(search.settings, step.number, recipe, step.kind)
    first, further = ([t for t in trainings if not t.done] for trainings in (
        step.candidates, (repeat for candidate in step.candidates for repeat in candidate.repeats)))
    decided = min((len(t.rungs) for t in first), default=0)  # who pauses at a rung waits for the others

    def trained(t: CandidateState) -> float:
        if not t.rungs:
            return 0.0
        share = epochs_of(t, recipe, videos) / full_epochs(t.spec, recipe, videos)
        return max(share, race.rungs[len(t.rungs) - 1] if race.on else 0.0)

    ahead = race.model_copy(update={"rungs": race.rungs[decided:]})
    return (of_step([t.macs for t in first], training, speed, ahead, [trained(t) for t in first])
            + of_step([t.macs for t in further], training, speed, RaceSettings()))


def _growth(search: SearchState, proposed: Proposals | None) -> tuple[float, int, int]:
    """(MACs of a candidate over those of one in the step before, candidates of the next step, and of those after it)."""
    settings, last = search.settings, search.steps[-1]
    if last.kind == "expansion":
        macs, before, saturated = [c.macs for c in last.candidates], search.parent(last).macs, len(last.saturated)
    else:
        if proposed is None and settings.measures_latency:
            return settings.factor, len(settings.axes), len(settings.axes)
        candidates, stuck = proposed or propose(settings.start, settings.axes, search.cost, settings.factor, settings.limits,
                                                search.rejects)
        macs, before, saturated = [search.cost(c.spec, "macs") for c in candidates], last.candidates[0].macs, len(stuck)
    growth = settings.factor
    if settings.cost != "macs" and macs:
        growth = math.prod(value / before for value in macs) ** (1 / len(macs))
    later = len(settings.axes) - saturated
    return growth, later if last.kind == "expansion" else len(macs), later


def step_seconds(search: SearchState, recipe: Recipe, videos: int, step: int, macs: Sequence[int]) -> float | None:
    """Time that a step's candidates will take, by the MACs of each; None before a trial has been timed."""
    speed = measured_speed(search, recipe, videos)
    training = training_at(search.steps[-1].candidates[0].spec, recipe, step, videos)
    return None if speed is None else of_step(macs, training, speed, race_at(search.settings, step, recipe.at(step)))


def seconds_left(search: SearchState, recipe: Recipe, videos: int) -> float | None:
    """Time that the rest of a search will take on one device; None before a trial has been timed, and after the end."""
    speed = measured_speed(search, recipe, videos)
    if speed is None or search.finished:
        return None
    return sum(step.seconds for step in steps_ahead(search, recipe, videos, speed))


# What it went into


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


def phases_of_all(search: SearchState) -> dict[str, float]:
    """Seconds of all the search's trainings by phase; empty before the first."""
    parts = [part for step in search.all_steps for part in map(phases, step.trainings) if part]
    return {name: sum(part[name] for part in parts) for name in PHASES} if parts else {}
