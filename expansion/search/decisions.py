"""How a step of a search is decided once its candidates are done: by gain, with further trainings where that is noise.

Also who pauses where in a race, and what a rung's decision makes of the candidates. Plain Python; selection, repeats and
racing hold the rules, this applies them to the state of a step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from expansion.search.racing import race
from expansion.search.repeats import RepeatsOutcome, Runs, difference, judge
from expansion.search.selection import CLEAR, CLEAR_ON_VIDEOS, NOISE_LEVEL, Comparison, Decision, Scored, compare, decide
from expansion.search.settings import SearchSettings
from expansion.search.steps import CandidateState, Rung, Step
from expansion.search.variance import CLEAR_LEVEL
from expansion.tasks.registry import task_named


class NoCandidate(RuntimeError):
    """Every candidate of a step failed, so the search cannot go on."""


def reason_of(message: str | None) -> str:
    """One line of a failure's message: the last of a traceback, else the first."""
    lines = (message or "").strip().splitlines() or ["no reason given"]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def decide_step(settings: SearchSettings, step: Step, parent: CandidateState | None, earlier: Sequence[Step] = ()) -> bool:
    """Decides a step whose trainings are all done, or has candidates trained once more: then it is False.

    Args:
        earlier: steps whose repeats tell how much trainings differ.

    Raises:
        NoCandidate: none completed.
    """
    places = [i for i, candidate in enumerate(step.candidates) if candidate.status == "completed"]
    if not places and (instead := best_stopped(step)):
        instead.status = "waiting"
        return False
    if not places:
        reasons = "; ".join(f"{c.axis}: {reason_of(c.message)}" for c in step.candidates)
        raise NoCandidate(f"step {step.number}: no candidate completed ({reasons})")
    if step.kind != "expansion":
        step.decision = Decision(places[0], (), None, None, None, "unopposed")
        return True
    candidates = [step.candidates[place] for place in places]
    prescribed = _prescribed(settings, step, places)
    before = [c.all_evidence for other in earlier if other is not step for c in other.candidates if c.repeats]
    judged = _judged(settings, parent, candidates, before) if prescribed is None else None
    if judged and judged.more:
        for index in judged.more:
            candidates[index].add_repeat()
        return False
    scored = [Scored(c.axis, c.accuracy, c.cost, c.params, c.evidence) for c in candidates]
    rule = {"level": judged.level, "clear": CLEAR if judged.knows_trainings else CLEAR_ON_VIDEOS} if judged else {}
    repeated = rule | {"winner": judged.winner, "p_values": judged.p_values} if judged else {}
    decision = decide(parent.accuracy, parent.cost, scored, prescribed, **repeated, task=task_named(settings.task))
    decision = dataclasses.replace(decision, over_parent=_over_parent(settings, parent, candidates, decision.winner, before))
    for candidate, gain in zip(candidates, decision.gains):
        candidate.gain = gain
    if decision.verdict == "unopposed" and best_stopped(step):
        decision = dataclasses.replace(decision, verdict="others stopped")
    step.decision = decision.among(places)
    return True


def _over_parent(settings: SearchSettings, parent: CandidateState, candidates: list[CandidateState], winner: int,
                 before: list) -> Comparison:
    """The winner against the network that it grew from, by what is known of how much trainings differ."""
    one, other = (Scored(c.axis, c.accuracy, c.cost, c.params, c.evidence) for c in (candidates[winner], parent))
    task, known = task_named(settings.task), [*before, *(c.all_evidence for c in candidates)]
    variance = settings.repeats.variance(known, task) if settings.repeats.extra else None
    if variance is None or not one.evidence or len(one.evidence) != len(other.evidence):
        return compare(one, other, None, task=task)
    found = difference(_runs(candidates[winner]), _runs(parent), variance, task=task)
    level = CLEAR_LEVEL if settings.repeats.std is None else NOISE_LEVEL
    return compare(one, other, None, found if one.accuracy > other.accuracy else 1.0, level)


def _runs(candidate: CandidateState) -> Runs:
    return Runs(candidate.axis, candidate.cost, candidate.params, candidate.all_evidence)


def _judged(settings: SearchSettings, parent: CandidateState, candidates: list[CandidateState],
            before: list) -> RepeatsOutcome | None:
    """What the rule of adaptive repeats says; None where it is off, or the videos cannot be paired."""
    repeats, videos = settings.repeats, {len(c.evidence) for c in candidates}
    if not repeats.extra or len(videos) > 1 or not min(videos):
        return None
    failed = sum(repeat.status == "failed" for candidate in candidates for repeat in candidate.repeats)
    return judge(parent.accuracy, parent.cost, [_runs(candidate) for candidate in candidates],
                 repeats.model_copy(update={"extra": max(0, repeats.extra - failed)}), before, task_named(settings.task))


def _prescribed(settings: SearchSettings, step: Step, places: list[int]) -> int | None:
    """Which of the completed candidates `follow` names; None where it names none."""
    if step.number > len(settings.follow):
        return None
    axis = settings.follow[step.number - 1]
    found = next((i for i, place in enumerate(places) if axis in step.candidates[place].names), None)
    if found is None:
        raise NoCandidate(f"step {step.number}: {axis!r}, which the search is to follow, did not complete")
    return found


# Races


def next_rung(settings: SearchSettings, step: Step, training: CandidateState) -> int | None:
    """Index of the rung that a training pauses at next; None where it trains to its end.

    The seed pauses as well: its accuracy there is what its candidates' is compared with. A step whose axis is prescribed,
    a contraction and further trainings with other seeds are not raced.
    """
    prescribed = 0 < step.number <= len(settings.follow)
    if not settings.race.on or step.kind == "contraction" or prescribed or training.repeat:
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
        Scored(c.axis, c.rungs[number].accuracy, c.cost, c.params, c.rungs[number].evidence) for c in paused],
        settings.race, task_named(settings.task))
    for candidate, standing in zip(paused, standings):
        rung: Rung = dataclasses.replace(candidate.rungs[number], standing=standing)
        candidate.rungs = (*candidate.rungs[:number], rung)
        candidate.status = "waiting" if standing.survives else "stopped"
    return True


def _accuracy_there(settings: SearchSettings, parent: CandidateState, number: int) -> float:
    """The parent's accuracy at the same rung. Where it was not raced, and where candidates begin with its weights, its last."""
    if settings.warm_start or number >= len(parent.rungs):
        return parent.accuracy
    return parent.rungs[number].accuracy


def best_stopped(step: Step) -> CandidateState | None:
    """Who replaces those that continued if all of them failed: who came farthest, then the largest gain."""
    stopped = [candidate for candidate in step.candidates if candidate.status == "stopped"]
    return max(stopped, key=lambda c: (len(c.rungs), c.rungs[-1].standing.gain), default=None)
