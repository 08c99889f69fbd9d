"""Multigrid training: one trace for each shape; killed in every phase, it ends as undisturbed; what is refused."""

import pytest

from expansion.foundation.errors import InputError
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.schedule import Schedule
from expansion.spec import Spec
from expansion.training import scheduled
from expansion.training.checkpoint import Checkpoint
from expansion.training.fit import compile_model, new_model, train
from tests.expansion.training.test_checkpoint import Stop, Stopped, same

SPEC = Spec(frames=4, stride=2, size=32, width=0.34, depth=0.2)
RECIPE = Recipe(epochs=8, batch=4, rate=0.05, rate_batch=4, warmup_epochs=0.5, dropout=0.3, drop_connect=0.3, multigrid="both",
                long_cycles=1, bn_clips=2)
CLIPS = ClipSettings(views=2)
SCHEDULE = Schedule(SPEC, RECIPE, 48)


def training(data, recipe=RECIPE, spec=SPEC, seed=0, **options):
    model = new_model(spec, data, recipe, seed)
    return model, train(model, data, recipe, CLIPS, seed=seed, **options)


@pytest.fixture(scope="module")
def undisturbed(demo_records):
    """Model, history, and the shapes of clips that were traced."""
    traced, original = [], scheduled.training_logits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduled, "training_logits", lambda *args: traced.append(tuple(args[1].shape)) or original(*args))
        return *training(demo_records), traced


@pytest.mark.slow
def test_a_trace_for_each_shape(undisturbed):
    _, history, traced = undisturbed
    assert traced == [(4 * s.factor, s.frames, s.size, s.size, 3) for s in SCHEDULE.shapes]
    assert len(traced) == len(set(traced)) == 8
    assert history["frames"] == [epoch.phase.shape.frames for epoch in SCHEDULE.epochs]
    assert history["learning_rate"] == [SCHEDULE.rate(epoch.first + epoch.steps - 1) for epoch in SCHEDULE.epochs]
    assert history["steps"] == [epoch.steps for epoch in SCHEDULE.epochs] and sum(history["steps"]) == SCHEDULE.steps
    assert SCHEDULE.steps < RECIPE.epochs * 12 / 2
    assert {name: len(values) for name, values in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "start_seconds", "epoch_seconds", "learning_rate", "clips_per_second", "input_wait_seconds",
         "frames", "size", "batch", "steps"), len(SCHEDULE.epochs))


@pytest.mark.slow
def test_killed_in_every_phase_it_ends_as_undisturbed(demo_records, undisturbed, tmp_path):
    phases = {epoch.phase: number for number, epoch in reversed(list(enumerate(SCHEDULE.epochs)))}
    assert len(phases) == 5
    for epoch in sorted(phases.values()):
        with pytest.raises(Stopped):
            training(demo_records, checkpoint=str(tmp_path), callbacks=[Stop(epoch, SCHEDULE.epochs[epoch].steps // 2)])
    model, history = training(demo_records, checkpoint=str(tmp_path))
    assert same(model, undisturbed[0])
    for name in ("loss", "accuracy", "learning_rate", "batch"):
        assert history[name] == undisturbed[1][name]


@pytest.mark.parametrize("change, message", [
    ({"multigrid": "long"}, "recipe.multigrid is 'both' there and 'long' here"),
    ({"long_cycles": 2}, "recipe.long_cycles is 1 there and 2 here"),
])
def test_a_checkpoint_of_another_schedule_is_refused(demo_records, tmp_path, change, message):
    model = compile_model(new_model(SPEC, demo_records, RECIPE), RECIPE, 48)
    Checkpoint(str(tmp_path), model, demo_records, RECIPE, CLIPS, 0).save({"loss": [1.0]})
    with pytest.raises(InputError, match=f"of another training: {message}"):
        training(demo_records, RECIPE.model_copy(update=change), checkpoint=str(tmp_path))


def test_statistics_of_more_clips_than_there_are(demo_records):
    with pytest.raises(InputError, match="recipe.bn_clips is 8: of a batch of 4 a device has 4 clips; at most that is allowed"):
        training(demo_records, RECIPE.model_copy(update={"bn_clips": 8}))


def test_crops_that_are_too_small_are_found_before_anything_trains(demo_records):
    with pytest.raises(InputError, match="at a crop of 24 pixels it has batches of 12; at least 16 pixels"):
        training(demo_records, spec=SPEC.replace(size=24))


@pytest.mark.slow
def test_rates_that_decay_and_split_statistics_need_no_multigrid(demo_records):
    recipe = RECIPE.model_copy(update={"multigrid": False, "decays": (0.5,), "epochs": 2, "warmup_epochs": 0})
    _, history = training(demo_records, recipe)
    assert history["learning_rate"] == pytest.approx([0.05, 0.005]) and history["steps"] == [12, 12]
