"""A search of many trials and workers in one process, on a clock of its own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import simulate_search  # noqa: E402


@pytest.mark.parametrize("trials, workers, seed", [
    (66, 24, 1), pytest.param(1000, 64, 0, marks=pytest.mark.slow)])
def test_every_trial_is_handed_in_once_whatever_becomes_of_the_workers(tmp_path, trials, workers, seed):
    found = simulate_search.simulate(trials, workers, seed, dies=0.3, stalls=0.2, folder=str(tmp_path / "search"))
    assert found["trials"] == found["handed_in_once"] >= trials - 1
    assert found["same_as_one_worker"] and found["stopped_by"] == "steps"
    events = found["events"]
    assert events["died"] and events["taken over"] and events["noticed that it was lost"] and events["chief started again"]
