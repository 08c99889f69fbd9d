"""How often a clear step is decided otherwise by another seed: simulated searches on small data, and recorded trainings.

Writes the tables of docs/explanation/noise.md: python -m benchmarks.overturned --searches 40. Nothing is trained. Recorded are
the trainings of benchmarks.racing and those of benchmarks.first_steps.

The model is that of benchmarks.noise (`Validation`), with candidates whose true accuracies are normal around their parent's:
`apart` is the standard deviation of candidates, `sigma` that of trainings of one candidate. A search is STEPS steps long. Each
step is decided by the project's own rule, then once more on the same validation videos with other seeds of all trainings,
repeats included, and with what is known of trainings from the steps before. It is overturned where another candidate wins.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import first_steps
from benchmarks.first_steps import FirstStep
from benchmarks.noise import Validation, World
from benchmarks.racing import small_steps
from expansion.search.repeats import RepeatSettings, Runs, judge
from expansion.search.selection import Scored, decide

CANDIDATES, STEPS, START = 6, 4, 0.4
APART = (0.0, 0.02, 0.05, 0.1, 0.15)  # of candidates, share of 1
WORLDS = ((76, 0.07), (76, 0.03), (200, 0.07), (200, 0.03), (2_000, 0.01), (20_000, 0.001))  # videos, sigma

Train = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Rule:
    """How a step is decided: one training of each candidate and McNemar's test, or repeats."""

    name: str
    repeats: RepeatSettings | None = None


RULES = (
    Rule("one training, videos alone"),
    Rule("up to 4 repeats", RepeatSettings(extra=4)),
    Rule("up to 12 repeats", RepeatSettings(extra=12)),
    Rule("up to 12 repeats, std 0.001 assumed", RepeatSettings(extra=12, std=0.001)),
)


@dataclass
class Count:
    """Steps, clear ones, those of them that another seed overturned, those whose winner is not the best, and trainings."""

    steps: int = 0
    clear: int = 0
    overturned: int = 0
    wrong: int = 0
    trainings: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(vars(self).values(), vars(other).values())))


def decide_once(rule: Rule, trains: Sequence[Train], before: list) -> tuple[int, bool, list[list[np.ndarray]]]:
    """(winner, whether it is clear, what each training got right) of a step whose candidates cost the same."""
    correct = [[train()] for train in trains]
    if rule.repeats is None:
        decision = decide(START, 1.0, [Scored("", float(c[0].mean()), 2.0, 0, tuple(c[0])) for c in correct])
        return decision.winner, decision.verdict.startswith("clear"), correct
    while True:
        found = judge(START, 1.0, [Runs("", 2.0, 0, c) for c in correct], rule.repeats, before)
        if found.winner is not None:
            return found.winner, len(found.tied) == 1 and found.knows_trainings, correct
        for index in found.more:
            correct[index].append(trains[index]())


def simulate(rule: Rule, videos: int, sigma: float, apart: float, searches: int, seed: int = 0) -> Count:
    """Simulated searches; each step begins at the true accuracy of the candidate that was taken in the one before."""
    rng, count = np.random.default_rng(seed), Count()
    for _ in range(searches):
        validation, start, before = Validation(World(videos, sigma=sigma), rng), START, []
        for _ in range(STEPS):
            truth = np.clip(start + apart * rng.standard_normal(CANDIDATES), 0.05, 0.95)
            trains = [validation.network(accuracy) for accuracy in truth]
            winner, clear, correct = decide_once(rule, trains, before)
            count += Count(1, clear, clear and decide_once(rule, trains, before)[0] != winner,
                           clear and winner != truth.argmax(), sum(map(len, correct)))
            before += [c for c in correct if len(c) > 1]
            start = float(np.clip(truth[winner], 0.2, 0.8))
    return count


def recordings() -> dict[str, list[FirstStep]]:
    """First steps that were trained with several seeds, by what they are of."""
    found = {f"demo, reduced, {begun}": [
        FirstStep("demo", seed, step.parent.accuracy, step.parent.macs, tuple(
            Scored(c.axis, c.accuracy, c.macs, c.params, c.correct) for c in step.candidates))
        for seed, step in enumerate(small_steps(warm))] for begun, warm in (("from scratch", False), ("warm start", True))}
    for step in first_steps.recorded():
        found.setdefault(step.dataset, []).append(step)
    return found


def pairs(steps: Sequence[FirstStep]) -> Count:
    """By the videos alone: each seed's step against that of every other seed."""
    count = Count()
    decisions = [decide(step.accuracy, step.macs, step.candidates) for step in steps]
    for decision in decisions:
        for other in (other for other in decisions if other is not decision):
            clear = decision.verdict.startswith("clear")
            count += Count(1, clear, clear and other.winner != decision.winner, 0, len(decision.gains))
    return count


def halves(steps: Sequence[FirstStep], repeats: RepeatSettings, tries: int = 200) -> Count:
    """With repeats: decided by some of the seeds' trainings, then by others, in random orders of the seeds.

    Args:
        repeats: so few that no candidate needs more trainings than half of the seeds.
    """
    rng, count, half = np.random.default_rng(0), Count(), len(steps) // 2
    start = float(np.mean([step.accuracy for step in steps]))

    def decided(order: Sequence[int]) -> tuple[int, bool, int]:
        correct = [[c.evidence] for c in steps[order[0]].candidates]
        while True:
            runs = [Runs(c.axis, c.cost, c.params, right) for c, right in zip(steps[0].candidates, correct)]
            found = judge(start, steps[0].macs, runs, repeats)
            if found.winner is not None:
                return found.winner, len(found.tied) == 1 and found.knows_trainings, sum(map(len, correct))
            for index in found.more:
                correct[index].append(steps[order[len(correct[index])]].candidates[index].evidence)

    for _ in range(tries):
        order = rng.permutation(len(steps))
        winner, clear, trainings = decided(order[:half])
        count += Count(1, clear, clear and decided(order[half:])[0] != winner, 0, trainings)
    return count


def _recorded_rows() -> Iterable[str]:
    for name, steps in recordings().items():
        title = f"{name}, {len(steps)} seeds, {len(steps[0].candidates[0].evidence)} videos"
        yield _row(title, RULES[0].name, pairs(steps), truth=False)
        if len(steps) >= 6:
            yield _row(title, RULES[1].name, halves(steps, RULES[1].repeats), truth=False)


def _row(title: str, rule: str, count: Count, truth: bool = True) -> str:
    def share(part: int) -> str:
        if not count.clear:
            return "-"
        return f"{100 * part / count.clear:.0f} % ({part} of {count.clear})"

    cells = (title, rule, f"{100 * count.clear / count.steps:.1f} %", share(count.overturned),
             share(count.wrong) if truth else "not known", f"{count.trainings / count.steps:.1f}")
    return "| " + " | ".join(cells) + " |"


HEADER = ("rule", "clear steps", "of these overturned by another seed", "of these not the best", "trainings per step")


def _print(first: str, rows: Iterable[str]) -> None:
    print("| " + " | ".join((first, *HEADER)) + " |")
    print("| " + " | ".join(["---"] * (len(HEADER) + 1)) + " |")
    for row in rows:
        print(row, flush=True)
    print()


def main() -> None:
    """Prints the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=50, help="simulated searches for each world, rule and spread")
    searches = parser.parse_args().searches
    counts: dict[tuple, Count] = defaultdict(Count)

    def of_world(world: tuple[int, float]) -> Iterable[str]:
        for rule in RULES:
            for apart in APART:
                found = simulate(rule, *world, apart, searches)
                counts["spread", apart, rule.name] += found
                counts["world", world, rule.name] += found
            yield _row(f"{world[0]:,}, {100 * world[1]:g}", rule.name, counts["world", world, rule.name])

    _print("videos, sigma in points", (row for world in WORLDS for row in of_world(world)))
    _print("candidates apart by, points", (_row(f"{100 * apart:g}", rule.name, counts["spread", apart, rule.name])
                                           for apart in APART for rule in RULES))
    _print("recorded trainings", _recorded_rows())


if __name__ == "__main__":
    main()
