"""A search by other costs, under constraints, within hours, with warm starts and with further seeds; nothing is trained."""

import json

import pytest

from expansion.complexity import complexity
from expansion.display.tables import path_table, step_table
from expansion.foundation.errors import InputError
from expansion.search.repeats import RepeatSettings
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.spec import NAMED
from expansion.tasks.single_label import wilson
from tests.expansion.paper import top1
from tests.expansion.search.test_state import run

VIDEOS = 100


def right(count: int) -> tuple[bool, ...]:
    return tuple(index < count for index in range(VIDEOS))


def again(search: SearchState, **means) -> SearchState:
    return SearchState.from_dict(json.loads(json.dumps(search.as_dict())), **means)


# Costs and constraints


def test_gains_are_counted_in_the_cost_that_is_chosen():
    search = run(SearchState(SearchSettings(start=NAMED["XS"], steps=1, cost="params")), lambda step, axis: 0.5 + 0.1 * step)
    step = search.steps[1]
    assert {c.axis for c in step.candidates} == {"depth", "width", "bottleneck"} and step.cost == "params"
    assert [c.cost for c in step.candidates] == [c.params for c in step.candidates]
    # The same accuracy for all: the largest gain is that of the smallest cost.
    assert step.winner.params == min(c.params for c in step.candidates)
    assert {s.reason for s in step.saturated} >= {"it does not raise the cost"}
    assert again(search).as_dict() == search.as_dict()


def test_constraints_reject_candidates_before_they_are_trained():
    search = run(SearchState(SearchSettings(steps=1, constraints=("params < 2.5M",))), top1)
    assert "bottleneck" not in {c.axis for c in search.steps[1].candidates}
    assert [(s.axis, s.reason) for s in search.steps[1].saturated] == [
        ("bottleneck", "params of 2.65 M; the constraint is params < 2.5 M")]
    assert again(search).settings.constraints == search.settings.constraints
    with pytest.raises(InputError, match="the seed does not meet the constraints: params of 1.63 M; .* params < 1 M"):
        SearchState(SearchSettings(constraints=("params < 1M",)))


def test_a_trace_is_read_without_measuring():
    measured = []

    def latency(spec):
        measured.append(spec)
        return 1e-3 + complexity(spec).macs * 1e-10

    search = run(SearchState(SearchSettings(steps=1, cost="latency", constraints=("latency < 1 s",)), latency=latency), top1)
    step, count = search.steps[1], len(measured)
    assert all(c.cost == latency(c.spec) for c in step.candidates) and step.winner.gain is not None
    del measured[:]
    assert again(search).as_dict() == search.as_dict() and not measured and count > 10


def test_a_target_in_gmacs_holds_whatever_the_cost_is():
    search = run(SearchState(SearchSettings(target_gmacs=0.07, cost="memory")), lambda step, axis: 0.3 + 0.1 * step)
    assert search.stopped_by == "target_gmacs" and search.path[-1].macs <= 0.07e9


# Hours


def test_no_step_is_begun_that_would_take_too_long():
    asked = []

    def forecast(search, step, macs):
        asked.append((step, len(macs)))
        return 1800.0

    def walk(search):
        for number in range(1000):
            proposal = search.next()
            if proposal is None:
                return search
            search.started(proposal[1], f"{len(asked)}-{number}")
            search.completed(proposal[1].trial_id, top1(proposal[0].number, proposal[1].axis), {"seconds": 200.0})

    search = walk(SearchState(SearchSettings(steps=5, hours=1.0), forecast=forecast))
    # The seed takes 200 s and a step of five 1,000 s: before step 3 2,200 s are spent.
    assert (search.stopped_by, len(search.steps), asked) == ("hours", 3, [(1, 5), (2, 5), (3, 6)])
    longer = again(search, forecast=forecast)
    longer.extend_budget(SearchSettings(steps=5, hours=1.2))
    assert len(walk(longer).steps) == 4 and longer.stopped_by == "hours"


# Warm start


def test_the_trace_says_what_each_candidate_began_with():
    seen = {}
    search = run(SearchState(SearchSettings(steps=2, warm_start=True)), top1)
    for step in search.steps:
        seen |= {(step.number, c.axis): c.warm_start for c in step.candidates}
    assert seen[0, "seed"] is None and seen[1, "fast"] == "still clips" and seen[1, "spatial"] == "weights"
    assert seen[2, "depth"] == "all clips" and seen[2, "fast"] == "still clips"
    assert again(search).as_dict() == search.as_dict()
    assert {c.warm_start for step in run(SearchState(SearchSettings(steps=1)), top1).steps for c in step.candidates} == {None}


def test_a_contraction_grows_from_the_network_before():
    search = run(SearchState(SearchSettings(target_gmacs=2.0, warm_start=True)), lambda step, axis: top1(min(step, 11), axis))
    last = search.steps[-1]
    assert last.kind == "contraction" and search.parent(last) is search.steps[-3].winner
    assert search.parent(search.steps[2]) is search.steps[1].winner and search.parent(search.steps[0]) is None


# Seeds

TIED = {"fast": 62, "spatial": 59, "depth": 30, "width": 28, "bottleneck": 31}


def of_seeds(extra=4, results=TIED, fails=(), **seeds) -> SearchState:
    """One step in which fast and spatial are near each other; a further training has one video more."""
    search = SearchState(SearchSettings(steps=1, repeats=RepeatSettings(extra=extra, std=0.02, **seeds)))
    for number in range(100):
        proposal = search.next()
        if proposal is None:
            return search
        step, candidate = proposal
        search.started(candidate, f"{number:04d}")
        if (candidate.axis, candidate.repeat) in fails:
            search.failed(candidate.trial_id, "out of memory")
        else:
            count = 20 if step.number == 0 else results[candidate.axis] + candidate.repeat
            search.completed(candidate.trial_id, count / VIDEOS, {"seconds": 5.0}, right(count))
    raise AssertionError("the search does not end")


def test_only_the_tied_are_trained_again_and_all_is_in_the_trace():
    search = of_seeds()
    step = search.steps[1]
    found = {c.axis: c for c in step.candidates}
    assert found["fast"].accuracies == (0.62, 0.63, 0.64) and found["spatial"].accuracies == (0.59, 0.60, 0.61)
    assert found["fast"].accuracy == pytest.approx(0.63) and len(found["depth"].accuracies) == 1
    assert [(repeat.repeat, repeat.accuracy) for repeat in found["fast"].repeats] == [(1, 0.63), (2, 0.64)]
    assert found["fast"].interval == pytest.approx(wilson(63, 100))
    assert found["fast"].gain == pytest.approx((0.63 - 0.2) / 0.9545, abs=1e-3)
    assert step.winner is found["fast"] and step.winner.trial_id == "0001"  # the first training's
    verdicts = {step.candidates[c.loser].axis: c.verdict for c in step.decision.against}
    assert verdicts == {"spatial": "within noise", "depth": "clear", "width": "clear", "bottleneck": "clear"}
    assert again(search).as_dict() == search.as_dict()


def test_a_clear_step_costs_nothing_more():
    search = of_seeds(results=TIED | {"spatial": 40})
    assert all(not c.repeats for c in search.steps[1].candidates) and search.steps[1].decision.verdict == "clear"


def test_the_budget_and_the_tie_break_hold():
    search = of_seeds(extra=3, tie_break="params")
    assert sum(len(c.repeats) for c in search.steps[1].candidates) == 3
    assert search.steps[1].winner.axis in ("fast", "spatial")
    assert all(not c.repeats for c in of_seeds(extra=0).steps[1].candidates)


def test_further_trainings_that_fail_end_the_step_all_the_same():
    search = of_seeds(fails={("fast", 1), ("fast", 2), ("spatial", 1)})
    step = search.steps[1]
    assert step.decision and sum(len(c.repeats) for c in step.candidates) <= 4
    assert step.winner.accuracies[0] in (0.62, 0.59)
    assert again(search).as_dict() == search.as_dict()


def test_tables_name_the_trainings_and_who_is_within_noise():
    search = of_seeds()
    text = str(step_table(search.steps[1]).caption)
    assert "means over trainings: fast 3, spatial 3" in text and "within noise" in text
    assert path_table(search).row_count == 2


def test_a_path_that_is_followed_needs_no_seeds():
    search = SearchState(SearchSettings(steps=1, follow=("depth",), repeats=RepeatSettings(extra=5)))
    for number in range(6):
        _, candidate = search.next()
        search.started(candidate, str(number))
        search.completed(str(number), 0.5, {}, right(50))
    assert search.finished and search.path[-1].axis == "depth"
