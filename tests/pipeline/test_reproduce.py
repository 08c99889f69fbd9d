"""The paper's path through the real Oracle, and what is printed of it."""

import json

import pytest

from expansion import paper
from expansion.errors import InputError
from expansion.spec import NAMED
from pipeline.reproduce import reproduce, walk


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


def test_json_holds_all_candidates_and_the_models(capsys, tmp_path):
    reproduce("xxl", str(tmp_path), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((tmp_path / "reproduce.json").read_text())
    candidates = [candidate for step in found["steps"][1:] for candidate in step["candidates"]]
    assert len(candidates) == 66 and sum(abs(c["difference"]) <= 0.02 for c in candidates) == 51
    assert found["contracted"]["name"] == "S" and found["later"][-1]["name"] == "XXL"
    assert found["named"]["XXL"]["macs"] == 143_541_630_016
    assert (tmp_path / "reproduce.png").stat().st_size > 10_000


def test_until_a_model(capsys):
    reproduce("M", None, as_json=False)
    shown = capsys.readouterr().out
    assert "step 8  M" in shown and "step 9" not in shown and "in 8 of 8 steps" in shown and "XL " not in shown


def test_an_unknown_model():
    with pytest.raises(InputError, match="--until 'Q' is not known; allowed are X2D, XS"):
        reproduce("q", None, as_json=False)
