"""What a whole search takes, for `x3d plan`: bytes to store, hours to ingest, device-hours per step and in total.

Imports no TensorFlow; measuring does.
"""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import Field

from expansion.display.console import make_table
from expansion.display.tables import duration
from expansion.foundation import files, kernels
from expansion.foundation.machine import cores
from expansion.foundation.settings import Settings
from expansion.search.costs import in_macs
from expansion.search.forecast import LATER, Speed, StepForecast, raced, training_at
from expansion.search.racing import RaceSettings
from pipeline.config import Config

# Measured on 24 real videos (surveillance, H.264, 160 pixels high) on one core: decoded, stored at quality 90.
BYTES_PER_PIXEL = 0.28
PIXELS_PER_SECOND = 85e6
EFFICIENCY = 0.1  # share of a device's stated peak that training is assumed to reach: a guess, not measured on a GPU
MEASURED = "throughput.json"  # in a run's folder
SAMPLE = 12  # videos that are measured

# What the optional savings are estimated as.
RACE = RaceSettings(on=True, rungs=(0.25, 0.5), keep=0.5)  # half train on after a quarter of the epochs, half of those after half
WARM_EPOCHS = 0.5  # share of the epochs of candidates that begin with their parent's weights
PROXY_VIDEOS = 0.25  # share of the training videos


class Throughput(Settings):
    """What this machine was measured to do.

    Args:
        machine: what it was.
        gmacs_per_second: in training, forward and backward.
        bytes_per_pixel: of stored frames; None where there were no videos to measure.
        pixels_per_second: stored by one core, decoding included; None likewise.
    """

    machine: str
    gmacs_per_second: float = Field(gt=0)
    bytes_per_pixel: float | None = None
    pixels_per_second: float | None = None


@dataclass(frozen=True)
class Saving:
    """A way to spend less, and what the search comes to with it."""

    name: str
    how: str
    device_seconds: float


@dataclass(frozen=True)
class CostEstimate:
    """What a search takes.

    Args:
        videos: of all splits.
        stored_bytes: of the records; a tenth more or less, by the videos.
        ingest_seconds: of one core.
        steps: from the seed on.
        final_seconds: of the last training, on one device.
        savings: what the search comes to with each.
    """

    videos: int
    stored_bytes: float
    ingest_seconds: float
    steps: list[StepForecast]
    final_seconds: float
    savings: list[Saving] = field(default_factory=list)

    @property
    def device_seconds(self) -> float:
        """Of all steps."""
        return sum(step.seconds for step in self.steps)


def make_budget(config: Config, steps: Sequence[StepForecast], videos: dict[str, int], speed: Speed,
                measured: Throughput | None = None, stored: int | None = None) -> CostEstimate:
    """Estimates what a search takes beside its steps.

    Args:
        steps: of the search, from the seed on.
        videos: by split.
        speed: of one device.
        measured: for what is not known otherwise.
        stored: bytes of the records, where there are any.
    """
    expected = config.expected
    pixels = expected.seconds * (config.ingest.fps or expected.fps) * config.ingest.short_side**2 * expected.aspect
    count = sum(videos.values())
    per_pixel = measured and measured.bytes_per_pixel or BYTES_PER_PIXEL
    rate = measured and measured.pixels_per_second or PIXELS_PER_SECOND
    last = config.recipe.final(steps[-1].step, config.final)
    training = training_at(LATER, last, 0, videos["train"])
    budget = CostEstimate(count, stored if stored is not None else count * pixels * per_pixel,
                    0.0 if stored is not None else count * pixels / rate, list(steps),
                    speed.seconds(steps[-1].macs, training.clips, training.shapes))
    return dataclasses.replace(budget, savings=_savings(config, budget, last.epochs))


def _savings(config: Config, budget: CostEstimate, final_epochs: float) -> list[Saving]:
    """What the search comes to with each way to spend less that it does not take already."""
    after_seed = [row.step > 0 for row in budget.steps]
    races = [raced(RACE, row.candidates)[1] / row.candidates if after else 1.0 for row, after in zip(budget.steps, after_seed)]
    warm = [WARM_EPOCHS if after else 1.0 for after in after_seed]
    full = [max(1.0, final_epochs / config.recipe.at(row.step).epochs) for row in budget.steps]
    proxy = [PROXY_VIDEOS for _ in budget.steps]
    ways = [("racing", "half stop after 1/4, half of the rest after 1/2", races, config.search.race.on),
            ("warm start", f"{100 * WARM_EPOCHS:g} % of the epochs, from the parent's weights", warm,
             config.search.warm_start),
            ("proxy", f"{100 * PROXY_VIDEOS:g} % of the training videos", proxy, config.proxy is not None)]
    ways = [(name, how, shares) for name, how, shares, in_use in ways if not in_use]

    def total(*shares: Sequence[float]) -> float:
        return sum(row.seconds * math.prod(of) for row, *of in zip(budget.steps, *shares))

    found = [Saving("as configured", f"{config.recipe.epochs:g} epochs per candidate", total())]
    if full[-1] > 1:
        found.insert(0, Saving("full schedule", f"all train the last training's {final_epochs:g} epochs",
                               total(full)))
    found += [Saving(name, how, total(shares)) for name, how, shares in ways]
    if len(ways) > 1:
        names = [name for name, *_ in ways]
        found.append(Saving("all of these", f"{', '.join(names[:-1])} and {names[-1]} together",
                            total(*(shares for *_, shares in ways))))
    return found


def tables(budget: CostEstimate, devices: int, ingest_cores: int) -> list:
    """What is printed: rich tables and lines."""
    steps = make_table(f"the whole search on {devices} device{'s' if devices > 1 else ''}", "step", "about", "candidates",
                       "device-hours", "in all", "time")
    total = 0.0
    for row in budget.steps:
        total += row.seconds
        # Candidates are what can be shared out: more devices than these have nothing to do.
        turns = math.ceil(row.candidates / min(devices, row.candidates))
        steps.add_row(str(row.step), f"{in_macs(round(row.macs))}", str(row.candidates), hours(row.seconds), hours(total),
                      duration(row.seconds / row.candidates * turns))
    savings = make_table("optional savings", "with", "device-hours", "share")
    plain = budget.device_seconds
    for saving in budget.savings:
        savings.add_row(f"{saving.name}: {saving.how}", hours(saving.device_seconds),
                        f"{100 * saving.device_seconds / plain:.0f} %")
    return [
        f"{budget.videos:,} videos: {budget.stored_bytes / 1e12:.2f} TB of records, "
        + (f"{hours(budget.ingest_seconds)} core-hours to ingest ({duration(budget.ingest_seconds / ingest_cores)} on "
           f"{ingest_cores} cores)." if budget.ingest_seconds else "which are there."),
        steps, f"The last training: {hours(budget.final_seconds)} device-hours more.", savings,
        "Savings are estimated, not measured; what they do to the choice of axes is another question."]


def hours(seconds: float) -> str:
    return f"{seconds / 3600:,.0f}" if seconds >= 36000 else f"{seconds / 3600:.2g}"


# Measuring


def this_machine() -> str:
    return f"{platform.node()}, {platform.machine()}, {cores()} cores"


def kept_throughput(folder: str) -> Throughput | None:
    """What was measured for a run on this machine; None where nothing was."""
    path = os.path.join(folder, MEASURED)
    found = Throughput(**files.read_json(path)) if files.exists(path) else None
    return found if found and found.machine == this_machine() else None


def measure(config: Config, folder: str, sources: Sequence[str]) -> Throughput:
    """Measures this machine for about a minute and keeps the result.

    Args:
        sources: paths of videos, of which a few are stored; none measures training alone.
    """
    found = Throughput(machine=this_machine(), gmacs_per_second=_training_speed(config), **_storing_speed(config, sources))
    files.write_json(os.path.join(folder, MEASURED), found.model_dump())
    return found


def _storing_speed(config: Config, sources: Sequence[str]) -> dict[str, float]:
    from expansion.video.decode import Rejected
    from expansion.video.frames import store

    pixels = written = 0
    began = time.process_time()
    for source in list(sources)[:: max(1, len(sources) // SAMPLE)][:SAMPLE]:
        try:
            stored = store(source, config.ingest)
        except Rejected:
            continue
        pixels += len(stored.jpegs) * stored.width * stored.height
        written += sum(map(len, stored.jpegs))
    spent = time.process_time() - began
    return {"bytes_per_pixel": written / pixels, "pixels_per_second": pixels / spent} if pixels else {}


def _training_speed(config: Config, steps: int = 3) -> float:
    """GMACs per second of training steps on clips of noise, of the seed made twice as large on three axes."""
    kernels.choose(kernels.onednn_for(config.search.start.pixels))
    import numpy as np

    from expansion.complexity import complexity
    from expansion.network.model import build_model
    from expansion.recipe import Recipe
    from expansion.search.axes import expand
    from expansion.training.fit import compile_model

    spec = config.search.start
    for axis in ("temporal", "temporal", "spatial"):
        spec = expand(spec, axis)
    batch = 4
    model = compile_model(build_model(spec, 400), Recipe(batch=batch, epochs=1), batch)
    clips = np.random.default_rng(0).integers(0, 255, (batch, spec.frames, spec.size, spec.size, 3), np.uint8)
    labels = np.zeros(batch, np.int32)
    model.train_on_batch(clips, labels)
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        model.train_on_batch(clips, labels)
        times.append(time.perf_counter() - began)
    return 3 * complexity(spec, 400).macs * batch / sorted(times)[steps // 2] / 1e9
