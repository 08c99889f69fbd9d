"""What cross-validation of candidates buys on small data: simulated steps, judged in three ways. Nothing is trained.

`python -m benchmarks.cross_validation` makes the table of docs/guides/few-videos.md. The model is that of benchmarks.overturned:
six candidates whose true accuracies are normal around their parent's, trainings of one candidate that differ by `sigma`, and
videos that are hard or easy for all. 250 videos are divided as fights is: 200 to train and 50 to judge by, or five folds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.noise import Validation, World
from benchmarks.overturned import APART, CANDIDATES, START
from expansion.search.selection import Scored, decide

VIDEOS, FOLDS = 250, 5
SIGMAS = (0.07, 0.03)

Train = Callable[[], np.ndarray]  # a training: which of VIDEOS it gets right


def _held_out(train: Train) -> np.ndarray:
    return train()[:VIDEOS // FOLDS]


def _several(train: Train) -> np.ndarray:
    return np.mean([_held_out(train) for _ in range(FOLDS)], axis=0)


def _by_folds(train: Train) -> np.ndarray:
    return np.concatenate([np.array_split(train(), FOLDS)[fold] for fold in range(FOLDS)])


WAYS: dict[str, Callable[[Train], np.ndarray]] = {
    "the validation videos, one training": _held_out,
    f"the validation videos, {FOLDS} trainings": _several,
    f"{FOLDS} folds": _by_folds,
}


def judged(way: Callable[[Train], np.ndarray], trains: Sequence[Train]) -> tuple[int, bool]:
    """(winner, whether it is clear on its videos) of a step whose candidates cost the same. Means of trainings have no test."""
    right = [way(train) for train in trains]
    if way is _several:
        return int(np.argmax([each.mean() for each in right])), False
    decision = decide(START, 1.0, [Scored("", float(each.mean()), 2.0, 0, tuple(map(bool, each))) for each in right])
    return decision.winner, decision.verdict.startswith("clear")


def simulate(way: Callable[[Train], np.ndarray], sigma: float, apart: float, steps: int, seed: int = 0) -> np.ndarray:
    """Of simulated steps: (took the best, true accuracy lost, clear, clear and overturned by other trainings), summed."""
    rng, total = np.random.default_rng(seed), np.zeros(4)
    for _ in range(steps):
        validation = Validation(World(VIDEOS, sigma=sigma), rng)
        truth = np.clip(START + apart * rng.standard_normal(CANDIDATES), 0.05, 0.95)
        trains = [validation.network(accuracy) for accuracy in truth]
        winner, clear = judged(way, trains)
        total += (winner == truth.argmax(), truth.max() - truth[winner], clear, clear and judged(way, trains)[0] != winner)
    return total


def main() -> None:
    """Prints the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400, help="simulated steps for each row and spread of candidates")
    asked = parser.parse_args()
    spreads = [apart for apart in APART if apart]
    print("| trainings spread by | judged by | trainings of a candidate | took the best | points lost | clear steps | of these "
          "overturned by other trainings |\n| --- | --- | --- | --- | --- | --- | --- |")
    for sigma in SIGMAS:
        for name, way in WAYS.items():
            best, lost, clear, overturned = sum(simulate(way, sigma, apart, asked.steps) for apart in spreads)
            steps = asked.steps * len(spreads)
            tested = "--" if way is _several else (f"{100 * clear / steps:.0f} %", f"{100 * overturned / max(clear, 1):.0f} %")
            print("| " + " | ".join((f"{100 * sigma:g} points", name, str(1 if way is _held_out else FOLDS),
                                     f"{100 * best / steps:.0f} %", f"{100 * lost / steps:.1f}", *tested)) + " |", flush=True)


if __name__ == "__main__":
    main()
