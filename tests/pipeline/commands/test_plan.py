"""`x3d plan` and a running search have one forecast: what is left of the same state is the same."""

import pytest

from expansion.evaluation import latency
from expansion.search.forecast import seconds_left
from expansion.search.racing import RaceSettings
from expansion.search.state import SearchState
from pipeline.commands.plan import make_plan
from pipeline.config import load_config, shipped
from tests.expansion.searches import SMALL, finished
from tests.pipeline.folders import make_run

VIDEOS = 40  # that make_run has for training


@pytest.fixture(autouse=True)
def made_up_latencies(monkeypatch):
    monkeypatch.setattr(latency, "measure_latency", lambda spec, classes: 1e-6 * spec.width * spec.size**1.5 * spec.frames)


def run_at(tmp_path, settings, steps: int, **budget):
    """A run whose search stands after so many decided steps: (its configuration with this budget, the search)."""
    config = load_config(shipped("demo.yaml"), **{
        "ingest.videos": "videos", "name": "run",
        "search": settings.model_dump(mode="json", exclude={"classes", "limits"}) | budget})
    settings = settings.model_copy(update=budget)
    search = finished(settings, steps=steps) if settings.cost != "latency" else with_latency(settings, steps)
    search.made_with = {"recipe": config.recipe.model_dump(mode="json"), "data": {"videos": {"train": VIDEOS}}}
    make_run(tmp_path / "run", search, ended=False)
    return config, search


def with_latency(settings, steps: int) -> SearchState:
    search, number = SearchState(settings, latency=latency.Latencies(settings.classes)), 0
    while (proposal := search.next()) and proposal[0].number < steps:
        search.started(proposal[1], f"{number:04d}")
        search.completed(f"{number:04d}", 0.2 + 0.01 * number, {"seconds": 10.0 + number})
        number += 1
    return search


@pytest.mark.parametrize("cost, steps", [("macs", 1), ("macs", 2), ("params", 1), ("params", 2), ("memory", 2), ("latency", 1),
                                         ("latency", 2)])
@pytest.mark.parametrize("budget", [{}, {"hours": 0.06}, {"target_gmacs": 0.05}])
def test_a_plan_and_the_running_search_agree(tmp_path, cost, steps, budget):
    config, search = run_at(tmp_path, SMALL.model_copy(update={"cost": cost, "steps": 5}), steps, **budget)
    plan = make_plan(config, str(tmp_path))
    begun = search.steps[-1]
    assert plan.step == begun.number and [c["spec"] for c in plan.candidates] == [c.spec for c in begun.candidates]
    assert sum(row.seconds for row in plan.later) == pytest.approx(seconds_left(search, config.recipe, VIDEOS))
    assert 1 <= len(plan.later) <= 5


def test_hours_and_target_make_it_shorter(tmp_path):
    settings = SMALL.model_copy(update={"steps": 5})
    config, _ = run_at(tmp_path, settings, 1)
    lengths = {str(budget): len(make_plan(run_at(tmp_path, settings, 1, **budget)[0], str(tmp_path)).later)
               for budget in ({}, {"hours": 0.06}, {"target_gmacs": 0.05})}
    assert lengths.pop("{}") == 5 and all(length < 5 for length in lengths.values()), lengths


def test_they_agree_in_the_middle_of_a_race(tmp_path):
    race = RaceSettings(on=True, rungs=(0.3,), keep=0.5)
    config, search = run_at(tmp_path, SMALL.model_copy(update={"race": race}), 1)
    search.started(search.steps[1].candidates[0], "a")
    make_run(tmp_path / "run", search, ended=False)
    plan = make_plan(config, str(tmp_path))
    assert sum(row.seconds for row in plan.later) == pytest.approx(seconds_left(search, config.recipe, VIDEOS))


def test_a_larger_budget_is_planned_from_where_the_search_ended(tmp_path):
    config, search = run_at(tmp_path, SMALL, 99)
    assert make_plan(config, str(tmp_path)).later == [] and make_plan(config, str(tmp_path)).stopped_by == "steps"
    larger = config.model_copy(update={"search": config.search.model_copy(update={"steps": 4})})
    plan = make_plan(larger, str(tmp_path))
    assert [row.step for row in plan.later] == [3, 4] and plan.step == 3 and plan.parent == search.path[-1].spec
    assert plan.stopped_by is None and len(search.steps) == 3


def test_other_settings_are_planned_from_the_last_winner(tmp_path):
    config, search = run_at(tmp_path, SMALL, 2)
    other = config.model_copy(update={"search": config.search.model_copy(update={"factor": 4.0})})
    plan = make_plan(other, str(tmp_path))
    assert plan.step == 2 and plan.parent == search.path[-1].spec
    (depth,) = (c for c in plan.candidates if c["axis"] == "depth")
    assert depth["macs"] / plan.parent_macs == pytest.approx(4, rel=0.1)


def test_a_proxy_makes_the_search_cheaper_but_not_the_last_training(tmp_path):
    config = load_config(shipped("kinetics400_search.yaml"))
    proxied = load_config(shipped("kinetics400_search.yaml"), **{"proxy.share": 0.25, "proxy.epochs": 64, "proxy.classes": 200})
    whole, part = (make_plan(of, str(tmp_path), 1000.0).budget for of in (config, proxied))
    assert part.device_seconds / whole.device_seconds == pytest.approx(0.25 * 0.5 * 0.5, rel=0.04)  # evaluations stay
    assert part.final_seconds == whole.final_seconds
    assert "proxy" in {saving.name for saving in whole.savings} - {saving.name for saving in part.savings}
