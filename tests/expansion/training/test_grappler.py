"""Training runs without grappler on a CPU, and leaves TensorFlow as it was."""

import keras
import pytest
import tensorflow as tf

from expansion.network.model import build_model
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.training.fit import train
from expansion.training.grappler import SWITCH, without_passes

SPEC = Spec(frames=1, stride=4, size=16, width=0.34, depth=0.2)


def off():
    return tf.config.optimizer.get_experimental_options().get(SWITCH, False)


@pytest.fixture
def model():
    return build_model(SPEC, 8)


@pytest.mark.slow
def test_a_training_runs_without_and_leaves_it_as_it_was(demo_records, model):
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(off()))
    train(model, demo_records, Recipe(epochs=1, batch=24), ClipSettings(), callbacks=[watch])
    assert seen == [True, True] and not off()


def test_what_a_user_set_stays(model):
    tf.config.optimizer.set_experimental_options({SWITCH: True, "remapping": False})
    try:
        with without_passes(model):
            assert off()
        assert off() and tf.config.optimizer.get_experimental_options()["remapping"] is False
    finally:
        tf.config.optimizer.set_experimental_options({SWITCH: False, "remapping": True})


def test_an_error_leaves_it_as_it_was_too(model):
    with pytest.raises(KeyError), without_passes(model):
        raise KeyError
    assert not off()


def test_an_accelerator_keeps_its_passes(model, monkeypatch):
    gpu = tf.config.LogicalDevice("/device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda *_: [gpu])
    with without_passes(model):
        assert not off()
