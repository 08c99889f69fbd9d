"""`x3d plan` and `x3d describe`: costs before anything trains. Imports no TensorFlow."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from expansion.axes import propose
from expansion.complexity import complexity
from expansion.console import make_console, make_table
from expansion.dataset import VideoDataset
from expansion.errors import InputError
from expansion.search import Search
from expansion.spec import Spec, parse_spec
from expansion.tables import SPEC_COLUMNS, cost, duration, spec_cells
from pipeline.config import Config
from pipeline.runs import RunFolder

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
    trials = [c for step in (search.steps if search else []) for c in step.candidates if c.metrics.get("clips_per_second")]
    if not trials:
        return None
    rates = sorted(3 * c.macs * c.metrics["clips_per_second"] / 1e9 for c in trials)
    return Speed(rates[len(rates) // 2], START_SECONDS, True)


def show(config: Config, runs: str, gmacs_per_second: float | None) -> None:
    """Prints the plan of the run that the configuration names, from where its search stands."""
    console = make_console()
    folder = RunFolder(os.path.join(runs, config.name))
    records = folder.records()
    data = VideoDataset.open(records) if records else None
    traces = folder.traces()
    search = folder.search() if traces else None
    speed = Speed(gmacs_per_second) if gmacs_per_second else measured_speed(search) or Speed()
    classes, videos = (len(data.classes), data.videos("train")) if data else _listed(config)
    settings = config.search.model_copy(
        update={"classes": classes} | ({"limits": data.limits} if data else {}))
    if data is None:
        counted = f"{videos} training videos of {classes} classes are listed" if videos else "classes are taken as 400"
        console.print(f"No records yet: {counted}; the videos' length and size may limit the axes further.\n")

    parent, number = (settings.seed, 0) if search is None else _standing(search)
    candidates, saturated = propose(parent, settings.axes, settings.cost, settings.factor, settings.limits)
    title = f"step {number + 1}, from {parent} ({cost(settings.cost(parent))}MACs)"
    recipe = config.recipe.at(number + 1)
    table = make_table(title, "axis", *SPEC_COLUMNS, "MACs", "params", "no BN", "memory", "time")
    for candidate in candidates:
        seconds = speed.seconds(candidate.cost, recipe.epochs * videos) if videos else None
        axis = " = ".join((candidate.axis, *candidate.merged))
        table.add_row(axis, *_cells(candidate.spec, classes, recipe.batch), duration(seconds))
    console.print(table)
    for axis in saturated:
        console.print(f"{axis.axis} cannot move: {axis.reason}")
    if search is not None and search.finished:
        console.print(f"The search has ended ({search.stopped_by}); a larger budget goes on from here.")
    if videos:
        _outlook(console, config, settings.cost(parent), number, len(candidates), videos, speed)


def _standing(search: Search) -> tuple[Spec, int]:
    path = [step for step in search.steps if step.winner]
    return (path[-1].winner.spec, path[-1].step) if path else (search.settings.seed, 0)


def _listed(config: Config) -> tuple[int, int | None]:
    """Classes and training videos that the labels name; (400, None) where no videos are named."""
    if not config.ingest.videos:
        return 400, None
    from components.video_example_gen.sources import read_sources

    entries = read_sources(config.ingest).entries
    given = sum(entry.split == "train" for entry in entries)
    share = config.ingest.ratio()["train"] * sum(entry.split is None for entry in entries)
    return max(2, len({entry.label_text for entry in entries})), round(given + share)


def _outlook(console, config: Config, macs: float, number: int, width: int, videos: int, speed: Speed) -> None:
    """What the steps to come will take if each doubles the cost as it should."""
    table = make_table("steps to come", "step", "about", "candidates", "time", "in all")
    total = 0.0
    for step in range(number + 1, config.search.steps + 1):
        macs *= config.search.factor
        seconds = width * speed.seconds(macs, config.recipe.at(step).epochs * videos)
        total += seconds
        table.add_row(str(step), f"{cost(round(macs))}MACs", str(width), duration(seconds), duration(total))
        if config.search.target_gmacs and macs >= config.search.target_gmacs * 1e9:
            break
    console.print(table)
    source = "measured in this run" if speed.measured else "taken as given; --gmacs-per-second sets it"
    console.print(f"Times: {speed.gmacs_per_second:.3g} GMACs/s in training ({source}), {videos} training videos.")


def _cells(spec: Spec, classes: int, batch: int, exact: bool = False) -> list[str]:
    found = complexity(spec, classes)
    numbers = [f"{n:,}" if exact else f"{n / 1e6:.2f} M" for n in (found.params, found.params_without_bn)]
    macs = f"{found.macs:,}" if exact else cost(found.macs)
    memory = found.memory(batch) / 2**30
    return [*spec_cells(spec), macs, *numbers, f"{memory:.2f} GiB"]


def describe(specs: list[str], classes: int) -> None:
    """Prints exact MACs and parameters; of a single network also its stages and the memory of a training step.

    Raises:
        InputError: a spec is unknown, or there are fewer than two classes.
    """
    if classes < 2:
        raise InputError(f"--classes is {classes}; at least 2 are allowed")
    parsed = [(text, parse_spec(text)) for text in specs]
    if len(parsed) == 1:
        _describe_one(*parsed[0], classes)
    table = make_table("networks", "name", *SPEC_COLUMNS, "MACs", "params", "without BN")
    for text, spec in parsed:
        table.add_row(text, *_cells(spec, classes, 8, exact=True)[:-1])  # 80 columns hold no memory as well
    console = make_console()
    console.print(table)
    console.print(f"{classes} classes; MACs of one clip at the training crop. Width is on X2D's channels: the paper's "
                  "figure is twice it.")


def _describe_one(text: str, spec: Spec, classes: int) -> None:
    table = make_table(f"{text}: stages", "stage", "blocks", "channels", "inner", "output")
    size = math.ceil(spec.size / 2)
    table.add_row("stem", "", str(spec.stem_channels), "", f"{spec.frames}x{size}x{size}")
    blocks = spec.blocks()
    for stage in sorted({block.stage for block in blocks}):
        inside = [block for block in blocks if block.stage == stage]
        size = math.ceil(size / 2)
        table.add_row(f"res{stage}", str(len(inside)), str(inside[0].outputs), str(inside[0].inner),
                      f"{spec.frames}x{size}x{size}")
    table.add_row("head", "", f"{spec.head_inner}, 2048, {classes}", "", "")
    table.caption = f"memory of a training step at batch 8: {complexity(spec, classes).memory(8) / 2**30:.2f} GiB"
    make_console().print(table)
