"""What the raw results come to: accuracies by way and number of videos, and paired differences. Plain Python and NumPy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.few.ways import TODAY

DRAWS = 10_000  # of the bootstrap
SHOWN = ("data", "way", "of_class", "spec", "epochs", "folds", "weights")  # what a row of results has in common


def read_results(path: str | Path) -> list[dict]:
    """The lines of raw results; none where there is no such file."""
    if not Path(path).exists():
        return []
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line]


def by_setting(results: Sequence[dict]) -> dict[tuple, dict[int, dict]]:
    """The results of each setting by fold; of two for the same fold the later one."""
    found: dict[tuple, dict[int, dict]] = {}
    for result in results:
        found.setdefault(tuple(result.get(name) for name in SHOWN), {})[result["fold"]] = result
    return found


def accuracy(folds: dict[int, dict]) -> tuple[float, int]:
    """(share of all tried videos that were right, videos)."""
    right = [int(value) for result in folds.values() for value in result["correct"]]
    return float(np.mean(right)), len(right)


def paired(one: dict[int, dict], other: dict[int, dict]) -> tuple[float, float, float] | None:
    """How much more of the same videos one way has right than another: (share, low, high of the 95 % interval).

    The interval is a bootstrap over groups, for the videos of one group rise and fall together. None where they have no fold in
    common.
    """
    differences: dict[str, list[int]] = {}
    for fold in sorted(one.keys() & other.keys()):
        a, b = one[fold], other[fold]
        assert a["groups"] == b["groups"], "folds of other videos cannot be paired"
        for group, first, second in zip(a["groups"], a["correct"], b["correct"], strict=True):
            differences.setdefault(group, []).append(int(first) - int(second))
    if not differences:
        return None
    sums, counts = (np.array([of(values) for values in differences.values()]) for of in (sum, len))
    drawn = np.random.default_rng(0).integers(0, len(sums), (DRAWS, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), (2.5, 97.5))
    return float(sums.sum() / counts.sum()), float(low), float(high)


def rows(results: Sequence[dict]) -> list[tuple[str, ...]]:
    """A row for each setting: data, videos of a class, way, folds, accuracy, difference to today's with interval, seconds."""
    settings = by_setting(results)
    found = []
    for key, folds in sorted(settings.items(), key=lambda item: _order(item[0])):
        named = dict(zip(SHOWN, key))
        base = settings.get(tuple({**named, "way": TODAY, "weights": None}[name] for name in SHOWN))
        share, videos = accuracy(folds)
        against = paired(folds, base) if base and named["way"] != TODAY else None
        found.append((named["data"], _count(named["of_class"]), named["way"], f"{len(folds)} of {named['folds']}",
                      f"{100 * share:.1f} %", str(videos),
                      "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * value for value in against)) if against else "",
                      f"{np.mean([result['seconds'] for result in folds.values()]):.0f} s"))
    return found


HEADER = ("data", "videos of a class", "way", "folds", "accuracy", "tried on", "against today, points (95 %)", "a training")


def _order(key: tuple) -> tuple:
    named = dict(zip(SHOWN, key))
    return str(named["data"]), named["of_class"] or 10**9, named["way"] != TODAY, str(named["way"]), str(key)


def _count(of_class: int | None) -> str:
    return "all" if of_class is None else str(of_class)
