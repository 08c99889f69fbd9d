"""Why a search has ended, and what it would take to go on, in sentences."""

from __future__ import annotations

from expansion.display.tables import percent, points
from expansion.search.path import NO_GAIN
from expansion.search.state import SearchState
from expansion.tasks.registry import task_named


def ended(search: SearchState) -> str:
    """Why a search ended and what would have it go on, in sentences; "" where it has not ended."""
    if search.stopped_by is None:
        return ""
    return " ".join([f"The search has ended: {search.stopped_by}.", *filter(None, [to_go_on(search)])])


def to_go_on(search: SearchState) -> str | None:
    """What a search that ended for want of a gain kept, and what would have it go on; None where it ended otherwise."""
    if search.stopped_by != NO_GAIN:
        return None
    step = search.steps[-1]
    parent, winner, videos = search.parent(step), step.winner, len(step.winner.evidence)
    among = f", the best of {len(step.candidates)}," if len(step.candidates) > 1 else ""
    found = (f"Step {step.number} gained nothing: {winner.axis}{among} reached {percent(winner.accuracy)}, "
             f"{points(winner.accuracy - parent.accuracy)} points to the network of step {step.number - 1}, which is kept. "
             "With search.without_gain=continue the same command takes the step and goes on.")
    least = task_named(search.settings.task).least_clear(winner.evidence)
    if least is not None:
        which = f"no gain below {100 * least:.1f} points" if least < 1 else "no gain"
        found += (f" On {videos:,} validation videos {which} can be clear: more of them, longer trainings or a seed that sees "
                  "more frames may show one.")
    return found
