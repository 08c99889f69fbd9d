"""`x3d plan`: what the next step and the whole search take, before anything trains. Imports no TensorFlow."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from dataclasses import dataclass
from typing import Annotated

import typer

from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.progress import waiting
from expansion.display.tables import SPEC_COLUMNS, duration, forecast_error, spec_cells
from expansion.evaluation.latency import Latencies
from expansion.foundation.errors import InputError
from expansion.foundation.machine import cores
from expansion.foundation.settings import parse_settings
from expansion.recipe import Recipe
from expansion.search.axes import propose
from expansion.search.costs import in_macs, show_cost
from expansion.search.forecast import Speed, StepForecast, measured_speed, of_step, race_at, steps_ahead, training_at
from expansion.search.path import NO_GAIN
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.trace import BUDGET
from expansion.spec import Spec
from expansion.tasks.registry import chosen
from expansion.weights.search import source_of, with_start
from pipeline.commands.plan_estimate import EFFICIENCY, CostEstimate, kept_throughput, make_budget, measure, tables
from pipeline.config import Config
from pipeline.options import Given, Json, Runs, configured_by
from pipeline.runs.folder import RunFolder


@dataclass(frozen=True)
class Plan:
    """What comes next in a run.

    Args:
        step: number of the next step, or of the one that is begun.
        parent: what it expands.
        cost: what candidates are matched in; see costs.cost_of.
        candidates: axis, the axes that come to the same, spec, cost, MACs, parameters, bytes of a training step, seconds.
        saturated: axis and reason of those that cannot move.
        later: this step, or what is left of it, and those after it, as forecast.steps_ahead has them.
        videos: for training; None where it is not known yet.
        classes: of the data; None where it is not known yet.
        ingested: whether both are of records, or only of the labels.
        stopped_by: why the search has ended; None where it has not.
        speed: what the seconds are estimated with.
        budget: what the whole search takes; None where the videos are not known.
        so_far: how right the forecasts of the steps were that are done; None before there is one.
    """

    step: int
    parent: Spec
    parent_macs: int
    cost: str
    candidates: list[dict]
    saturated: list[dict]
    later: list[StepForecast]
    videos: int | None
    classes: int | None
    ingested: bool
    stopped_by: str | None
    speed: Speed
    budget: CostEstimate | None = None
    so_far: str | None = None


def make_plan(config: Config, runs: str, gmacs_per_second: float | None = None, device_tflops: float | None = None) -> Plan:
    """The plan of the run that the configuration names, from where its search stands.

    Args:
        gmacs_per_second: speed to estimate with, of one device in training.
        device_tflops: its peak instead, of which training is assumed to reach plan_estimate.EFFICIENCY.
    """
    folder = RunFolder(os.path.join(runs, config.name))
    records = folder.records()
    data = VideoDataset.open(records) if records else None
    stored = folder.search() if folder.traces() else None
    classes, videos = (len(data.classes), data.videos("train")) if data else _listed(config)
    if stored and "data" in stored.made_with:  # a proxy may have fewer classes
        of_data = {"classes": stored.settings.classes, "limits": stored.settings.limits}
    else:
        of_data = {"classes": classes or 400} | ({"limits": data.limits} if data else {})
    settings = with_start(config.search).model_copy(update=of_data)
    if settings.weights and classes and not config.proxy:
        source = source_of(config.search)
        task = chosen(config.recipe.task, data.manifest.task, data.path).name if data else source.task
        source.check_head(classes, data.classes if data else (), settings.new_head, task)
    kept = kept_throughput(folder.path)
    if device_tflops and not gmacs_per_second:  # a multiply-add is two operations
        gmacs_per_second = 1000 * device_tflops / 2 * EFFICIENCY
    counts = (({split: data.videos(split) for split in data.splits} if data else _splits(config, videos)) if videos else {})
    recipe, train_videos = config.search_job().candidate_recipe, _candidates_videos(stored, config, classes, counts)
    own = measured_speed(stored, _recipe_of(stored) or recipe, train_videos) if stored and train_videos else None
    speed = (Speed(gmacs_per_second) if gmacs_per_second else own
             or (Speed(kept.gmacs_per_second, measured=True) if kept else Speed()))
    # The evaluations are in what the search's own trials took.
    evaluated = 0.0 if own is speed or not counts else settings.videos_seen(counts)[1] * config.clips.views * config.clips.crops
    latency = Latencies(settings.classes, folder.traces()[-1] if stored else None)

    def forecast(_, step: int, macs) -> float | None:
        if not train_videos:
            return None
        training = training_at(search.steps[-1].candidates[0].spec, recipe, step, train_videos)
        return of_step(macs, training, speed, race_at(settings, step, recipe.at(step)))

    search = _standing(stored, settings, latency, forecast)
    step, parent, proposed, saturated = _next_step(search)
    of_step_recipe = recipe.at(step)
    candidates = []
    for candidate in proposed:
        training = training_at(candidate.spec, recipe, step, train_videos) if train_videos else None
        found = complexity(candidate.spec, settings.classes)
        candidates.append({
            "axis": candidate.axis, "merged": list(candidate.merged), "spec": candidate.spec,
            "cost": candidate.cost, "macs": found.macs,
            "params": found.params, "params_without_bn": found.params_without_bn, "bytes": found.memory(of_step_recipe.batch),
            "seconds": speed.seconds(found.macs, training.clips, training.shapes) if training else None})
    later, budget = [], None
    if train_videos:
        of_seed = (proposed, saturated) if step == 1 else None
        later, whole = (steps_ahead(of, recipe, train_videos, speed, evaluated=evaluated, proposed=of_seed)
                        for of in (search, SearchState(settings, latency=latency)))
        size = sum(part.bytes for part in data.manifest.splits.values()) if data else None
        budget = make_budget(config, whole, counts, speed, kept, size or None)
    return Plan(step, parent, complexity(parent, settings.classes).macs, settings.cost, candidates,
                [dataclasses.asdict(axis) for axis in saturated], [row for row in later if row.step], videos, classes,
                data is not None, search.stopped_by, speed, budget, forecast_error(stored) if stored else None)


def _recipe_of(search: SearchState) -> Recipe | None:
    """What the trials of a search were trained by, where its trace says it."""
    return parse_settings(Recipe, search.made_with["recipe"], "recipe") if "recipe" in search.made_with else None


def _candidates_videos(search: SearchState | None, config: Config, classes: int | None,
                       counts: dict[str, int]) -> int | None:
    """Training videos of the candidates, which a proxy makes fewer and cross-validation more; None where they are not known."""
    if search and "data" in search.made_with:
        return search.settings.videos_seen(search.made_with["data"]["videos"])[0]
    videos = config.search.videos_seen(counts)[0] if counts else None
    if not videos or not config.proxy:
        return videos
    of_classes = min(1.0, config.proxy.classes / classes) if config.proxy.classes and classes else 1.0
    return max(1, round(videos * config.proxy.share * of_classes))


def _standing(stored: SearchState | None, settings: SearchSettings, latency: Latencies, forecast) -> SearchState:
    """The search as it would resume with these settings: a larger budget begins a further step, other settings another one."""
    if stored is None:
        return SearchState(settings, latency=latency)
    search = SearchState(stored.settings, stored.made_with, latency=latency, forecast=forecast, steps=list(stored.steps))
    search.stopped_by, search.set_aside = stored.stopped_by, list(stored.set_aside)
    changed = {name for name in SearchSettings.model_fields if getattr(settings, name) != getattr(stored.settings, name)}
    if changed - BUDGET and not search.steps[-1].decision and len(search.steps) > 1:
        search.steps.pop()
    search.extend_budget(settings)
    return search


def _next_step(search: SearchState) -> tuple[int, Spec, list, list]:
    """(number, parent, candidates, axes that cannot move) of the step that is begun, or of the one that would come next."""
    last = search.steps[-1]
    if last.kind != "seed" and not last.decision:
        return last.number, search.parent(last).spec, last.candidates, last.saturated
    ends = [step for step in search.steps if step.winner and step.kind != "contraction"]  # a larger target resumes from there
    number, spec = (ends[-1].number, ends[-1].winner.spec) if ends else (0, search.settings.start)
    settings = search.settings
    return number + 1, spec, *propose(spec, settings.axes, search.cost, settings.factor, settings.limits, search.rejects)


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
                from components.ingestion.files_found import find_files

                sources = [os.path.join(config.ingest.videos, name) for name in find_files(config.ingest.videos).videos]
            measure(config, os.path.join(runs, config.name), sources)


@configured_by("videos", "labels", "name", "steps", "target_gmacs", "epochs", "cost", "constraint", "hours", "weights",
               "new_head", "freeze", "backbone_rate")
def plan(given: Given,
         gmacs_per_second: Annotated[float | None, typer.Option(
             help="Speed to estimate with, of one device in training; default: as measured in the run, else 20 for 2 CPU "
                  "cores.")] = None,
         device_tflops: Annotated[float | None, typer.Option(
             help="Peak of a device instead, of which a tenth is assumed to be reached.")] = None,
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
        counted = (f"{plan.videos:,} training videos of {plan.classes} classes are listed" if plan.videos
                   else "400 classes are assumed")
        console.print(f"No records yet: {counted}; the videos' length and size may limit the axes further.\n")
    title = f"step {plan.step}, from {plan.parent} ({in_macs(plan.parent_macs)})"
    own = [plan.cost] if plan.cost in ("memory", "latency") else []
    headers = ["activations" if name == "memory" else name for name in own]
    table = make_table(title, "axis", *SPEC_COLUMNS, *headers, "MACs", "params", "no BN", "memory", "time",
                       dense=True)  # else it is over 80 columns
    for row in plan.candidates:
        table.add_row("=".join((row["axis"], *row["merged"])), *spec_cells(row["spec"]),
                      *(show_cost(name, row["cost"]) for name in own), show_cost("macs", row["macs"]),
                      f"{row['params'] / 1e6:.2f} M", f"{row['params_without_bn'] / 1e6:.2f} M",
                      show_cost("memory", row["bytes"]), duration(row["seconds"]))
    console.print(table)
    for axis in plan.saturated:
        console.print(f"{axis['axis']} cannot move: {axis['reason']}")
    if config.search.weights:
        console.print(f"The seed begins with {config.search.weights}, whose features a linear classifier judges first.",
                      markup=False, soft_wrap=True)
    if plan.so_far:
        console.print(f"So far: {plan.so_far}.")
    if plan.stopped_by:
        more = "search.without_gain=continue" if plan.stopped_by == NO_GAIN else "a larger budget"
        console.print(f"The search has ended ({plan.stopped_by}); {more} continues from here.")
    if plan.later and not (plan.budget and plan.step == 1):  # which says the same of all steps
        table = make_table("steps to come", "step", "about", "candidates", "time", "in all")
        total = 0.0
        for row in plan.later:
            total += row.seconds
            table.add_row(str(row.step), f"{in_macs(round(row.macs))}", str(row.candidates), duration(row.seconds),
                          duration(total))
        console.print(table)
    if plan.budget:
        console.print()
        for part in tables(plan.budget, devices, cores()):
            console.print(part)
    if plan.later:
        source = "measured" if plan.speed.measured else "assumed; --measure or --gmacs-per-second sets it"
        console.print(f"Times: {plan.speed.gmacs_per_second:.3g} GMACs/s of a device in training ({source}), {plan.videos:,} "
                      "training videos.")


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
    return max(2, len({name for entry in entries for name in entry.classes})), round(given + share)
