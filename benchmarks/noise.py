"""How often noise lets the search find the paper's path: Figure 2 simulated, through the real decision rule.

Writes the tables of docs/explanation/noise.md: python -m benchmarks.noise --searches 200 (four minutes on one core;
the default of 50 takes one). Nothing is trained.

The model. Figure 2's accuracies are taken as true. How a training does on a video is a sum of three normal numbers: how
hard the video is, for all networks and the whole search the same; how it suits this network, the same for all its
trainings; and what is this training's alone. It gets the video right where the sum lies below a threshold, so that the
share of right videos is the network's accuracy. `same` is the correlation of two trainings of one network on the same
video, `other` that of two networks' trainings. That trainings of one network err independently, given how hard a video
is for it, is what Jordan (arXiv 2304.01910) finds on CIFAR-10 and ImageNet; he also finds that the accuracy on endless
data hardly differs from training to training. As much as it does is `sigma`: a training's true accuracy is shifted by a
normal number of that standard deviation.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np

from expansion import paper
from expansion.complexity import complexity
from expansion.search.axes import macs, propose
from expansion.search.repeats import RepeatSettings, Runs, judge
from expansion.spec import X2D

VIDEOS = (200, 2_000, 20_000)
STEPS_SHOWN = (1, 2, 5, 11)
NORMAL = NormalDist()


@dataclass(frozen=True)
class World:
    """How noise comes about: validation videos, correlations on a video, spread of trainings (share of 1)."""

    videos: int
    same: float = 0.8
    other: float = 0.7
    sigma: float = 0.001


@dataclass(frozen=True)
class Strategy:
    """How a step is decided: `first` trainings of every candidate, then what the settings of adaptive seeds add."""

    name: str
    first: int = 1
    settings: RepeatSettings = RepeatSettings()


STRATEGIES = (
    Strategy("1 seed"),
    Strategy("3 seeds of every candidate", first=3),
    Strategy("adaptive, up to 12 more", settings=RepeatSettings(extra=12)),
    Strategy("5 seeds of every candidate", first=5),
    Strategy("adaptive, up to 24 more", settings=RepeatSettings(extra=24)),
    Strategy("adaptive, up to 24 more, ties to fewest parameters", settings=RepeatSettings(extra=24, tie_break="params")),
)


@dataclass(frozen=True)
class Outcome:
    """Averages over simulated searches; each continues from the paper's choice where it took another.

    Args:
        found: share of the searches that took the paper's axis in all of the first k steps, by k.
        right: share of the steps in which the paper's axis was taken.
        trainings: mean number of trainings a step.
        loss: mean accuracy that the candidate taken has less than the paper's, in points.
    """

    found: dict[int, float]
    right: float
    trainings: float
    loss: float


@cache
def step_candidates() -> list[tuple[float, list[tuple[str, float, float, int]]]]:
    """Per step of Figure 2 the parent's MACs, and axis, true accuracy, MACs and parameters of each candidate."""
    spec, steps = X2D, []
    for number in range(1, paper.STEPS + 1):
        candidates, _ = propose(spec)
        steps.append((macs(spec), [(c.axis, paper.recorded(number, c.axis)[1], c.cost, complexity(c.spec).params)
                                   for c in candidates]))
        spec = next(c.spec for c in candidates if paper.winner(number) == c.axis)
    return steps


class Validation:
    """The validation videos of one simulated search."""

    def __init__(self, world: World, rng: np.random.Generator):
        self.world, self.rng = world, rng
        self.hard = math.sqrt(world.other) * self._normal()

    def _normal(self) -> np.ndarray:
        return self.rng.standard_normal(self.world.videos, dtype=np.float32)

    def network(self, accuracy: float) -> Callable[[], np.ndarray]:
        """A network of that true accuracy: each call trains it and says which videos are right, (videos,)."""
        world = self.world
        video = self.hard + math.sqrt(world.same - world.other) * self._normal()

        def train():
            reached = min(max(accuracy + world.sigma * self.rng.standard_normal(), 1e-6), 1 - 1e-6)
            return video + math.sqrt(1 - world.same) * self._normal() < NORMAL.inv_cdf(reached)

        return train


def decide_step(parent_accuracy: float, number: int, strategy: Strategy,
                validation: Validation) -> tuple[int, list[list[np.ndarray]]]:
    """Decides a step of Figure 2. Returns the index of the candidate taken and what each one's trainings got right."""
    parent_macs, candidates = step_candidates()[number - 1]
    networks = [validation.network(accuracy) for _, accuracy, _, _ in candidates]
    correct = [[train() for _ in range(strategy.first)] for train in networks]
    settings = strategy.settings
    budget = settings.model_copy(update={"extra": settings.extra + (strategy.first - 1) * len(candidates)})
    while True:
        runs = [Runs(axis, cost, params, found) for (axis, _, cost, params), found in zip(candidates, correct)]
        verdict = judge(parent_accuracy, parent_macs, runs, budget)
        if verdict.winner is not None:
            return verdict.winner, correct
        for index in verdict.more:
            correct[index].append(networks[index]())


def simulate(world: World, strategy: Strategy, searches: int, seed: int = 0) -> Outcome:
    """Runs simulated searches of 11 steps. The spread of trainings that the decision rule assumes is the world's."""
    rng = np.random.default_rng(seed)
    strategy = replace(strategy, settings=strategy.settings.model_copy(update={"std": world.sigma}))
    right, spent, loss = np.zeros((searches, paper.STEPS), bool), 0, 0.0
    for search in range(searches):
        validation = Validation(world, rng)
        parent = float(validation.network(paper.recorded(0, "seed")[1])().mean())
        for number in range(1, paper.STEPS + 1):
            taken, correct = decide_step(parent, number, strategy, validation)
            candidates = step_candidates()[number - 1][1]
            wanted = next(i for i, candidate in enumerate(candidates) if candidate[0] == paper.winner(number))
            right[search, number - 1] = taken == wanted
            spent += sum(len(trainings) for trainings in correct)
            loss += candidates[wanted][1] - candidates[taken][1]
            parent = float(np.mean(correct[wanted]))
    steps = searches * paper.STEPS
    return Outcome({k: float(right[:, :k].all(axis=1).mean()) for k in STEPS_SHOWN}, float(right.mean()), spent / steps,
                   100 * loss / steps)


def share_differing(world: World, networks: int, accuracy: float = 0.7) -> float:
    """Share of the videos that one of two trainings gets right and the other wrong, of one network or of two."""
    validation = Validation(world, np.random.default_rng(0))
    trained = [validation.network(accuracy) for _ in range(networks)]
    return float((trained[0]() != trained[-1]()).mean())


HEADER = ("strategy", "first step", *(f"first {k}" for k in STEPS_SHOWN[1:-1]), "all 11", "steps right",
          "trainings a step", "points lost a step")


def _rows(label: str, world: World, strategies: Sequence[Strategy], searches: int) -> list[list[str]]:
    rows = []
    for strategy in strategies:
        found = simulate(world, strategy, searches)
        rows.append([label, strategy.name, *(f"{100 * found.found[k]:.0f} %" for k in STEPS_SHOWN),
                     f"{100 * found.right:.0f} %", f"{found.trainings:.1f}", f"{found.loss:.2f}"])
    return rows


def _print(title: str, rows: list[list[str]]) -> None:
    for line in ((title, *HEADER), ["---"] * (len(HEADER) + 1), *rows):
        print("| " + " | ".join(line) + " |")
    print()


def main() -> None:
    """Prints the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=50, help="simulated searches for each row")
    searches = parser.parse_args().searches
    _print("validation videos", [row for videos in VIDEOS
                                 for row in _rows(f"{videos:,}", World(videos), STRATEGIES, searches)])
    chosen = (STRATEGIES[0], STRATEGIES[2])
    _print("sigma, points", [row for sigma in (0.0, 0.001, 0.003)
                             for row in _rows(f"{100 * sigma:g}", World(20_000, sigma=sigma), chosen, searches)])
    rows = []
    for same, other in ((0.8, 0.8), (0.8, 0.7), (0.8, 0.6), (0.6, 0.5), (0.95, 0.9)):
        differ = [share_differing(World(200_000, same, other), networks) for networks in (1, 2)]
        label = f"{same:g}, {other:g} ({100 * differ[0]:.0f} %, {100 * differ[1]:.0f} %)"
        rows += _rows(label, World(20_000, same, other), chosen, searches)
    _print("same, other (videos that differ)", rows)


if __name__ == "__main__":
    main()
