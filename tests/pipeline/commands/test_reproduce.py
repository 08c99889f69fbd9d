"""The paper's path through the real Oracle, and what is printed of it."""

import json

import pytest

from expansion import paper
from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.spec import NAMED, Limits
from pipeline.commands import reproduce_tables
from pipeline.commands.reproduce import from_recorded, train, training_search, walk
from pipeline.config import load_config, shipped
from tests.expansion.search.test_state import run


def test_the_oracle_chooses_the_papers_axis_in_every_step():
    search = walk(11)
    assert [step.winner.axis for step in search.steps[1:]] == [paper.winner(number) for number in range(1, 12)]
    for name in ("XS", "M", "L", "XL"):
        assert search.steps[paper.last_step(name)].winner.spec == NAMED[name]


def test_other_accuracies_give_another_path(monkeypatch):
    """The choice is made from the accuracies: where depth has most in step 1, depth is chosen."""
    real = paper.recorded
    monkeypatch.setattr(paper, "recorded", lambda step, axis: (real(step, axis)[0], 0.9) if (step, axis) == (1, "depth")
                        else real(step, axis))
    assert walk(1).steps[1].winner.axis == "depth"


@pytest.mark.slow
def test_json_holds_all_candidates_and_the_models(capsys, tmp_path):
    from_recorded("xxl", str(tmp_path), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "reproduce.json").read_text())
    candidates = [candidate for step in found["steps"][1:] for candidate in step["candidates"]]
    assert len(candidates) == 66 and sum(abs(c["difference"]) <= 0.02 for c in candidates) == 51
    assert found["contracted"]["name"] == "S" and found["later"][-1]["name"] == "XXL"
    assert found["named"]["XXL"]["macs"] == 143_541_630_016
    assert (tmp_path / "reproduce.png").stat().st_size > 10_000


def test_until_a_model(capsys):
    from_recorded("M", None, as_json=False)
    shown = capsys.readouterr().out
    assert "step 8  M" in shown and "step 9" not in shown and "in 8 of 8 steps" in shown and "XL " not in shown


def test_an_unknown_model():
    with pytest.raises(InputError, match="--until 'Q' is not known; allowed are X2D, XS"):
        from_recorded("q", None, as_json=False)


def best_is_depth(step, axis):
    return 0.05 * step + 0.01 * (axis == "depth")


def test_training_follows_the_papers_path_whatever_the_accuracies_say():
    search = run(SearchState(SearchSettings(**training_search("XXL"))), best_is_depth)
    assert [winner.axis for winner in search.path[1:12]] == [paper.winner(number) for number in range(1, 12)]
    assert search.path[-1].spec == NAMED["XXL"] and search.stopped_by == "steps"
    found = reproduce_tables.content(search, 13, own="records")
    assert {row["chosen"] for row in found["steps"][1:]} == {"depth"}
    assert found["agreed"] == 2 and found["compared"] == 11  # the paper took depth in steps 4 and 10
    assert found["steps"][1]["candidates"][0]["top1"] == pytest.approx(0.05)


def test_training_up_to_s_ends_in_the_contraction():
    search = run(SearchState(SearchSettings(**training_search("S"))), best_is_depth)
    assert search.path[-1].spec == NAMED["S"] and search.stopped_by == "target_gmacs"


def test_training_ends_where_the_videos_do_not_allow_the_papers_axis():
    limits = Limits(size=112)
    search = run(SearchState(SearchSettings(**training_search("XS"), limits=limits)), best_is_depth)
    assert len(search.path) == 3 and search.stopped_by.startswith("spatial cannot move: a crop of 160")


@pytest.mark.slow
def test_training_on_records(demo_records, tmp_path, capsys):
    """The command as a whole, on the step that demo-sized frames allow: the seed."""
    config = load_config(shipped("small.yaml"), need_videos=False, **{
        "name": "again", "search.start": "frames=1,stride=1,size=32,width=0.34,depth=0.2",
        "search.steps": 1, "search.follow": ["fast"],
        "recipe.epochs": 1, "search.axes": ["fast", "depth"]})
    train(demo_records.path, config, "X2D", str(tmp_path), None, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [row["step"] for row in found["steps"]] == [0, 1]
    assert all(0 <= c["top1"] <= 1 for row in found["steps"] for c in row["candidates"])
    assert (tmp_path / "again" / "reproduce.png").stat().st_size > 10_000
