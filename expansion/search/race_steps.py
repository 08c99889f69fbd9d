"""Races within the steps of a search: who pauses where, and what a rung's decision makes of the candidates. Plain Python."""

from __future__ import annotations

import dataclasses

from expansion.search.racing import Runner, race
from expansion.search.settings import SearchSettings
from expansion.search.steps import CandidateState, Rung, Step


def next_rung(settings: SearchSettings, step: Step, training: CandidateState) -> int | None:
    """Index of the rung that a training pauses at next; None where it trains to its end.

    The seed pauses as well: its accuracy there is what its candidates' is compared with. A step whose axis is prescribed,
    a contraction and further trainings with other seeds are not raced.
    """
    prescribed = 0 < step.step <= len(settings.follow)
    if not settings.race.on or step.kind == "contraction" or prescribed or training.seed:
        return None
    return len(training.rungs) if len(training.rungs) < len(settings.race.rungs) else None


def decide_rung(settings: SearchSettings, step: Step, parent: CandidateState | None) -> bool:
    """Where all candidates that are left have come to a rung, has the best go on and stops the others.

    Returns:
        Whether it did; False where some are still on their way, or none is paused.
    """
    paused = [candidate for candidate in step.candidates if candidate.status == "paused"]
    if not paused or any(not candidate.done for candidate in step.candidates if candidate not in paused):
        return False
    number = len(paused[0].rungs) - 1
    if parent is None:
        for candidate in paused:
            candidate.status = "waiting"
        return True
    standings = race(_accuracy_there(settings, parent, number), parent.cost, [
        Runner(c.rungs[number].accuracy, c.cost, c.params, c.rungs[number].correct) for c in paused], settings.race)
    for candidate, standing in zip(paused, standings):
        rung: Rung = dataclasses.replace(candidate.rungs[number], standing=standing)
        candidate.rungs = (*candidate.rungs[:number], rung)
        candidate.status = "waiting" if standing.goes_on else "stopped"
    return True


def _accuracy_there(settings: SearchSettings, parent: CandidateState, number: int) -> float:
    """The parent's accuracy at the same rung. Where it was not raced, and where candidates begin with its weights, its last."""
    if settings.warm_start or number >= len(parent.rungs):
        return parent.accuracy
    return parent.rungs[number].accuracy


def best_stopped(step: Step) -> CandidateState | None:
    """Who takes the place of those that went on if all of them failed: who came farthest, then the largest gain."""
    stopped = [candidate for candidate in step.candidates if candidate.status == "stopped"]
    return max(stopped, key=lambda c: (len(c.rungs), c.rungs[-1].standing.gain), default=None)
