"""How a step of a search is decided once its candidates are done: by gain, with further seeds where that is noise.

Plain Python; expansion.search.selection and expansion.search.repeats hold the rules, this applies them to the state of a step.
"""

from __future__ import annotations

import dataclasses

from expansion.search.race_steps import best_stopped
from expansion.search.settings import SearchSettings
from expansion.search.repeats import Runs, Verdict, judge
from expansion.search.selection import Decision, Scored, decide
from expansion.search.steps import CandidateState, Step


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
        raise NoCandidate(f"step {step.step}: no candidate completed ({reasons})")
    if step.kind != "expansion":
        step.decision = Decision(places[0], (), None, None, None, "unopposed")
        return True
    candidates = [step.candidates[place] for place in places]
    prescribed = _prescribed(settings, step, places)
    judged = _judged(settings, parent, candidates) if prescribed is None else None
    if judged and judged.more:
        for index in judged.more:
            candidates[index].again()
        return False
    scored = [Scored(c.axis, c.accuracy, c.cost, c.params, c.correct) for c in candidates]
    decision = decide(parent.accuracy, parent.cost, scored, prescribed, judged)
    for candidate, gain in zip(candidates, decision.gains):
        candidate.gain = gain
    if decision.verdict == "unopposed" and best_stopped(step):
        decision = dataclasses.replace(decision, verdict="others stopped")
    step.decision = decision.among(places)
    return True


def _judged(settings: SearchSettings, parent: CandidateState, candidates: list[CandidateState]) -> Verdict | None:
    """What the rule of adaptive seeds says; None where it is off, or the videos cannot be paired."""
    seeds, videos = settings.seeds, {len(c.correct) for c in candidates}
    if not seeds.extra or len(videos) > 1 or not min(videos):
        return None
    failed = sum(repeat.status == "failed" for candidate in candidates for repeat in candidate.repeats)
    return judge(parent.accuracy, parent.cost,
                 [Runs(c.axis, c.cost, c.params, c.all_correct) for c in candidates],
                 seeds.model_copy(update={"extra": max(0, seeds.extra - failed)}))


def _prescribed(settings: SearchSettings, step: Step, places: list[int]) -> int | None:
    """Which of the completed candidates `follow` names; None where it names none."""
    if step.step > len(settings.follow):
        return None
    axis = settings.follow[step.step - 1]
    found = next((i for i, place in enumerate(places) if axis in step.candidates[place].names), None)
    if found is None:
        raise NoCandidate(f"step {step.step}: {axis!r}, which the search is to follow, did not complete")
    return found
