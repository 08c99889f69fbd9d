"""The harness that kills searches, in small."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import fault_search  # noqa: E402
import fault_workers  # noqa: E402


def test_times_are_left_out_and_nothing_else():
    trace = {"steps": [{"accuracy": 0.5, "metrics": {"train_seconds": 3.0, "loss": 1.0, "latency_ms": 2.0}}]}
    assert fault_search.without_times(trace) == {"steps": [{"accuracy": 0.5, "metrics": {"loss": 1.0}}]}


@pytest.mark.slow
def test_a_killed_search_ends_the_same(demo_records, tmp_path):
    settings = fault_search.SETTINGS | {"search": fault_search.SETTINGS["search"] | {"steps": 1, "axes": ["fast"]}}
    command = fault_search.plain(tmp_path, demo_records.path, True, settings)
    found = fault_search.compare(command, 1, 0, tmp_path, mark=str(tmp_path / "begun"), of_each=1)
    assert found["exit_codes"] == [0] and len(found["kills"]) == 1
    assert (found["traces_and_outcomes"], found["networks"]) == (3, 2) and found["different"] == []


@pytest.mark.slow
def test_a_search_whose_worker_is_killed_ends_as_with_one_worker(demo_records, tmp_path):
    """Two `x3d worker`s and a chief that only decides; one is killed at a trial, which the other or its successor ends."""
    settings = fault_search.SETTINGS | {"search": fault_search.SETTINGS["search"] | {"steps": 1, "axes": ["fast", "depth"]}}
    found = fault_workers.compare(tmp_path, demo_records.path, settings, fault_search.made, 2, kills=1, restarts=0, latest=3.0)
    assert (found["chief_exit_code"], found["worker_exit_codes"], len(found["killed_at"])) == (0, [0, 0], 1)
    assert found["compared"] == 7 and found["different"] == []
