"""A step that gains nothing: it says so and ends the search, unless the search is to continue; the paper's protocol does."""

import json

import pytest

from expansion.display.ending import to_go_on
from expansion.display.path_figure import search_figure
from expansion.display.tables import gained, path_rows, step_rows
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.search.path import NO_GAIN
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.trace import continue_search
from tests.expansion.searches import SMALL, finished, no_gain

LONGER = SMALL.model_copy(update={"steps": 3})
ON = LONGER.model_copy(update={"without_gain": "continue"})


def ended() -> SearchState:
    return finished(LONGER, count_of=no_gain)


def test_the_search_ends_with_the_network_before():
    search = ended()
    assert (search.stopped_by, len(search.steps)) == (NO_GAIN, 3) and not search.steps[2].gained
    assert search.path == [step.winner for step in search.steps[:2]] and search.as_dict()["path"][-1]["axis"] == "fast"
    again = SearchState.from_dict(json.loads(json.dumps(search.as_dict())))
    assert again.as_dict() == search.as_dict() and len(again.path) == 2


def test_it_is_said_where_the_step_and_the_path_are_shown():
    search = ended()
    assert "no gain: +0.0 points to the network of step 1" in step_rows(search.steps[2]).notes
    assert "+35.0 points to the network of step 0 (clear on these videos, p = 0.016)" in step_rows(search.steps[1]).notes
    table = path_rows(search, wide=True)
    assert [row[0] for row in table.rows] == ["0 seed", "1 fast", "2 fast (not taken)"] and table.strong == [1]
    text = to_go_on(search)
    assert "Step 2 gained nothing: fast, the best of 5, reached 60.0 %, +0.0 points to the network of step 1, which is" in text
    assert "search.without_gain=continue" in text and "On 20 validation videos no gain below 30.0 points" in text
    assert to_go_on(finished()) is None and gained(search.steps[0]) is None
    assert [text.get_text() for text in search_figure(search).axes[0].texts] == ["seed", "fast ~"]  # the path ends there


def test_it_resumes_as_if_it_had_been_told_to_continue_at_once():
    whole, search = finished(ON, count_of=no_gain), ended()
    assert whole.stopped_by == "steps" and len(whole.path) == 4
    more = SearchState.from_dict(search.as_dict())
    continue_search(more, LONGER.model_copy(update={"steps": 5}), {}, "folder")
    assert more.stopped_by == NO_GAIN and more.next() is None  # more steps alone do not change what was found
    continue_search(more, ON, {}, "folder")
    assert len(more.path) == 3 and {c.spec for c in more.steps[3].candidates} == {c.spec for c in whole.steps[3].candidates}


def test_a_step_that_is_prescribed_is_taken():
    search = finished(LONGER.model_copy(update={"follow": ("fast", "depth")}), count_of=no_gain)
    assert len(search.path) > 2 and search.path[2].axis == "depth"


def test_the_papers_protocol_goes_on_and_is_kept():
    paper = SearchSettings(protocol="paper")
    assert paper.without_gain == "continue" and SearchSettings(**paper.model_dump()) == paper
    for key, value in (("warm_start", True), ("race", True), ("repeats", {"extra": 2}), ("without_gain", "stop")):
        with pytest.raises(InputError, match=f"search: protocol: the paper's protocol does not go with {key}"):
            parse_settings(SearchSettings, {"protocol": "paper", key: value}, "search")
