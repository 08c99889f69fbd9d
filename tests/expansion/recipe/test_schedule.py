"""Multigrid schedules: PySlowFast's to the digit, its crashes worked or refused, and what input and optimiser rely on."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expansion.foundation.errors import InputError
from expansion.recipe import Recipe
from expansion.recipe.multigrid import long_cycle, phases, strides
from expansion.recipe.schedule import Schedule, splits, statistic_clips
from expansion.spec import NAMED, X2D, Spec

GOLDEN = json.loads(Path(__file__).with_name("multigrid_golden.json").read_text(encoding="utf-8"))
VIDEOS = 200_000
M = NAMED["M"]


def schedule_of(case) -> Schedule:
    recipe = Recipe(
        epochs=case["epochs"], batch=case["batch"], rate=case["rate"], rate_batch=case["batch"], warmup_epochs=case["warmup"],
        decays=[start / case["epochs"] for start in case["starts"][1:]], multigrid="both" if case["long"] else "short",
        multigrid_epochs=case["factor"])
    spec = Spec(frames=case["frames"], stride=case["stride"], size=case["size"])
    return Schedule(spec, recipe, VIDEOS, case["warmup_rate"] / case["rate"])


@pytest.mark.parametrize("case", [case for case in GOLDEN["schedules"] if case["long"]], ids=lambda case: case["name"])
def test_stepwise_schedules_are_pyslowfasts(case):
    schedule, golden, first = schedule_of(case), [], 0
    for part, factor, frames, size, end, crops, batches, stride, of_device in case["phases"]:
        if end > first:  # one of the file's phases has no epochs
            golden.append((part, (factor, frames, size), end, crops, batches, tuple(stride), of_device))
            first = end
    for phase, expected in zip(schedule.phases, golden, strict=True):
        shape, of_device = phase.shape, expected[-1]
        assert expected[:-1] == (
            phase.part, (shape.factor, shape.frames, shape.size), phase.end, [s.size for s in phase.cycle],
            [s.factor * case["batch"] for s in phase.cycle], strides(schedule.spec, shape.frames))
        if of_device:
            assert splits(shape.factor * case["batch"] // case["devices"], 8) == of_device
    assert schedule.phases[-1].end == case["end"]
    assert {int(epoch): schedule.rate_at(int(epoch)) for epoch in case["rates"]} == {
        int(epoch): rate for epoch, rate in case["rates"].items()}
    assert VIDEOS * case["epochs"] / case["batch"] / schedule.steps == pytest.approx(case["saving"], rel=1e-4)


def test_the_short_cycle_alone_lengthens_a_training():
    (case,) = (case for case in GOLDEN["schedules"] if not case["long"])
    schedule = schedule_of(case)
    assert [phase.first for phase in schedule.phases] == case["falls"] and schedule.phases[-1].end == case["end"]
    assert {phase.shape for phase in schedule.phases} == {long_cycle(schedule.spec)[-1]}
    assert [schedule.rate_at(epoch) for epoch in (140, 141, 300)] == pytest.approx([0.1, 0.01, 0.0001])


def test_shapes_of_16_frames_of_224_pixels():
    schedule = Schedule(M, Recipe(epochs=100, batch=64, multigrid="both"), VIDEOS)
    found = {(shape.frames, shape.size, shape.factor) for shape in schedule.shapes}
    assert found == {tuple(shape) for shape in GOLDEN["distinct_16x224"]} and len(schedule.shapes) == 8


@pytest.mark.parametrize("frames", GOLDEN["first_cycles"])
def test_few_frames(frames):
    found = [[s.factor, s.frames, s.size] for s in long_cycle(Spec(frames=int(frames), size=160))]
    assert found == GOLDEN["first_cycles"][frames]


# What PySlowFast cannot do


@pytest.mark.parametrize("spec, expected", [
    (X2D, [(2, 1, 79), (1, 1, 112)]),
    (Spec(frames=2, size=112), [(4, 1, 79), (2, 1, 112), (1, 2, 112)]),
])
def test_one_or_two_frames_are_clamped_and_equal_shapes_merged(spec, expected):
    schedule = Schedule(spec, Recipe(epochs=40, batch=8, multigrid="long"), 1000)
    assert [(s.factor, s.frames, s.size) for s in schedule.shapes] == expected


def test_a_long_cycle_alone_has_equal_steps_in_each_of_its_shapes():
    schedule = Schedule(M, Recipe(epochs=3000, batch=8, multigrid="long"), 1000)
    steps = {}
    for epoch in schedule.epochs:
        if epoch.phase.part == 0:
            steps[epoch.phase.shape] = steps.get(epoch.phase.shape, 0) + epoch.steps
    assert len(steps) == 4 and max(steps.values()) / min(steps.values()) < 1.05
    assert all(phase.cycle == (phase.shape,) for phase in schedule.phases)


def test_a_half_cosine_is_scaled_with_the_long_cycles_batch():
    recipe = Recipe(epochs=100, batch=64, rate=0.1, rate_batch=64, warmup_epochs=0, multigrid="both")
    schedule = Schedule(M, recipe, VIDEOS)
    assert {phase.part for phase in schedule.phases} == set(range(recipe.long_cycles + 1))
    for epoch in schedule.epochs:
        cosine = (1 + math.cos(math.pi * epoch.first / schedule.steps)) / 2
        assert schedule.rate(epoch.first) == pytest.approx(0.1 * epoch.phase.shape.factor * cosine)


def test_a_warm_up_ends_at_the_rate_that_is_due():
    recipe = Recipe(epochs=100, batch=64, rate=0.1, rate_batch=64, warmup_epochs=4, multigrid="both")
    schedule, plain = Schedule(M, recipe, VIDEOS), Schedule(M, recipe.model_copy(update={"warmup_epochs": 0}), VIDEOS)
    end = schedule.epochs[4].first
    assert schedule.rate(0) == pytest.approx(0.001) and schedule.rate(end) == pytest.approx(plain.rate(end))
    rates = [schedule.rate(step) for step in range(end + 1)]
    differences = [after - before for before, after in zip(rates, rates[1:])]
    assert max(differences) < 1.1 * min(differences)


@pytest.mark.parametrize("multigrid, size, smallest", [("both", 30, 15), ("short", 31, 16), ("long", 22, 16), ("long", 21, 15)])
def test_crops_that_would_be_too_small(multigrid, size, smallest):
    recipe = Recipe(multigrid=multigrid)
    if smallest >= 16:
        assert min(shape.size for shape in Schedule(Spec(size=size), recipe, 100).shapes) == smallest
        return
    with pytest.raises(InputError, match=f"'{multigrid}': at a crop of {size} pixels it has batches of {smallest}; at least 16"):
        Schedule(Spec(size=size), recipe, 100)


# Any recipe

RECIPES = st.builds(
    Recipe, epochs=st.floats(0.3, 30), batch=st.integers(8, 64), warmup_epochs=st.floats(0, 5),
    multigrid=st.sampled_from([False, "long", "short", "both"]), multigrid_epochs=st.floats(0.5, 2),
    long_cycles=st.integers(1, 4), decays=st.lists(st.floats(0.05, 0.95), max_size=3, unique=True).map(sorted))
SPECS = st.builds(Spec, frames=st.integers(1, 40), stride=st.integers(1, 12), size=st.integers(31, 320))


@given(SPECS, RECIPES, st.integers(1, 300))
def test_every_step_has_one_shape_and_one_rate(spec, recipe, videos):
    schedule = Schedule(spec, recipe, videos)
    step = 0
    for epoch in schedule.epochs:
        assert epoch.first == step and epoch.steps > 0
        assert epoch.factor == sum(epoch.shape(number).factor for number in range(epoch.steps))
        assert all(epoch.shape(number) in schedule.shapes for number in range(epoch.steps))
        step += epoch.steps
    assert step == schedule.steps
    largest = max(phase.shape.factor for phase in schedule.phases) * recipe.scaled_rate
    for step in {0, schedule.steps // 3, schedule.steps - 1}:
        assert 0 <= schedule.rate(step) <= largest * (1 + 1e-9)
    assert all(shape.size >= 16 and shape.frames >= 1 and shape.factor >= 1 for shape in schedule.shapes)
    assert schedule.phases[-1].shape == long_cycle(spec)[-1]  # the network's own
    ends = [schedule.part_end(part) for part in range(5)]
    assert ends == sorted(ends) and ends[0] >= 1 and ends[-1] == len(schedule.epochs)


@given(st.integers(1, 3000), st.integers(1, 64))
def test_splits_divide_the_clips(clips, of_statistic):
    count = splits(clips, of_statistic)
    assert clips % count == 0 and (clips // count >= of_statistic or count == 1)
    if clips % of_statistic == 0:
        assert clips // count == of_statistic


def test_devices_that_cannot_share_a_batch():
    assert statistic_clips(Recipe(batch=64), 8) == 8 and statistic_clips(Recipe(batch=64, bn_clips=4), 8) == 4
    with pytest.raises(InputError, match="recipe.batch is 16: 3 devices cannot share it equally"):
        statistic_clips(Recipe(batch=16), 3)
    with pytest.raises(InputError, match="recipe.bn_clips is 8: of a batch of 16 a device has 4 clips; at most that is allowed"):
        statistic_clips(Recipe(batch=16, bn_clips=8), 4)


@pytest.mark.parametrize("given_, multigrid", [(True, "both"), ("off", False), (False, False), ("short", "short")])
def test_how_it_is_switched(given_, multigrid):
    assert Recipe(multigrid=given_).multigrid == multigrid
    assert Recipe().final(0, {"multigrid": given_}).multigrid == multigrid


@pytest.mark.parametrize("change, message", [
    ({"multigrid": "medium"}, "multigrid"), ({"decays": [0.5, 0.4]}, "0.5, 0.4 do not rise"), ({"decays": [1.0]}, "less than 1"),
    ({"long_cycles": 0}, "long_cycles"), ({"bn_clips": -1}, "bn_clips")])
def test_impossible_values(change, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**change)


def test_a_training_without_multigrid_is_as_the_recipe_counts():
    recipe = Recipe(epochs=2.5, batch=20)
    schedule = Schedule(M, recipe, 48)
    assert (schedule.epochs[0].steps, len(schedule.epochs)) == (3, 3) and schedule.shapes == (long_cycle(M)[-1],)
    assert len(phases(M, recipe)) == 1
