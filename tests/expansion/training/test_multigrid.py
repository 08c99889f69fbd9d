"""Multigrid training: one trace for each shape, killed in every phase it ends as undisturbed, the clips that a step should see."""

import numpy as np
import pytest

from expansion.data.scheduled import scheduled_clips
from expansion.foundation.errors import InputError
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.schedule import Schedule
from expansion.spec import Spec
from expansion.training import scheduled
from expansion.training.fit import new_model, train
from tests.expansion.training.test_checkpoint import Stop, Stopped, same

SPEC = Spec(frames=4, stride=2, size=32, width=0.34, depth=0.2)
RECIPE = Recipe(epochs=8, batch=4, rate=0.05, rate_batch=4, warmup_epochs=0.5, dropout=0.3, drop_connect=0.3, multigrid="both",
                long_cycles=1, bn_clips=2)
CLIPS = ClipSettings(views=2)


def training(data, recipe=RECIPE, spec=SPEC, seed=0, **options):
    model = new_model(spec, data, recipe, seed)
    return model, train(model, data, recipe, CLIPS, seed=seed, **options)


@pytest.fixture(scope="module")
def undisturbed(demo_records):
    return training(demo_records)


@pytest.mark.slow
def test_a_trace_for_each_shape(demo_records, undisturbed, monkeypatch):
    traced = []
    original = scheduled.training_logits
    monkeypatch.setattr(scheduled, "training_logits", lambda *args: traced.append(args[1].shape) or original(*args))
    model, history = training(demo_records)
    schedule = Schedule(SPEC, RECIPE, 48)
    assert [tuple(shape[:3]) for shape in traced] == [(4 * s.factor, s.frames, s.size) for s in schedule.shapes]
    assert len(traced) == len(set(traced)) == 8
    assert same(model, undisturbed[0])  # a second run is the first one to the bit
    assert history["frames"] == [epoch.phase.shape.frames for epoch in schedule.epochs]
    assert sum(history["steps"]) == schedule.steps < 8 * 12 / 2
