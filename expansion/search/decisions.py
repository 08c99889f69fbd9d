"""How a step of a search is decided once its candidates are done: by gain, with further trainings where that is noise.

Also who pauses where in a race, and what a rung's decision makes of the candidates. Plain Python; selection, repeats and
racing hold the rules, this applies them to the state of a step.
"""

from __future__ import annotations

import dataclasses

from expansion.search.racing import race
from expansion.search.repeats import RepeatsOutcome, Runs, judge
from expansion.search.selection import Decision, Scored, compare, decide
from expansion.search.settings import SearchSettings
from expansion.search.steps import CandidateState, Rung, Step


class NoCandidate(RuntimeError):
    """Every candidate of a step failed, so the search cannot go on."""


def reason_of(message: str | None) -> str:
    """One line of a failure's message: the last of a traceback, else the first."""
    lines = (message or "").strip().splitlines() or ["no reason given"]
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


def decide_step(settings: SearchSettings, step: Step, parent: CandidateState | None) -> bool:
    """Decides a step whose trainings are all done, or has candidates trained once more: then it is False.

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
    judged = _judged(settings, parent, candidates) if prescribed is None else None
    if judged and judged.more:
        for index in judged.more:
            candidates[index].add_repeat()
        return False
    scored = [Scored(c.axis, c.accuracy, c.cost, c.params, c.correct) for c in candidates]
    repeated = {"winner": judged.winner, "p_values": judged.p_values} if judged else {}
    decision = decide(parent.accuracy, parent.cost, scored, prescribed, **repeated)
    decision = dataclasses.replace(decision, over_parent=compare(
        scored[decision.winner], Scored(parent.axis, parent.accuracy, parent.cost, parent.params, parent.correct), None))
    for candidate, gain in zip(candidates, decision.gains):
        candidate.gain = gain
    if decision.verdict == "unopposed" and best_stopped(step):
        decision = dataclasses.replace(decision, verdict="others stopped")
    step.decision = decision.among(places)
    return True


def _judged(settings: SearchSettings, parent: CandidateState, candidates: list[CandidateState]) -> RepeatsOutcome | None:
    """What the rule of adaptive repeats says; None where it is off, or the videos cannot be paired."""
    repeats, videos = settings.repeats, {len(c.correct) for c in candidates}
    if not repeats.extra or len(videos) > 1 or not min(videos):
        return None
    failed = sum(repeat.status == "failed" for candidate in candidates for repeat in candidate.repeats)
    return judge(parent.accuracy, parent.cost,
                 [Runs(c.axis, c.cost, c.params, c.all_correct) for c in candidates],
                 repeats.model_copy(update={"extra": max(0, repeats.extra - failed)}))


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
        Scored(c.axis, c.rungs[number].accuracy, c.cost, c.params, c.rungs[number].correct) for c in paused], settings.race)
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
