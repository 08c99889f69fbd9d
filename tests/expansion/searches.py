"""Finished searches for tests, without training."""

from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.spec import Limits, Spec

VIDEOS = 20
SMALL = SearchSettings(start=Spec(size=64), classes=4, steps=2, limits=Limits(span=48, size=72))


def right(count: int) -> tuple[bool, ...]:
    """Which of VIDEOS a candidate got right: the first `count`."""
    return tuple(index < count for index in range(VIDEOS))


def accuracy_of(step: int, axis: str) -> int:
    """Videos that a candidate gets right: the temporal axes are the best in every step."""
    return 5 if axis == "seed" else min(VIDEOS, 7 + 3 * step + {"fast": 2, "temporal": 1}.get(axis, 0))


def no_gain(step: int, axis: str) -> int:
    """The same, but step 2 gains nothing: its best is as accurate as the network it grew from."""
    return accuracy_of(step, axis) if step < 2 else accuracy_of(1, axis)


def finished(settings: SearchSettings = SMALL, failing: str | None = None, steps: int = 99, on_decided=None,
             count_of=accuracy_of) -> SearchState:
    """A search fed with accuracies.

    Args:
        failing: axis whose candidates fail.
        steps: how many steps are decided, at most.
        on_decided: called with (search, step) after each.
        count_of: videos of VIDEOS that a candidate gets right, by step and axis.
    """
    search, number = SearchState(settings), 0
    while (proposal := search.next()) and proposal[0].number < steps:
        step, candidate = proposal
        search.started(candidate, f"{number:04d}")
        if candidate.axis == failing:
            decided = search.failed(candidate.trial_id, "Traceback\nMemoryError: a|b")
        else:
            count = count_of(step.number, candidate.axis)
            decided = search.completed(candidate.trial_id, count / VIDEOS, {"seconds": 10.0, "val_loss": 1.0},
                                       right(count))
        if decided and on_decided:
            on_decided(search, decided)
        number += 1
    return search
