"""Continuing a search: a larger budget, other data or settings that are refused."""

import json
import os

import pytest

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.trace import continue_search
from expansion.spec import NAMED
from tests.expansion.paper import top1
from tests.expansion.search.test_state import run

MADE_WITH = {"data": {"fingerprint": "a1", "videos": {"train": 48}}, "recipe": {"epochs": 2}, "clips": {"flip": False}, "seed": 0}


def top1_or(step, axis):
    return top1(step, axis) if step <= 11 else 0.8


def ended(**budget) -> SearchState:
    return run(SearchState(SearchSettings(**budget), MADE_WITH), top1_or)


def continued(search: SearchState, **budget) -> SearchState:
    """The search read from its trace and continued with another budget."""
    again = SearchState.from_dict(json.loads(json.dumps(search.as_dict())))
    continue_search(again, SearchSettings(**budget), MADE_WITH, "folder")
    return run(again, top1_or, first=1000)


def of_path(search: SearchState):
    return [(step.number, step.kind, [(c.spec, c.accuracy) for c in step.candidates], step.decision) for step in search.steps]


@pytest.mark.slow
@pytest.mark.parametrize("small, large", [
    (dict(steps=2), dict(steps=4)),
    (dict(target_accuracy=0.6), dict(target_accuracy=0.7)),
    (dict(steps=3), dict(target_gmacs=1.5)),
    (dict(target_gmacs=2.0), dict(target_gmacs=4.0)),
    (dict(target_gmacs=2.0), dict(steps=8)),
    (dict(target_gmacs=1.9), dict(target_gmacs=2.0)),
])
def test_a_larger_budget_ends_as_if_it_had_been_given_at_once(small, large):
    first = ended(**small)
    trained = {c.trial_id for step in first.steps for c in step.candidates}
    again, whole = continued(first, **large), ended(**large)
    assert of_path(again) == of_path(whole) and again.stopped_by == whole.stopped_by
    kept = {c.trial_id for step in again.all_steps for c in step.candidates}
    assert trained <= kept  # none of them is forgotten, and their ids are not given again
    assert len(kept) == sum(len(step.candidates) for step in again.all_steps)


def test_a_contraction_is_set_aside_and_taken_up_again():
    first = ended(target_gmacs=2.0)
    assert first.path[-1].spec == NAMED["S"]
    larger = continued(first, target_gmacs=4.0)
    (aside,) = larger.set_aside
    assert aside.kind == "contraction" and aside.winner.spec == NAMED["S"]
    back = SearchState.from_dict(json.loads(json.dumps(first.as_dict())))
    back.extend_budget(SearchSettings(target_gmacs=2.2))
    assert back.steps[-1].number == 7 and back.stopped_by == "target_gmacs" or back.steps[-1].kind == "contraction"
    back.extend_budget(SearchSettings(target_gmacs=2.0))
    assert back.stopped_by == "target_gmacs" and back.path[-1].spec == NAMED["S"] and back.next() is None


def test_a_smaller_budget_ends_after_the_step_that_is_begun():
    search = SearchState(SearchSettings(steps=3))
    for number in range(3):
        _, candidate = search.next()
        search.started(candidate, str(number))
        search.completed(str(number), 0.1 * number)
    search.extend_budget(SearchSettings(steps=1))
    assert run(search, top1, first=100).stopped_by == "steps" and len(search.steps) == 2


@pytest.mark.parametrize("settings, changed, message", [
    (dict(factor=3.0), {}, "search.factor was 2, is now 3"),
    (dict(axes=("fast", "depth")), {}, 'search.axes was ["fast", "temporal", '),
    ({}, {"recipe": {"epochs": 30}}, "recipe.epochs was 2, is now 30"),
    ({}, {"clips": {"flip": True}}, "clips.flip was false, is now true"),
    ({}, {"seed": 1}, "seed was 0, is now 1"),
    ({}, {"data": {"fingerprint": "b2", "videos": {"train": 50}}},
     'data.fingerprint was "a1", is now "b2"; data.videos.train was 48, is now 50'),
    ({}, {"recipe": {"epochs": 2, "by_step": {1: {"batch": 8}}}}, 'recipe.by_step.1.batch was not set, is now 8'),
])
def test_what_would_make_old_results_wrong_is_refused(settings, changed, message):
    search = ended(steps=2)
    with pytest.raises(InputError) as error:
        continue_search(search, SearchSettings(**{"steps": 2} | settings), MADE_WITH | changed, "runs/a/search/1")
    assert message in str(error.value) and "--fresh" in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith("runs/a/search/1 holds a search")


def test_what_concerns_only_later_steps_may_change():
    search = ended(steps=2, follow=("bottleneck", "fast"))
    later = MADE_WITH | {"recipe": {"epochs": 2, "by_step": {3: {"batch": 8}}}}
    continue_search(search, SearchSettings(steps=3, follow=("bottleneck", "fast", "spatial")), later, "folder")
    assert run(search, top1, first=1000).path[-1].axis == "spatial" and search.made_with == later


def test_a_stop_before_the_next_step_is_planned_changes_nothing(monkeypatch):
    def stop(search):
        raise KeyboardInterrupt

    search = SearchState(SearchSettings(steps=2))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SearchState, "_plan_next", stop)
        run(search, top1)
    again = SearchState.from_dict(json.loads(json.dumps(search.as_dict())))
    again.resume()
    assert of_path(run(again, top1, first=1)) == of_path(run(SearchState(SearchSettings(steps=2)), top1))


def test_a_folder_is_moved_aside_and_never_over_another(tmp_path):
    for number in (1, 2):
        files.write_text(str(tmp_path / "s" / "trace.json"), str(number))
        assert files.move_aside(str(tmp_path / "s")) == str(tmp_path / f"s.{number}")
    assert sorted(os.listdir(tmp_path)) == ["s.1", "s.2"] and (tmp_path / "s.1" / "trace.json").read_text() == "1"
    assert files.move_aside(str(tmp_path / "s")) is None
