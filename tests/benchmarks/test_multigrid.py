"""The comparison of multigrid training with plain training: its recipes, its counts and its tables, without training."""

import pytest

from benchmarks.multigrid import FEW, GRIDS, PLAIN, WAYS, arguments, phases, recipe_of, summary, tables, training_macs
from expansion.complexity import complexity
from expansion.display.console import make_console
from expansion.recipe.schedule import Schedule
from expansion.spec import parse_spec

ASKED = arguments(["folder", "--epochs", "40", "--batch", "16"])
SPEC, VIDEOS = parse_spec(ASKED.spec), 320


def result(way, right, steps=100, seconds=100.0):
    history = {"frames": [2.0, 8.0], "size": [28.0, 40.0], "batch": [128.0, 16.0], "steps": [40.0, 60.0],
               "epoch_seconds": [30.0, 60.0], "start_seconds": [10.0, 0.0], "input_wait_seconds": [4.0, 3.0]}
    return {"way": way, "split": "test", "correct": [1] * right + [0] * (100 - right), "steps": steps, "macs": 2e12 * steps / 100,
            "seconds": seconds, "processor": 2 * seconds, "start": 10.0, "wait": 7.0, "memory": 1000.0, "history": history}


def test_the_control_has_about_as_many_steps_as_multigrid():
    recipes = {way: recipe_of(way, ASKED, SPEC, VIDEOS) for way in WAYS}
    steps = {way: Schedule(SPEC, recipe, VIDEOS).steps for way, recipe in recipes.items()}
    assert steps[PLAIN] == 40 * 20 and steps[PLAIN] / steps[GRIDS] > 3
    assert steps[FEW] == pytest.approx(steps[GRIDS], abs=10)
    assert {recipe.precise_batches for recipe in recipes.values()} == {200}


def test_multiply_adds_of_all_steps():
    plain, grids = (training_macs(SPEC, recipe_of(way, ASKED, SPEC, VIDEOS), VIDEOS, 8) for way in (PLAIN, GRIDS))
    assert plain == 3 * complexity(SPEC, 8).macs * 40 * VIDEOS
    schedule = Schedule(SPEC, recipe_of(GRIDS, ASKED, SPEC, VIDEOS), VIDEOS)
    by_step = sum(3 * 16 * shape.factor * complexity(SPEC.replace(frames=shape.frames, size=shape.size), 8).macs
                  for epoch in schedule.epochs for shape in map(epoch.shape, range(epoch.steps)))
    assert grids == by_step < plain / 2


def test_the_tables():
    plain, grids = [result(PLAIN, 80), result(PLAIN, 90)], [result(GRIDS, 80, 30, 50.0), result(GRIDS, 84, 30, 50.0)]
    came_to, took = summary(grids, plain)
    assert came_to == ("82.0 %", "73 to 88 %", "2.8", "30 (30 %)", "0.6 T (30 %)")
    assert took == ("50 s (50 %)", "40 s (44 %)", "100 s (50 %)", "10 s", "14.0 %", "1,000 MiB (100 %)")
    assert phases(grids) == [("2 x 28 px", "128", "40", "500 ms", "20.0 %"), ("8 x 40 px", "16", "60", "1000 ms", "5.0 %")]
    console = make_console()
    with console.capture() as text:
        for table in tables({PLAIN: plain, GRIDS: grids, FEW: plain}):
            console.print(table)
    assert "2 seeds, 100 videos of the split test" in text.get()
