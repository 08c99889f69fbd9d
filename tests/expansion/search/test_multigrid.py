"""What a search knows of multigrid training: where candidates are compared, what a training costs, when it is too short."""

import pytest

from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.recipe import Recipe
from expansion.recipe.schedule import Schedule, epochs_in, traces
from expansion.search.forecast import Speed, training_at
from expansion.search.multigrid_saving import multigrid_saving
from expansion.search.racing import RaceSettings, race_with, rung_epoch, rung_of
from expansion.search.training_cost import full_epochs
from expansion.spec import NAMED, X2D, Spec
from expansion.tuning.jobs import SearchJob

RECIPE = Recipe(epochs=40, batch=16, multigrid="both")
CANDIDATES = [X2D, X2D.replace(frames=5), X2D.replace(size=160), NAMED["S"]]


@pytest.mark.parametrize("share, cycle", [(0.1, 1), (0.3, 1), (0.5, 2), (0.9, 3)])
def test_a_rung_is_at_the_end_of_the_same_long_cycle_for_all_candidates(share, cycle):
    for spec in CANDIDATES:
        schedule = Schedule(spec, RECIPE, 2000)
        epoch = rung_of(share, spec, RECIPE, 2000)
        assert epoch < len(schedule.epochs)
        before, after = schedule.epochs[epoch - 1].phase, schedule.epochs[epoch].phase
        assert (before.part, after.part) == (cycle - 1, cycle)
        assert before.shape.frames == spec.frames and before.shape.size == spec.size


def test_a_forecast_has_rungs_where_they_lie():
    race = RaceSettings(on=True, rungs=(0.3, 0.7))
    assert race_with(race, RECIPE.model_copy(update={"multigrid": False})) == race
    assert race_with(race, RECIPE).rungs == (0.25, 0.75)
    recipe = RECIPE.model_copy(update={"epochs": 400})
    schedule = Schedule(NAMED["M"], recipe, 2000)
    for share in (0.25, 0.75):
        epochs = schedule.epochs[:rung_of(share, NAMED["M"], recipe, 2000)]
        assert sum(epoch.steps for epoch in epochs) / schedule.steps == pytest.approx(share, rel=0.02)


def test_without_a_long_cycle_a_rung_is_at_its_share():
    plain, short = (RECIPE.model_copy(update={"multigrid": value}) for value in (False, "short"))
    for spec in CANDIDATES:
        assert rung_of(0.3, spec, plain, 2000) == rung_epoch(0.3, 40) == 12
        assert rung_of(0.3, spec, short, 2000) == 18  # of 60


def test_two_rungs_of_one_cycle_are_refused():
    search = {"race": {"on": True, "rungs": [0.2, 0.3]}}
    message = "rungs 0.2, 0.3: with recipe.multigrid 'both' one rung .* at 0.25, 0.5, 0.75 of the epochs"
    with pytest.raises(InputError, match=message):
        parse_settings(SearchJob, {"search": search, "recipe": {"multigrid": True}}, "config")
    SearchJob(search=search)
    SearchJob(search={"race": {"on": True, "rungs": [0.2, 0.5]}}, recipe={"multigrid": True})


def test_what_a_training_costs():
    plain, spec = RECIPE.model_copy(update={"multigrid": False}), NAMED["M"]
    assert full_epochs(spec, plain, 2000) == epochs_in(spec, plain, 2000) == 40 and traces(spec, plain, 2000) == 1
    assert full_epochs(spec, plain, 2000, 12) == 12
    assert epochs_in(spec, RECIPE, 2000) == 60 and traces(spec, RECIPE, 2000) == 8
    assert 40 / full_epochs(spec, RECIPE, 2000) == pytest.approx(3.1, abs=0.1)  # of 3.4 times fewer steps
    ends = [full_epochs(spec, RECIPE, 2000, until) for until in range(1, 61)]
    assert ends == sorted(ends) and ends[-1] == full_epochs(spec, RECIPE, 2000)
    training = training_at(spec, RECIPE, 0, 2000)
    seconds = Speed(20.0, 5.0).seconds(4_700_000_000, training.clips, training.shapes)
    assert seconds == pytest.approx(8 * 5 + 3 * 4.7 * Schedule(spec, RECIPE, 2000).steps * 16 / 20, rel=0.1)
    tiny = Spec(frames=4, size=32, depth=0.4)  # whose last layers are a good part of it, for each clip
    assert full_epochs(tiny, RECIPE, 2000) > 1.5 * full_epochs(spec, RECIPE, 2000)


def test_a_short_training_does_not_pay_for_its_traces():
    small = Spec(frames=4, stride=4, size=32, width=0.5, depth=0.4)
    short = multigrid_saving(small, RECIPE.model_copy(update={"epochs": 2}), 100, 8, Speed())
    long = multigrid_saving(NAMED["M"], RECIPE, 2000, 8, Speed())
    assert not short.pays and long.pays
    assert long.shapes == 8 and 3 < long.plain_steps / long.steps < 4
