"""The table and the figure of the comparison, and how often a clear step was decided otherwise by another seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from benchmarks.choices.contenders import CONTENDERS
from benchmarks.choices.results import Result
from expansion.search.costs import show_cost
from expansion.search.selection import Scored, decide
from expansion.search.variance import TrainingVariance, p_value, pooled
from expansion.tasks.single_label import Z_95

SEARCH = "expansion search"


@dataclass(frozen=True)
class Row:
    """A contender on a data set, over its seeds.

    Args:
        accuracy: mean on the test videos, share of 1.
        reach: half of its 95 % interval, for other test videos and other seeds; None with too few seeds.
        p_first: that it differs from the first only by chance; None where that is not known.
        macs, searched, trained, seconds: means over the seeds.
        network: of the first seed.
    """

    contender: str
    seeds: int
    accuracy: float
    reach: float | None
    p_first: float | None
    macs: float
    searched: float
    trained: float
    seconds: float
    network: str


def _bits(results: Sequence[Result]) -> np.ndarray:
    """(seeds, test videos), true or false."""
    return np.array([[letter == "1" for letter in result.right] for result in results], float)


def rows(results: Sequence[Result], dataset: str) -> list[Row]:
    """Contenders on a data set, the best first.

    The variance between trainings is pooled over all contenders (expansion.search.variance).
    """
    by_name = {name: [r for r in results if (r.dataset, r.contender) == (dataset, name)] for name in CONTENDERS}
    bits = {name: _bits(found) for name, found in by_name.items() if found}
    if not bits:
        return []
    variance = pooled(bits.values())
    first = max(bits, key=lambda name: bits[name].mean())

    def row(name: str) -> Row:
        found, own = by_name[name], bits[name]
        weight = 1 / len(own) + 1 / len(bits[first])
        p = None if variance is None else 1.0 if name == first else p_value(
            bits[first].mean(0) - own.mean(0), weight, variance)
        return Row(name, len(found), float(own.mean()), _reach(own, variance), p,
                   *(fmean(getattr(result, part) for result in found) for part in ("macs", "searched", "trained", "seconds")),
                   found[0].network)

    return sorted(map(row, bits), key=lambda row: -row.accuracy)


def _reach(own: np.ndarray, variance: TrainingVariance | None) -> float | None:
    """Half of the 95 % interval of a mean over seeds and videos, by the normal distribution."""
    if variance is None:
        return None
    videos = own.mean(0)
    sampled = max(0.0, float(videos.var()) / max(1, len(videos) - 1) - variance.video / len(videos) / len(own))
    return Z_95 * math.sqrt(sampled + variance.accuracy / len(own))


HEADER = ("", "test accuracy", "MACs per clip", "MACs searched", "MACs trained", "time", "network of the first seed")


def table(found: Sequence[Row], level: float = 0.05) -> str:
    """In Markdown; what cannot be told from the first has a mark."""
    lines = ["| " + " | ".join(HEADER) + " |", "| --- " + "| ---: " * (len(HEADER) - 2) + "| --- |"]
    for place, row in enumerate(found):
        tied = place == 0 or (row.p_first is not None and row.p_first >= level)
        reach = "" if row.reach is None else f" ±{100 * row.reach:.1f}"
        cells = (f"**{row.contender}**" if tied else row.contender, f"{100 * row.accuracy:.1f} %{reach} ({row.seeds} seeds)",
                 show_cost("macs", row.macs), f"{row.searched / 1e12:.3g} T" if row.searched else "-",
                 f"{row.trained / 1e12:.3g} T", f"{row.seconds:.0f} s", row.network)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def overturned(results: Sequence[Result], dataset: str) -> tuple[int, int, int]:
    """(comparisons of a first step with another seed's, those whose step is clear, those of them that it overturns)."""
    steps = []
    for result in (r for r in results if (r.dataset, r.contender) == (dataset, SEARCH) and len(r.steps) > 1):
        seed, first = result.steps[0]["candidates"][0], result.steps[1]["candidates"]
        decision = decide(seed["accuracy"], seed["macs"], [
            Scored(c["axis"], c["accuracy"], c["macs"], c["params"], tuple(letter == "1" for letter in c["right"]))
            for c in first])
        steps.append((first[decision.winner]["axis"], decision.verdict.startswith("clear")))
    pairs = [(one, other) for one in steps for other in steps if one is not other]
    clear = [(one, other) for one, other in pairs if one[1]]
    return len(pairs), len(clear), sum(one[0] != other[0] for one, other in clear)


def figure(tables: dict[str, list[Row]], path: Path) -> None:
    """A row of two pictures for each data set: accuracy over the cost of inference, and over all that was trained."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(10, 3.2 * len(tables)), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(drawn)
    places = drawn.subplots(len(tables), 2, squeeze=False, sharey="row")
    names = list(CONTENDERS)
    for (dataset, found), (left, right) in zip(tables.items(), places):
        for row in found:
            style = {"color": f"C{names.index(row.contender) % 10}", "marker": "*" if row.contender.startswith(SEARCH) else "o",
                     "markersize": 11 if row.contender.startswith(SEARCH) else 6, "linestyle": "none", "capsize": 2,
                     "label": row.contender, "yerr": None if row.reach is None else [100 * row.reach]}
            left.errorbar([row.macs / 1e6], [100 * row.accuracy], **style)
            right.errorbar([(row.searched + row.trained) / 1e12], [100 * row.accuracy], **style)
        left.set_ylabel(f"{dataset}: test accuracy (%)")
        for axes, what in ((left, "cost of a clip (MMACs)"), (right, "searched and trained (TMACs)")):
            axes.set_xscale("log")
            axes.set_xlabel(what)
            axes.grid(color="#e3e3e3", linewidth=0.8)
            axes.spines[["top", "right"]].set_visible(False)
    handles = {label: handle for axes in places.flat for handle, label in zip(*axes.get_legend_handles_labels())}
    drawn.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    drawn.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
