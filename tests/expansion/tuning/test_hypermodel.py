"""The space of specs for Keras Tuner's tuners: limits hold, parts of a training make the whole, a search runs."""

import statistics

import keras_tuner
import numpy as np
import pytest

import expansion
from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.evaluation.evaluate import evaluate
from expansion.foundation.errors import InputError
from expansion.spec import Spec
from expansion.tuning.hypermodel import X3DHyperModel
from tests.expansion.manifests import manifest_of

DATA = VideoDataset("nowhere", manifest_of(["a", "b"], {"train": 10, "val": 4}, frames=40, short_side=170))
SEED = Spec(stride=4, size=64)
TINY = Spec(frames=2, stride=2, size=24, width=0.34, depth=0.2)
RECIPE = expansion.Recipe(epochs=2, batch=16, rate=0.05, rate_batch=16, warmup_epochs=0.5, precise_bn=1)
CLIPS = expansion.ClipSettings(flip=False, views=2)


def drawn(space: X3DHyperModel, number: int):
    """Hyperparameters as a random search draws them, before the space has seen them."""
    hp = keras_tuner.HyperParameters()
    space.spec(hp)
    hp.values = {each.name: each.random_sample(1000 * number + place) for place, each in enumerate(hp.space)}
    return hp


@pytest.mark.parametrize("limit", ["macs <= 30M", "params < 2M", "memory <= 20 MiB"])
def test_every_spec_keeps_to_the_constraint_and_to_the_data(limit):
    space = X3DHyperModel(DATA, smallest=SEED, constraints=[limit])
    measured = {"macs": lambda c: c.macs, "params": lambda c: c.params, "memory": lambda c: 4 * c.stored}
    [constraint] = space.constraints
    shares = []
    for number in range(60):
        hp = drawn(space, number)
        spec = space.spec(hp)
        assert DATA.limits.broken_by(spec) is None and constraint.holds(measured[constraint.measure](complexity(spec, 2)))
        assert Spec(**hp.values) == spec == space.spec(hp)  # what a tuner learns from is what was trained
        shares.append(measured[constraint.measure](complexity(spec, 2)) / constraint.limit)
    assert statistics.median(shares) > 0.7  # drawn in, but no further than it takes


def test_the_shape_of_a_spec_that_is_drawn_in_stays():
    space = X3DHyperModel(DATA, smallest=SEED, constraints=["macs <= 30M"])
    hp = drawn(space, 0)
    hp.values = Spec(frames=8, stride=4, size=64, depth=5.0).as_dict()
    found = space.spec(hp)
    assert (found.size, found.width, found.bottleneck) == (64, 1, 1) and found.frames > 1 and found.depth > 1


def test_without_shrinking_a_spec_above_the_limit_fails_unbuilt():
    space = X3DHyperModel(DATA, smallest=SEED, constraints=["macs <= 30M"], shrink=False)
    hp = drawn(space, 0)
    hp.values = Spec(frames=8, stride=4, size=64, depth=5.0).as_dict()
    with pytest.raises(keras_tuner.errors.FailedTrialError, match=r"8x4 64px .*macs of .*; the constraint is macs <= 30 M"):
        space.build(hp)


def test_a_clip_longer_than_the_videos_gets_the_largest_stride_that_fits():
    space = X3DHyperModel(DATA, smallest=SEED.replace(stride=32))
    hp = drawn(space, 0)
    hp.values = SEED.replace(frames=4, stride=32).as_dict()
    assert (space.spec(hp).stride, hp.values["stride"]) == (13, 13)


@pytest.mark.parametrize("changes, message", [
    ({"smallest": Spec(size=200)}, "smallest: no network can be built: a crop of 200 pixels is larger than the source's 170"),
    ({"constraints": ["macs < 1M"]}, "smallest: no network can be built: macs of .*; the constraint is macs < 1 M"),
    ({"constraints": ["latency < 1 ms"]}, "constraints: latency < 1 ms would have every network of the space run"),
    ({"constraints": ["macs = 1M"]}, "constraints: a quantity, < or <="),
    ({"largest": Spec(depth=0.5)}, "smallest: depth is 1, more than the largest's 0.5"),
])
def test_a_space_without_networks_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        X3DHyperModel(DATA, **changes)


@pytest.mark.parametrize("args, kwargs, message", [
    ((np.zeros(1),), {}, "search got ndarray: X3DHyperModel feeds the clips of its data"),
    ((), {"validation_data": None}, "search got validation_data=: X3DHyperModel feeds"),
    ((), {"epochs": 300}, "epochs 0 to 300 were asked for; the recipe has 2"),
])
def test_what_no_trial_could_use_ends_the_search(args, kwargs, message):
    with pytest.raises(keras_tuner.errors.FatalError, match=message):
        X3DHyperModel(DATA, recipe=RECIPE).fit(None, None, *args, **kwargs)


@pytest.mark.slow
def test_a_random_search(demo_records, tmp_path):
    space = X3DHyperModel(demo_records, smallest=TINY, largest=Spec(frames=4, stride=4, size=32, width=0.44, depth=0.4),
                          constraints=["macs <= 1.5M"], recipe=RECIPE.model_copy(update={"epochs": 1.0}), clips=CLIPS)
    tuner = keras_tuner.RandomSearch(space, objective=space.objective, max_trials=2, seed=3, directory=tmp_path)
    tuner.search(verbose=0)
    trials = tuner.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 2
    best, model = trials[0], tuner.get_best_models()[0]
    assert model.spec == space.spec(best.hyperparameters) and complexity(model.spec, 8).macs <= 1.5e6
    assert model.class_names == demo_records.classes
    assert evaluate(model, demo_records, "val", CLIPS).accuracy == pytest.approx(best.score)  # the weights are those of the end


@pytest.mark.slow
def test_hyperband_continues_a_training_where_it_stopped(demo_records, tmp_path):
    """What Hyperband does with a trial that it promotes: the weights of its first part, then the epochs that are left."""
    recipe = RECIPE.model_copy(update={"dropout": 0.0})  # Keras does not store what dropout draws next
    space = X3DHyperModel(demo_records, smallest=TINY, largest=TINY, recipe=recipe, clips=CLIPS)
    hp, file = keras_tuner.HyperParameters(), str(tmp_path / "first.weights.h5")
    whole, first, second = (space.build(hp) for _ in range(3))
    assert set(space.fit(hp, whole)) == {"val_accuracy", "val_loss"}
    space.fit(hp, first, epochs=1)
    first.save_weights(file)
    second.load_weights(file)
    space.fit(hp, second, initial_epoch=1, epochs=2)
    assert int(second.optimizer.iterations) == int(whole.optimizer.iterations) == 6
    step = max(float(np.abs(a - b).max()) for a, b in zip(whole.get_weights(), first.get_weights()))
    apart = max(float(np.abs(a - b).max()) for a, b in zip(whole.get_weights(), second.get_weights()))
    assert apart < 1e-3 * step
