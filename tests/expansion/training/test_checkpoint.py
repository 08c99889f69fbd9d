"""A training that was stopped ends as one that was not, to the bit; a checkpoint of something else is refused."""

import os

import keras
import numpy as np
import pytest

from expansion.foundation.errors import InputError
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.training.checkpoint import STATE, Checkpoint
from expansion.training.fit import compile_model, new_model, train

SPEC = Spec(frames=2, stride=4, size=24, width=0.34, depth=0.2)
# Batches that do not divide the 48 videos, and both kinds of random generators.
RECIPE = Recipe(epochs=3, batch=20, rate=0.05, rate_batch=16, warmup_epochs=0.5, dropout=0.3, drop_connect=0.3)
CLIPS = ClipSettings(views=2)


class Stopped(Exception):
    """Stands for whatever ends a process."""


class Stop(keras.callbacks.Callback):
    """Ends a training after a batch of an epoch, both from 0."""

    def __init__(self, epoch, batch=1):
        super().__init__()
        self.epoch, self.batch, self.now = epoch, batch, None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == self.batch:
            raise Stopped


def training(data, recipe=RECIPE, spec=SPEC, seed=0, **options):
    model = new_model(spec, data, recipe, seed)
    return model, train(model, data, recipe, CLIPS, seed=seed, **options)


def same(model, other):
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


@pytest.fixture(scope="module")
def undisturbed(demo_records):
    return training(demo_records)


@pytest.fixture(scope="module")
def stopped(demo_records, tmp_path_factory):
    """The folder of a training that was stopped in its second epoch, then in its third."""
    folder = str(tmp_path_factory.mktemp("checkpoint"))
    for epoch in (1, 2):
        with pytest.raises(Stopped):
            training(demo_records, checkpoint=folder, callbacks=[Stop(epoch)])
    return folder


@pytest.mark.slow
def test_it_ends_as_if_it_had_not_been_stopped(demo_records, undisturbed, stopped):
    epochs = []
    model, history = training(demo_records, checkpoint=stopped, on_epoch=lambda epoch, of, logs: epochs.append((epoch, of)))
    assert epochs == [(3, 3)]
    assert same(model, undisturbed[0])
    for name in ("loss", "accuracy", "learning_rate"):
        assert history[name] == undisturbed[1][name] and len(history[name]) == 3
    assert len(history["clips_per_second"]) == 3


@pytest.mark.slow
def test_a_finished_training_is_only_restored(demo_records, undisturbed, stopped, monkeypatch):
    training(demo_records, checkpoint=stopped)
    monkeypatch.setattr("keras.Model.fit", None)
    model, history = training(demo_records, checkpoint=stopped)
    assert same(model, undisturbed[0]) and history["loss"] == undisturbed[1]["loss"]


def test_a_stop_while_the_state_is_written_leaves_the_last_one(demo_records, tmp_path, monkeypatch):
    model = compile_model(new_model(SPEC, demo_records, RECIPE), RECIPE, 48)
    checkpoint = Checkpoint(str(tmp_path), model, demo_records, RECIPE, CLIPS, 0)
    checkpoint.save({"loss": [1.5]})
    weights = model.get_weights()
    model.set_weights([weight + 1 for weight in weights])

    def fail(*_):
        raise Stopped

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(Stopped):
        checkpoint.save({"loss": [1.5, 1.0]})
    assert checkpoint.restore() == {"loss": [1.5]}
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("change, message", [
    ({"spec": Spec(frames=2, stride=4, size=32, width=0.34, depth=0.2)}, "network.size is 24 there and 32 here"),
    ({"recipe": RECIPE.model_copy(update={"epochs": 9})}, "recipe.epochs is 3.0 there and 9.0 here"),
    ({"seed": 1}, "seed is 0 there and 1 here"),
])
def test_another_training_is_refused(demo_records, stopped, change, message):
    with pytest.raises(InputError, match=f"of another training: {message}$"):
        training(demo_records, checkpoint=stopped, **change)


@pytest.mark.slow
def test_other_data_are_refused(demo_records, stopped):
    other = type(demo_records)(demo_records.path, demo_records.manifest.model_copy(update={"fingerprint": "other"}))
    with pytest.raises(InputError, match="data is '.*' there and 'other' here"):
        training(other, checkpoint=stopped)


@pytest.mark.slow
def test_what_is_no_checkpoint_is_refused(demo_records, tmp_path):
    (tmp_path / STATE).write_bytes(b"PK but no archive")
    with pytest.raises(InputError, match="not a training's state"):
        training(demo_records, checkpoint=str(tmp_path))
