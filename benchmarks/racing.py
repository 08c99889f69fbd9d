"""Races replayed on recorded trainings: how often the true winner is kept, and what is saved. Trains nothing.

`python -m benchmarks.racing` prints the tables of benchmarks/README.md, from benchmarks/recorded: demo.json, a whole search of
the demo, and small.json, trainings of benchmarks.pool with several seeds (`--from FOLDER` writes it again from a pool).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pool import RECIPE, RUNG_VIEWS, SEEDS, VIDEOS, Training, rung_epochs
from expansion.complexity import complexity
from expansion.display.console import make_console, make_table
from expansion.search.racing import RaceSettings, race, rung_epoch
from expansion.search.selection import Scored, decide
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.spec import Spec

RECORDED = Path(__file__).parent / "recorded"
RUNGS = ((0.2,), (0.3,), (0.5,), (0.3, 0.5), (0.2, 0.5), (0.2, 0.3, 0.5))


@dataclass(frozen=True)
class Candidate:
    """A training in full, and its accuracy by epoch, of validation videos (with which were right) or training clips."""

    axis: str
    macs: int
    params: int
    accuracy: float
    correct: tuple[bool, ...]
    rungs: dict[int, tuple[float, tuple[bool, ...]]]


@dataclass(frozen=True)
class Recorded:
    """A step as it was recorded: its parent and all candidates, trained in full.

    Args:
        evaluation: multiply-adds of an evaluation at a rung as a share of a full training's, for any network.
    """

    parent: Candidate
    candidates: tuple[Candidate, ...]
    epochs: int
    evaluation: float

    @property
    def winner(self) -> int:
        return decide(self.parent.accuracy, self.parent.macs, [
            Scored(c.axis, c.accuracy, c.macs, c.params, c.correct) for c in self.candidates]).winner


def replay(step: Recorded, settings: RaceSettings) -> tuple[int, float]:
    """(winner, multiply-adds as a share of full trainings') of a step that is raced."""
    left, before, spent = list(range(len(step.candidates))), 0, 0.0
    for share in settings.rungs:
        epoch = rung_epoch(share, step.epochs)
        spent += sum(step.candidates[i].macs for i in left) * ((epoch - before) / step.epochs + step.evaluation)
        runners = [Scored(step.candidates[i].axis, step.candidates[i].rungs[epoch][0], step.candidates[i].macs,
                          step.candidates[i].params,
                          step.candidates[i].rungs[epoch][1]) for i in left]
        standings = race(step.parent.rungs[epoch][0], step.parent.macs, runners, settings)
        left, before = [i for i, standing in zip(left, standings) if standing.survives], epoch
    spent += sum(step.candidates[i].macs for i in left) * (1 - before / step.epochs)
    remaining = Recorded(step.parent, tuple(step.candidates[i] for i in left), step.epochs, step.evaluation)
    return left[remaining.winner], spent / sum(c.macs for c in step.candidates)


# What is recorded


def _demo() -> dict:
    return json.loads((RECORDED / "demo.json").read_text(encoding="utf-8"))


def demo_steps() -> list[Recorded]:
    """The demo's three steps; their accuracy by epoch is that on training clips, and costs nothing."""
    recorded = _demo()
    steps = [[_of_demo(c) for c in step["candidates"]] for step in recorded["steps"]]
    found, parent = [], steps[0][0]
    for candidates in steps[1:]:
        found.append(Recorded(parent, tuple(candidates), recorded["epochs"], 0.0))
        parent = candidates[found[-1].winner]
    return found


def _of_demo(values: dict) -> Candidate:
    found = complexity(Spec(**values["spec"]), 8)
    return Candidate(values["axis"], found.macs, found.params, values["accuracy"],
                     tuple(bit == "1" for bit in values["correct"]),
                     {epoch + 1: (accuracy, ()) for epoch, accuracy in enumerate(values["curve"])})


def recorded_search() -> SearchState:
    """The demo's search with what each trial took, for forecasts."""
    recorded, steps = _demo(), []
    for step in recorded["steps"]:
        candidates = []
        for values in step["candidates"]:
            spec = Spec(**values["spec"])
            found = complexity(spec, 8)
            candidates.append(CandidateState(values["axis"], spec, found.macs, found.params, found.params_without_bn,
                                             status="completed", accuracy=values["accuracy"],
                                             metrics={"seconds": values["seconds"]}))
        steps.append(Step(step["step"], "expansion" if step["step"] else "seed", candidates))
    for step, before in zip(steps, [None, *steps]):
        parent = before.winner if before else None
        step.decision = decide(parent.accuracy if parent else 0.0, parent.cost if parent else step.candidates[0].cost / 2, [
            Scored(c.axis, c.accuracy, c.cost, c.params) for c in step.candidates])
    made_with = {"recipe": {"epochs": recorded["epochs"]}, "clips": {"views": recorded["views"]},
                 "data": {"videos": {"train": recorded["train"], "val": len(recorded["steps"][0]["candidates"][0]["correct"])}}}
    return SearchState(SearchSettings(classes=8, steps=3), made_with, steps=steps)


def small_steps(warm: bool = False) -> list[Recorded]:
    """The first step of a smaller search, for each seed that was recorded whole; accuracies are of validation videos."""
    path = RECORDED / "small.json"
    trainings = [Training.from_dict(values) for values in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []
    found = []
    evaluation = RUNG_VIEWS * VIDEOS["val"] / (3 * RECIPE.epochs * VIDEOS["train"])
    for seed in SEEDS:
        of_seed = [t for t in trainings if t.seed == seed]
        parent = next((t for t in of_seed if not t.parent and t.macs == min(o.macs for o in of_seed)), None)
        grown = [t for t in of_seed if t is not parent and bool(t.parent) == warm]
        if parent and len(grown) == 4:
            found.append(Recorded(_of_pool(parent), tuple(map(_of_pool, grown)), int(RECIPE.epochs), evaluation))
    return found


def _of_pool(training: Training) -> Candidate:
    rungs = {epoch: (sum(right) / len(right), right) for epoch, right in zip(rung_epochs(RECIPE), training.rungs)}
    return Candidate(str(training.spec), training.macs, training.params, training.accuracy, training.correct, rungs)


def write_small(pool: Path) -> int:
    """Gathers a pool's full trainings, those of further seeds aside, into small.json; returns how many."""
    trainings = [json.loads(path.read_text(encoding="utf-8")) for path in pool.glob("*.json")]
    found = sorted((t for t in trainings if len(t["curve"]) == RECIPE.epochs and t["seed"] in SEEDS),
                   key=lambda t: (t["seed"], t["key"]))
    lines = ",\n".join(json.dumps(training) for training in found)
    (RECORDED / "small.json").write_text(f"[{lines}]\n", encoding="utf-8")
    return len(found)


# The tables


def table(title: str, steps: Sequence[Recorded], rungs: Sequence[tuple[float, ...]], rules: Sequence[str]):
    """How often the winner of full trainings wins the race as well, and the multiply-adds saved, for several settings."""
    shown = make_table(f"{title}: {len(steps)} steps", "rule", "rungs", "winner kept", "MACs saved")
    for rule in rules:
        for at in rungs:
            for keep in (0.5, 0.34) if rule == "halving" else (0.5,):
                found = [replay(step, RaceSettings(on=True, rungs=at, rule=rule, keep=keep)) for step in steps]
                kept = sum(winner == step.winner for step, (winner, _) in zip(steps, found))
                saved = 1 - sum(share for _, share in found) / len(found)
                shown.add_row(rule + (f", keep {keep:g}" if rule == "halving" else ""), ", ".join(f"{r:g}" for r in at),
                              f"{kept} of {len(steps)}", f"{100 * saved:.0f} %")
    return shown


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--from", dest="pool", type=Path, help="folder of a pool to write small.json from")
    asked = parser.parse_args()
    console = make_console()
    if asked.pool:
        console.print(f"{write_small(asked.pool)} trainings")
    console.print(table("demo, accuracy on training clips", demo_steps(), (*RUNGS, (0.4, 0.6)), ("halving",)))
    for warm in (False, True):
        if steps := small_steps(warm):
            title = f"smaller, validation videos{', warm start' if warm else ''}"
            console.print(table(title, steps, RUNGS, ("halving", "bound")))


if __name__ == "__main__":
    main()
