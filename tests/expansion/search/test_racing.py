"""Races: the rule alone and in the search. Nothing is trained; tests of tuning.loop stop them at every moment."""

import json

import pytest
import yaml

from expansion.display.tables import step_table, stops
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.search.decisions import NoCandidate
from expansion.search.racing import RaceSettings, race, rung_epoch
from expansion.search.selection import Scored
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.steps import Rung
from tests.expansion.searches import right

VIDEOS = 20
RACE = RaceSettings(on=True, rungs=(0.3, 0.5))
FINAL = {"seed": 6, "fast": 16, "spatial": 13, "depth": 12, "width": 9, "bottleneck": 8}  # of VIDEOS


def at_rung(axis: str, rung: int) -> int:
    """Right ones at a rung: as at the end, less what is still to be learnt."""
    return FINAL[axis] - 4 + 2 * rung


def settings(**race) -> SearchSettings:
    return SearchSettings(steps=1, race=RACE.model_copy(update=race))


def run(search: SearchState, fails=lambda axis, rung: False, first=0) -> SearchState:
    """Feeds a search; `fails` says which axes fail on their way to a rung, or with None to the end."""
    for number in range(first, first + 200):
        waiting = [training for training in search.steps[-1].trainings if training.status == "waiting"]
        if search.finished or not waiting:
            return search
        candidate = waiting[0]
        search.started(candidate, candidate.trial_id or f"{number:04d}")
        rung = search.rung(candidate.trial_id)
        if fails(candidate.axis, rung):
            search.failed(candidate.trial_id, "out of memory")
        elif rung is None:
            count = FINAL[candidate.axis] + candidate.repeat
            search.completed(candidate.trial_id, count / VIDEOS, {"seconds": 10.0}, right(count))
        else:
            count = at_rung(candidate.axis, rung)
            search.paused(candidate.trial_id, Rung(3 * rung + 3, count / VIDEOS, right(count), (0.1,) * (3 * rung + 3)),
                          {"seconds": 2.0 + rung})
    raise AssertionError("the search does not end")


def again(search: SearchState) -> SearchState:
    return SearchState.from_dict(json.loads(json.dumps(search.as_dict())))


def by_axis(search: SearchState) -> dict:
    return {c.axis: (c.status, len(c.rungs)) for c in search.steps[1].candidates}


# The rule


def runners(*counts: int) -> list[Scored]:
    return [Scored("a", count / VIDEOS, 2.0, 1, right(count)) for count in counts]


@pytest.mark.parametrize("keep, going", [(0.5, (0, 2, 3)), (0.34, (0, 3)), (0.2, (3,)), (0.9, (0, 1, 2, 3, 4))])
def test_the_best_go_on_by_halving(keep, going):
    found = race(0.1, 1.0, runners(9, 5, 7, 12, 2), RaceSettings(on=True, keep=keep))
    assert tuple(i for i, standing in enumerate(found) if standing.survives) == going
    assert [standing.gain for standing in found] == pytest.approx([0.35, 0.15, 0.25, 0.5, 0.0])
    assert [standing.behind for standing in found] == pytest.approx([0.15, 0.35, 0.25, 0.0, 0.5])


def test_by_the_bound_only_those_clearly_behind_stop():
    found = race(0.1, 1.0, runners(12, 11, 9, 3), RaceSettings(on=True, rule="bound"))
    assert [standing.survives for standing in found] == [True, True, True, False]
    # Three of 20 videos differ: -3/20 + 1.96 * sqrt(0.15 * 0.85 / 19).
    assert found[2].bound == pytest.approx(-0.15 + 1.959964 * (0.15 * 0.85 / 19) ** 0.5)
    assert found[0].bound == 0.0 and found[3].bound < 0


def test_gains_not_accuracies_are_compared():
    cheap, dear = Scored("a", 0.5, 1.9, 1, right(10)), Scored("b", 0.5, 2.2, 1, right(10))
    found = race(0.3, 1.0, [dear, cheap], RaceSettings(on=True, keep=0.5))
    assert [standing.survives for standing in found] == [False, True]


def test_without_paired_videos_no_bound_stops_anyone():
    found = race(0.1, 1.0, [Scored("a", 0.9, 2.0), Scored("b", 0.2, 2.0)], RaceSettings(on=True, rule="bound"))
    assert [standing.survives for standing in found] == [True, True] and found[1].bound is None


def test_settings():
    assert parse_settings(SearchSettings, {"race": True}, "search").race == RaceSettings(on=True)
    assert RaceSettings().rungs == (0.3,)
    assert parse_settings(SearchSettings, {"race": False}, "search").race == SearchSettings().race
    assert not SearchSettings().race.on
    with pytest.raises(InputError, match="race.rungs.*0.5, 0.25 do not rise"):
        parse_settings(SearchSettings, {"race": {"on": True, "rungs": [0.5, 0.25]}}, "search")
    with pytest.raises(InputError, match="unknown key 'race.half'"):
        parse_settings(SearchSettings, {"race": {"half": True}}, "search")
    assert [rung_epoch(share, 12) for share in (0.25, 0.5, 0.01)] == [3, 6, 1] and rung_epoch(0.25, 0.5) == 1


# In the search


def test_a_step_is_raced_and_the_trace_keeps_the_evidence():
    search = run(SearchState(settings()))
    assert by_axis(search) == {"fast": ("completed", 2), "spatial": ("completed", 2), "depth": ("stopped", 2),
                               "width": ("stopped", 1), "bottleneck": ("stopped", 1)}
    step = search.steps[1]
    assert step.winner.axis == "fast" and step.decision.verdict == "within noise"
    assert {step.candidates[c.loser].axis for c in step.decision.against} == {"spatial"}
    width = next(c for c in step.candidates if c.axis == "width")
    (rung,) = width.rungs
    assert rung.epoch == 3 and rung.accuracy == 0.25 and len(rung.curve) == 3 and sum(rung.evidence) == 5
    assert rung.standing.behind == pytest.approx(0.35, abs=0.05) and rung.standing.bound < 0
    assert width.gain is None and width.accuracy is None and width.metrics == {"seconds": 2.0}
    assert again(search).as_dict() == search.as_dict()
    assert len(stops(step)) == 3 and "width stopped after epoch 3: 25.0 %" in "\n".join(stops(step))
    assert step_table(step).row_count == 5


def test_one_that_is_left_wins_because_the_others_stopped():
    search = run(SearchState(settings(rungs=(0.5,), keep=0.2)))
    assert search.steps[1].decision.verdict == "others stopped" and search.steps[1].winner.axis == "fast"


def test_off_by_default_and_not_where_an_axis_is_prescribed():
    assert {c.status for c in run(SearchState(SearchSettings(steps=1))).steps[1].candidates} == {"completed"}
    search = run(SearchState(SearchSettings(steps=1, follow=("width",), race=RACE)))
    assert {len(c.rungs) for c in search.steps[1].candidates} == {0} and search.steps[1].winner.axis == "width"


def test_rungs_are_compared_with_the_parents():
    search = run(SearchState(settings()))
    fast = search.steps[1].candidates[0]
    parent = search.steps[0].winner
    assert [rung.accuracy for rung in parent.rungs] == [0.1, 0.2]
    assert fast.rungs[0].standing.gain > fast.gain - 0.01  # 12 less 2 videos as 16 less 6
    warm = run(SearchState(SearchSettings(steps=1, race=RACE, warm_start=True)))
    gain = warm.steps[1].candidates[0].rungs[0].standing.gain
    assert gain == pytest.approx(fast.gain * 6 / 10)  # 12 less 6: it began where the parent ended


def test_failures_do_not_count_as_runners():
    search = run(SearchState(settings()), fails=lambda axis, rung: (axis, rung) in {("fast", 0), ("spatial", 1)})
    assert by_axis(search) == {"fast": ("failed", 0), "spatial": ("failed", 1), "depth": ("completed", 2),
                               "width": ("stopped", 1), "bottleneck": ("stopped", 1)}


def test_the_best_that_stopped_takes_the_place_of_those_that_failed():
    search = run(SearchState(settings()), fails=lambda axis, rung: rung is None and axis in ("fast", "spatial"))
    assert by_axis(search)["depth"] == ("completed", 2) and search.steps[1].winner.axis == "depth"
    assert search.steps[1].decision.verdict == "others stopped"
    with pytest.raises(NoCandidate, match="no candidate completed"):
        run(SearchState(settings()), fails=lambda axis, rung: axis != "seed")


def test_further_seeds_go_to_those_that_are_left_and_are_not_raced():
    search = run(SearchState(SearchSettings(steps=1, race=RACE, repeats={"extra": 4, "std": 0.05})))
    trainings = {c.axis: len(c.accuracies) for c in search.steps[1].candidates}
    assert trainings == {"fast": 3, "spatial": 3, "depth": 0, "width": 0, "bottleneck": 0}
    assert {len(r.rungs) for c in search.steps[1].candidates for r in c.repeats} == {0}


def test_a_race_is_switched_on_as_yaml_reads_it():
    for given in ("true", "{on: true}", '{"on": true}', "{on: true, rungs: [0.3]}"):
        assert parse_settings(RaceSettings, yaml.safe_load(given), "race") == RaceSettings(on=True)
