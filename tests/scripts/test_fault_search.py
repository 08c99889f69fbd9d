"""The harness that kills searches, in small."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import fault_search  # noqa: E402


def test_times_are_left_out_and_nothing_else():
    trace = {"steps": [{"accuracy": 0.5, "metrics": {"train_seconds": 3.0, "loss": 1.0, "latency_ms": 2.0}, "lost": 2}]}
    assert fault_search.without_times(trace) == {"steps": [{"accuracy": 0.5, "metrics": {"loss": 1.0}}]}


@pytest.mark.slow
def test_a_search_whose_driver_is_killed_ends_the_same(demo_records, tmp_path):
    settings = fault_search.SETTINGS | {"search": fault_search.SETTINGS["search"] | {"steps": 1, "axes": ["fast"]}}
    command = fault_search.plain(tmp_path, demo_records.path, {"name": "local", "threads": 1}, settings)
    found = fault_search.victims(command, ["driver"], tmp_path, str(tmp_path / "begun"), seed=0)
    assert found["exit_codes"] == [0] and found["kills"] == {"driver": 1}
    assert found["compared"] == 5 and found["different"] == []
