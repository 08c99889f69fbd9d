"""Search protocols compared on the demo's data at reduced size: cost, accuracy on test videos, and agreement.

`python -m benchmarks.protocols FOLDER` runs every protocol with every seed of benchmarks.pool. Trainings are kept in the
folder and made once: a run that is stopped resumes, and protocols share the trainings that are the same to the bit.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from benchmarks.pool import (
    AXES,
    CLASSES,
    CLIPS,
    FRAMES,
    PIXELS,
    RECIPE,
    RUNG_VIEWS,
    SEED,
    SEEDS,
    VIDEOS,
    Pool,
    Training,
    limit_threads,
    rung_epochs,
)
from expansion.display.console import make_console, make_table
from expansion.recipe import Recipe
from expansion.search.racing import RaceSettings, rung_epoch
from expansion.search.repeats import RepeatSettings
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.steps import Rung
from expansion.spec import Limits
from expansion.tasks.single_label import wilson

EXTRA = RepeatSettings(extra=4, std=0.02)
RACE = RaceSettings(on=True, rungs=(0.3, 0.5), views=RUNG_VIEWS)


def short(epochs: int) -> Recipe:
    """The recipe with fewer epochs in all steps but the seed's."""
    return RECIPE.model_copy(update={"by_step": {1: {"epochs": epochs}}})


@dataclass(frozen=True)
class Protocol:
    """How a search is run: what differs from the paper's settings, and the recipe."""

    settings: dict = field(default_factory=dict)
    recipe: Recipe = RECIPE


PROTOCOLS = {
    "paper": Protocol(),
    "adaptive repeats": Protocol({"repeats": EXTRA}),
    "racing": Protocol({"race": RACE}),
    "warm start": Protocol({"warm_start": True}),
    "racing, warm start": Protocol({"race": RACE, "warm_start": True}),
    "6 epochs": Protocol({}, short(6)),
    "warm start, 6 epochs": Protocol({"warm_start": True}, short(6)),
    "racing, warm start, 6 epochs": Protocol({"race": RACE, "warm_start": True}, short(6)),
    "racing, warm start, 4 epochs": Protocol({"race": RACE, "warm_start": True}, short(4)),
}


@dataclass(frozen=True)
class Cell:
    """A protocol run with a seed.

    Args:
        macs, seconds: multiply-adds of all trainings and evaluations, seconds on one core.
        test: which test videos the winner got right.
        scratch: the same of the winner trained from scratch in full, as a search's last training is.
        path: the axes that were chosen.
    """

    macs: float
    seconds: float
    test: tuple[bool, ...]
    scratch: tuple[bool, ...]
    path: tuple[str, ...]


def run(pool: Pool, seed: int, steps: int = 1, protocol: Protocol = Protocol()) -> Cell:
    """Runs a search whose trainings come from a pool; in a race only the epochs that were run are counted."""
    search = SearchState(SearchSettings(start=SEED, classes=CLASSES, axes=AXES, steps=steps,
                                   limits=Limits(span=FRAMES, size=PIXELS), **protocol.settings))
    macs = seconds = 0.0
    made: dict[str, Training] = {}
    epochs_done: dict[str, int] = {}
    while not search.finished:
        going = [training for training in search.steps[-1].trainings if training.status == "waiting" and training.trial_id]
        if going:  # paused at a rung
            step, candidate = search.steps[-1], going[0]
            candidate.status = "running"
        else:
            step, candidate = search.next()
            search.started(candidate, str(len(made)))
        name, parent = candidate.trial_id, search.parent(step)
        key = made[parent.trial_id].key if parent and search.settings.warm_start else ""
        recipe = protocol.recipe.at(step.number)
        training = made.setdefault(name, pool.get(candidate.spec, seed + 10 * candidate.repeat, key, recipe))
        rung = search.rung(name)
        until = int(recipe.epochs) if rung is None else rung_epoch(search.settings.race.rungs[rung], recipe.epochs)
        epochs = until - epochs_done.get(name, 0)
        epochs_done[name] = until
        views = CLIPS.views if rung is None else RUNG_VIEWS
        macs += training.macs * CLASSES * (3 * epochs * VIDEOS["train"] + views * VIDEOS["val"])
        seconds += training.start + epochs * training.epoch + (training.evaluate if rung is None else training.rung)
        if rung is None:
            search.completed(name, training.accuracy, {}, training.correct)
        else:
            right = training.rungs[rung_epochs(recipe).index(until)]
            search.paused(name, Rung(until, sum(right) / len(right), right, training.curve[:until]))
    winner = search.path[-1]
    return Cell(macs, seconds, made[winner.trial_id].test, pool.get(winner.spec, seed).test,
                tuple(c.axis for c in search.path[1:]))


def with_all_seeds(pool: Pool, seeds, steps: int = 1) -> tuple[str, ...]:
    """The path that is decided by the mean of all seeds' trainings from scratch."""
    search = SearchState(SearchSettings(start=SEED, classes=CLASSES, axes=AXES, steps=steps,
                                   limits=Limits(span=FRAMES, size=PIXELS)))
    while proposal := search.next():
        _, candidate = proposal
        search.started(candidate, f"{len(search.steps)} {candidate.axis}")
        search.completed(candidate.trial_id, fmean(pool.get(candidate.spec, seed).accuracy for seed in seeds))
    return tuple(c.axis for c in search.path[1:])


def table(cells: dict[str, list[Cell]], best: tuple[str, ...]):
    """A row a protocol; costs relative to the paper's protocol with the same seeds."""
    count = len(next(iter(cells.values())))
    shown = make_table(f"{count} seeds; shares of the paper's; accuracy on test videos; path as by all seeds",
                       "protocol", "MACs", "share", "time", "share", "test", "95 %", "from scratch", "path")
    paper = cells["paper"]
    for name, found in cells.items():
        macs, seconds = (sum(getattr(cell, part) for cell in found) for part in ("macs", "seconds"))
        right, videos = sum(sum(cell.test) for cell in found), len(found[0].test)
        low, high = wilson(right / len(found), videos)  # the seeds share the videos
        shown.add_row(name, f"{macs / count / 1e9:.0f} G", f"{100 * macs / sum(c.macs for c in paper):.0f} %",
                      f"{seconds / count:.0f} s", f"{100 * seconds / sum(c.seconds for c in paper):.0f} %",
                      f"{100 * right / len(found) / videos:.1f} %", f"{100 * low:.0f} to {100 * high:.0f}",
                      f"{100 * sum(sum(cell.scratch) for cell in found) / len(found) / videos:.1f} %",
                      f"{sum(cell.path == best for cell in found)} of {count}")
    return shown


def main() -> None:
    """Runs what is not there yet, then prints the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="where trainings are kept")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many, from 0")
    parser.add_argument("--steps", type=int, default=1, help="of each search")
    parser.add_argument("--only", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS), help="protocols; always with paper")
    parser.add_argument("--no-training", action="store_true", help="fail where a training is not there")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if not asked.no_training:
        limit_threads()
    pool, seeds = Pool(asked.folder, not asked.no_training), range(asked.seeds)
    cells: dict[str, list[Cell]] = {name: [] for name in PROTOCOLS if name in {"paper", *asked.only}}
    for seed in seeds:  # seed by seed, so that a run that is stopped has whole ones
        for name in cells:
            cells[name].append(run(pool, seed, asked.steps, PROTOCOLS[name]))
            print(json.dumps({"seed": seed, "protocol": name, "path": cells[name][-1].path}), flush=True)
    make_console().print(table(cells, with_all_seeds(pool, seeds, asked.steps)))


if __name__ == "__main__":
    main()
