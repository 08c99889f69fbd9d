"""The state machine of the search, with recorded and invented accuracies."""

import json

import pytest

from expansion.foundation.errors import InputError
from expansion.search.decisions import NoCandidate
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.spec import NAMED, Limits, Spec
from tests.expansion.paper import top1


def run(search: SearchState, accuracy, first=0):
    """Trains nothing: every candidate gets accuracy(step, axis), or fails where that is None. Trials count from `first`."""
    for number in range(first, first + 1000):
        proposal = search.next()
        if proposal is None:
            return search
        step, candidate = proposal
        search.started(candidate, f"{number:04d}")
        result = accuracy(step.number, candidate.axis)
        if result is None:
            search.failed(candidate.trial_id, "out of memory")
        else:
            search.completed(candidate.trial_id, result)
    raise AssertionError("the search does not end")


def test_a_target_that_is_overshot_is_met_by_contraction():
    search = run(SearchState(SearchSettings(target_gmacs=2.0)), top1_or(0.7))
    assert search.stopped_by == "target_gmacs" and search.steps[-1].kind == "contraction"
    assert search.path[-1].spec == NAMED["S"]


def top1_or(default):
    return lambda step, axis: top1(step, axis) if step <= 7 else default


@pytest.mark.parametrize("settings, reason, steps", [
    (dict(steps=2), "steps", 3), (dict(target_accuracy=0.6), "target_accuracy", 4),
    (dict(axes=("spatial",), limits=Limits(size=120)), "no axis can move", 1),
])
def test_reasons_to_end(settings, reason, steps):
    search = run(SearchState(SearchSettings(**settings)), top1)
    assert (search.stopped_by, len(search.steps)) == (reason, steps)


def test_failed_candidates_are_kept_and_passed_over():
    search = run(SearchState(SearchSettings(steps=1)), lambda step, axis: None if axis == "bottleneck" else top1(step, axis))
    failed = [c for c in search.steps[1].candidates if c.status == "failed"]
    assert [c.axis for c in failed] == ["bottleneck"] and failed[0].message == "out of memory" and failed[0].gain is None
    assert search.steps[1].winner.axis == "fast"


def test_losers_keep_their_place_where_another_failed():
    step = run(SearchState(SearchSettings(steps=1)), lambda step, axis: None if axis == "fast" else top1(step, axis)).steps[1]
    named = [step.candidates[comparison.loser].axis for comparison in step.decision.against]
    assert sorted([step.winner.axis, *named]) == ["bottleneck", "depth", "spatial", "width"]
    assert step.candidates[step.decision.runner_up].axis == named[0]


def test_a_step_without_a_completed_candidate_is_an_error():
    with pytest.raises(NoCandidate, match="step 1: no candidate completed.*out of memory"):
        run(SearchState(SearchSettings(steps=1)), lambda step, axis: 0.1 if step == 0 else None)


def test_the_trace_survives_json():
    search = run(SearchState(SearchSettings(steps=4, limits=Limits(span=100, size=200))), top1)
    again = SearchState.from_dict(json.loads(json.dumps(search.as_dict())))
    assert again.as_dict() == search.as_dict()
    with pytest.raises(InputError, match="format 99"):
        SearchState.from_dict({"format_version": 99})


def test_a_seed_that_does_not_fit_the_videos():
    with pytest.raises(InputError, match="seed does not fit the data: a clip of 4x8 spans 25 frames; the videos have 16"):
        SearchState(SearchSettings(start=Spec(frames=4, stride=8), limits=Limits(span=16)))
