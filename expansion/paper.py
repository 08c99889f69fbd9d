"""The paper's own figures: X3D (arXiv 2004.04730), Figure 2 and the specs of its path. Data, not results of this project."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.spec import NAMED, Spec

STEPS = 11  # of Figure 2; the path continues to XXL in two more, for which no candidates are printed
TARGET_S_GMACS = 2.0  # S is step 7, contracted to this
LATER_AXES = ("fast", "depth")  # steps 12 and 13: 32 frames, then a depth of 10.2
# What the paper calls the models that its steps end in.
NAMES = {0: "X2D", 5: "XS", 7: "(S)", 8: "M", 10: "L", 11: "XL", 13: "XXL"}


@cache
def figures() -> dict:
    """Everything recorded: x2d_top1 in per cent, figure2 by step and axis (GMACs, top-1 in per cent), specs."""
    return json.loads((resources.files("expansion") / "paper.json").read_text(encoding="utf-8"))


def recorded(step: int, axis: str) -> tuple[float, float]:
    """GMACs and top-1 (share of 1) of a candidate of Figure 2; step 0 is X2D."""
    if step == 0:
        return figures()["specs"][0]["macs"] / 1e9, figures()["x2d_top1"] / 100
    candidate = figures()["figure2"][step - 1]["candidates"][axis]
    return candidate["gmacs"], candidate["top1"] / 100


def winner(step: int) -> str:
    """The axis that the paper chose in a step of Figure 2."""
    return figures()["figure2"][step - 1]["winner"]


def last_step(name: str) -> int:
    """The step that ends in a named model; S is step 7.

    Raises:
        KeyError: the name is not one of NAMED.
    """
    return {label.strip("()"): step for step, label in NAMES.items()}[name]


def name_of(spec: Spec) -> str | None:
    """The paper's name for a spec, or None."""
    return next((name for name, named in NAMED.items() if named == spec), None)


def recorded_search() -> SearchState:
    """The search that the accuracies of Figure 2 lead to, step 0 to 11; costs are this project's."""
    search = SearchState(SearchSettings(steps=STEPS, protocol="paper"))
    while proposal := search.next():
        step, candidate = proposal
        trial = f"{step.number}/{candidate.axis}"
        search.started(candidate, trial)
        search.completed(trial, recorded(step.number, candidate.axis)[1])
    return search
