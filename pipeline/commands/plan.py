"""`x3d plan`: what the next step and the whole search take, before anything trains. Imports no TensorFlow."""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from dataclasses import dataclass
from typing import Annotated

import typer

from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.progress import waiting
from expansion.display.tables import SPEC_COLUMNS, cost, duration, how_right, spec_cells
from expansion.evaluation.latency import Latencies
from expansion.foundation.errors import InputError
from expansion.foundation.machine import cores
from expansion.search.axes import propose
from expansion.search.costs import show_cost
from expansion.search.forecast import Speed, measured_speed, of_step
from expansion.search.state import Search
from expansion.spec import Spec
from pipeline.commands.plan_estimate import EFFICIENCY, Budget, Throughput, kept_throughput, make_budget, measure, tables
from pipeline.config import Config
from pipeline.options import Given, Json, Runs, configured_by
from pipeline.runs.folder import RunFolder


@dataclass(frozen=True)
class Plan:
    """What comes next in a run.

    Args:
        step: number of the next step.
        parent: what it expands.
        cost: what candidates are matched in; see costs.cost_of.
        candidates: axis, the axes that come to the same, spec, cost, MACs, parameters, bytes of a training step, seconds.
        saturated: axis and reason of those that cannot move.
        later: this step and those after it, as they come out if each costs what it should: MACs, candidates, seconds.
        videos: for training; None where it is not known yet.
        classes: of the data; None where it is not known yet.
        ingested: whether both are of records, or only of the labels.
        stopped_by: why the search has ended; None where it has not.
        speed: what the seconds are reckoned with.
        so_far: how right the forecasts of the steps were that are done; None before there is one.
    """

    step: int
    parent: Spec
    parent_macs: int
    cost: str
    candidates: list[dict]
    saturated: list[dict]
    later: list[dict]
    videos: int | None
    classes: int | None
    ingested: bool
    stopped_by: str | None
    speed: Speed
    budget: Budget | None = None
    so_far: str | None = None


def make_plan(config: Config, runs: str, gmacs_per_second: float | None = None, device_tflops: float | None = None) -> Plan:
    """The plan of the run that the configuration names, from where its search stands.

    Args:
        gmacs_per_second: speed to reckon with, of one device in training.
        device_tflops: its peak instead, of which training is taken to reach budget.EFFICIENCY.
    """
    folder = RunFolder(os.path.join(runs, config.name))
    records = folder.records()
    data = VideoDataset.open(records) if records else None
    search = folder.search() if folder.traces() else None
    if device_tflops and not gmacs_per_second:  # a multiply-add is two operations
        gmacs_per_second = 1000 * device_tflops / 2 * EFFICIENCY
    kept = kept_throughput(folder.path)
    classes, videos = (len(data.classes), data.videos("train")) if data else _listed(config)
    measured = measured_speed(search, config.recipe, videos) if videos else None
    speed = (Speed(gmacs_per_second) if gmacs_per_second else measured
             or (Speed(kept.gmacs_per_second, measured=True) if kept else Speed()))
    settings = config.search.model_copy(
        update={"classes": classes or 400} | ({"limits": data.limits} if data else {}))
    parent, number = (settings.seed, 0) if search is None else _standing(search)
    costs = Search(settings, latency=Latencies(settings.classes, folder.traces()[-1] if search else None))
    proposed, saturated = propose(parent, settings.axes, costs.cost, settings.factor, settings.limits, costs.rejects)
    recipe = config.recipe.at(number + 1)
    candidates = []
    for candidate in proposed:
        found = complexity(candidate.spec, settings.classes)
        candidates.append({
            "axis": candidate.axis, "merged": list(candidate.merged), "spec": candidate.spec,
            "cost": candidate.cost, "macs": found.macs,
            "params": found.params, "params_without_bn": found.params_without_bn, "bytes": found.memory(recipe.batch),
            "seconds": speed.seconds(found.macs, recipe.epochs * videos) if videos else None})
    macs = complexity(parent, settings.classes).macs
    spent = sum(t.metrics.get("seconds", 0.0) for step in search.steps for t in step.trainings) if search else 0.0
    later = _later(config, macs, number, candidates, videos, speed, spent) if videos else []
    return Plan(number + 1, parent, macs, settings.cost, candidates, [dataclasses.asdict(axis) for axis in saturated], later, videos,
                classes, data is not None, search.stopped_by if search else None, speed,
                _budget(config, settings, len(proposed) if number == 0 else len(settings.axes), data, videos, speed, kept),
                how_right(search) if search else None)


def _budget(config: Config, settings, width: int, data: VideoDataset | None, videos: int | None, speed: Speed,
            kept: Throughput | None) -> Budget | None:
    """What the whole search takes, from the seed on; None where the videos are not known."""
    if not videos:
        return None
    macs = [float(complexity(settings.seed, settings.classes).macs)]
    while len(macs) <= settings.steps and not (settings.target_gmacs and macs[-1] >= settings.target_gmacs * 1e9):
        macs.append(macs[-1] * settings.factor)
    counts = {split: data.videos(split) for split in data.splits} if data else _splits(config, videos)
    stored = sum(part.get("bytes", 0) for part in data.manifest["splits"].values()) if data else None
    return make_budget(config, macs, [1, width, *(len(settings.axes) for _ in macs[2:])][:len(macs)], counts, speed, kept,
                       stored or None)


def _splits(config: Config, train: int) -> dict[str, int]:
    if _expects(config):
        return {"train": train, "val": config.expected.val, "test": config.expected.test}
    ratio = config.ingest.ratio()
    return {split: round(train * ratio[split] / ratio["train"]) for split in ratio}


def _expects(config: Config) -> bool:
    """Whether the videos are not there, and the configuration says what they will be."""
    return config.expected.train > 0 and not os.path.exists(config.ingest.videos)


def measure_speed(config: Config, runs: str) -> None:
    """Measures this machine for the run that the configuration names, which takes about a minute."""
    with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt")) as console:
        with waiting(console, "measuring this machine"):
            sources = []
            if config.ingest.videos and os.path.exists(config.ingest.videos):
                from components.ingestion.sources import list_videos

                sources = [os.path.join(config.ingest.videos, name) for name in list_videos(config.ingest.videos)]
            measure(config, os.path.join(runs, config.name), sources)


@configured_by("videos", "labels", "name", "steps", "target_gmacs", "epochs", "cost", "constraint", "hours")
def plan(given: Given,
         gmacs_per_second: Annotated[float | None, typer.Option(
             help="Speed to estimate with, of one device in training; default: as measured in the run, else 20 for 2 CPU "
                  "cores.")] = None,
         device_tflops: Annotated[float | None, typer.Option(
             help="Peak of a device instead, of which a tenth is taken to be reached.")] = None,
         devices: Annotated[int, typer.Option(help="Devices that train candidates in parallel.")] = 1,
         measure: Annotated[bool, typer.Option(
             "--measure", help="Measure this machine first (a minute) and keep that in the run's folder.")] = False,
         runs: Runs = "runs", as_json: Json = False) -> None:
    """The next step's candidates with MACs, parameters, memory and time, before anything trains.

    Raises:
        InputError: an error of use.
    """
    for name, value in (("--device-tflops", device_tflops), ("--devices", devices), ("--gmacs-per-second", gmacs_per_second)):
        if value is not None and value <= 0:
            raise InputError(f"{name} is {value:g}; more than 0 is allowed")
    config = given.load(need_videos=False)
    if measure:
        measure_speed(config, runs)
    show(config, runs, gmacs_per_second, as_json, device_tflops=device_tflops, devices=devices)


def show(config: Config, runs: str, gmacs_per_second: float | None = None, as_json: bool = False, *,
         device_tflops: float | None = None, devices: int = 1) -> None:
    """Prints the plan of the run that the configuration names.

    Args:
        devices: that train in parallel.
    """
    if config.search.measures_latency:
        with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt")):
            with waiting(make_console(stderr=True), "measuring latencies"):
                plan = make_plan(config, runs, gmacs_per_second, device_tflops)
    else:
        plan = make_plan(config, runs, gmacs_per_second, device_tflops)
    if as_json:
        print_json(dataclasses.asdict(plan))
        return
    console = make_console()
    if not plan.ingested:
        counted = (f"{plan.videos} training videos of {plan.classes} classes are listed" if plan.videos
                   else "classes are taken as 400")
        console.print(f"No records yet: {counted}; the videos' length and size may limit the axes further.\n")
    title = f"step {plan.step}, from {plan.parent} ({cost(plan.parent_macs)}MACs)"
    own = [plan.cost] if plan.cost in ("memory", "latency") else []
    headers = ["activations" if name == "memory" else name for name in own]
    table = make_table(title, "axis", *SPEC_COLUMNS, *headers, "MACs", "params", "no BN", "memory", "time")
    for row in plan.candidates:
        table.add_row(" = ".join((row["axis"], *row["merged"])), *spec_cells(row["spec"]),
                      *(show_cost(name, row["cost"]) for name in own), cost(row["macs"]),
                      f"{row['params'] / 1e6:.2f} M", f"{row['params_without_bn'] / 1e6:.2f} M",
                      f"{row['bytes'] / 2**30:.2f} GiB", duration(row["seconds"]))
    console.print(table)
    for axis in plan.saturated:
        console.print(f"{axis['axis']} cannot move: {axis['reason']}")
    if plan.so_far:
        console.print(f"So far: {plan.so_far}.")
    if plan.stopped_by:
        console.print(f"The search has ended ({plan.stopped_by}); a larger budget goes on from here.")
    if plan.later and not (plan.budget and plan.step == 1):  # which says the same of all steps
        table = make_table("steps to come", "step", "about", "candidates", "time", "in all")
        total = 0.0
        for row in plan.later:
            total += row["seconds"]
            table.add_row(str(row["step"]), f"{cost(round(row['macs']))}MACs", str(row["candidates"]),
                          duration(row["seconds"]), duration(total))
        console.print(table)
    if plan.budget:
        console.print()
        for part in tables(plan.budget, devices, cores()):
            console.print(part)
    if plan.later:
        source = "measured" if plan.speed.measured else "taken as given; --measure or --gmacs-per-second sets it"
        console.print(f"Times: {plan.speed.gmacs_per_second:.3g} GMACs/s of a device in training ({source}), {plan.videos} "
                      "training videos.")


def _standing(search: Search) -> tuple[Spec, int]:
    path = [step for step in search.steps if step.winner]
    return (path[-1].winner.spec, path[-1].step) if path else (search.settings.seed, 0)


def _listed(config: Config) -> tuple[int | None, int | None]:
    """Classes and training videos that the labels name; (None, None) where no videos are named."""
    if _expects(config):
        return config.expected.classes, config.expected.train
    if not config.ingest.videos:
        return None, None
    from components.ingestion.sources import read_sources

    entries = read_sources(config.ingest).entries
    given = sum(entry.split == "train" for entry in entries)
    share = config.ingest.ratio()["train"] * sum(entry.split is None for entry in entries)
    return max(2, len({entry.label_text for entry in entries})), round(given + share)


def _later(config: Config, macs: float, number: int, candidates: list[dict], videos: int, speed: Speed,
           spent: float) -> list[dict]:
    """What the steps to come will take if each costs what it should; MACs grow as in the next step where they are not it."""
    rows, width, factor = [], len(candidates), config.search.factor
    if config.search.cost != "macs" and candidates:
        factor = math.prod(row["macs"] / macs for row in candidates) ** (1 / width)
    for step in range(number + 1, config.search.steps + 1):
        macs *= factor
        rows.append({"step": step, "macs": macs, "candidates": width,
                     "seconds": of_step([macs] * width, config.recipe.at(step).epochs * videos, speed, config.search.race)})
        if config.search.hours and spent + sum(row["seconds"] for row in rows) > 3600 * config.search.hours:
            rows.pop()
            break
        if config.search.target_gmacs and macs >= config.search.target_gmacs * 1e9:
            break
    return rows
