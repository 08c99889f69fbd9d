"""The harness: contenders in turn, ratios by round, absent and broken peers named."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.harness import Case, Contender, Target, report, run_case

ECHO = "tests.benchmarks.echo_worker"


@pytest.mark.slow
def test_contenders_take_turns_and_the_best_of_a_group_counts(tmp_path):
    case = Case("echo", "sleeping", (
        Contender("ours", ECHO, {"seconds": 0.01}),
        Contender("slow", ECHO, {"seconds": 0.3}, group="peer"),
        Contender("quick", ECHO, {"seconds": 0.15}, group="peer"),
        Contender("absent", ECHO, python=Path("/nowhere/python"), group="peer"),
        Contender("broken", ECHO, {}, group="peer"),
    ), (Target("peer", at_least=1.5), Target("peer", at_least=1000), Target("peer", "memory", at_most=100)), seconds=0.05)
    console = Console(record=True, width=120)
    result = run_case(case, 3, tmp_path, console)
    assert [len(r["rounds"]) for r in result["results"]] == [3, 3, 3]
    assert 0.005 <= result["results"][0]["seconds"] < result["results"][1]["seconds"]  # two items a step
    (comparison,) = result["comparisons"]
    assert comparison["best"] == "quick" and comparison["seconds"] > 1.5 and comparison["cpu"] > 0
    assert [target["met"] for target in comparison["targets"]] == [True, False, True]
    assert ["absent: not installed" in result["skipped"][0], "broken: see" in result["skipped"][1]] == [True, True]
    assert json.loads(json.dumps(result)) == result
    report(result, console)
    assert "MISSED" in console.export_text()
