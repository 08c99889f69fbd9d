"""The heads of tasks: localization has the classifier's own weights, and every form of a network gives the same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from expansion.evaluation.networks import keras_network
from expansion.network.model import build_model, forward, probabilities
from expansion.network.saving import load_model, save_model
from expansion.network.shapes import training_logits
from expansion.spec import Spec
from expansion.training.losses import RIGHT_CLIPS, FramesAndMaximum, LabelOnTop
from tests.expansion.networks import assert_equal_but_for_rounding, awake
from tests.expansion.networks import clips as noise

SPEC = Spec(frames=4, stride=2, size=32, width=0.5, depth=0.4, bottleneck=2.25)


@pytest.fixture(scope="module")
def localizer():
    return awake(build_model(SPEC, 3, task="localization", class_names=("a", "b", "c")))


def test_the_mean_over_frames_before_the_last_layers_is_the_classifier(localizer):
    """With a linear head the classifier's logits are the mean of the frames'; so the weights of both are the same layers."""
    classifier = build_model(SPEC, 3, task="multi-label")
    assert [weight.path for weight in classifier.weights] == [weight.path for weight in localizer.weights]
    classifier.set_weights(localizer.get_weights())
    clips = noise(SPEC, 2)
    features = keras.Model(localizer.input, localizer.get_layer("head_relu").output)(clips)
    pooled = tf.reduce_mean(tf.reshape(features, (4, 2, -1, features.shape[-1])), axis=(0, 2))
    expected = classifier.get_layer("logits")(classifier.get_layer("head_linear")(pooled))
    assert_equal_but_for_rounding(classifier(clips, training=False), expected)
    frames = tf.transpose(tf.reduce_mean(tf.reshape(features, (4, 2, -1, features.shape[-1])), axis=2), (1, 0, 2))
    assert_equal_but_for_rounding(localizer(clips, training=False),
                                  localizer.get_layer("logits")(localizer.get_layer("head_linear")(frames)))


def test_folded_and_stored_networks_answer_alike(localizer, tmp_path):
    clips = noise(SPEC, 2)
    expected = tf.sigmoid(localizer(clips, training=False)).numpy()
    assert expected.shape == (2, 4, 3)
    assert_equal_but_for_rounding(keras_network(localizer).predict(clips.astype("uint8")), expected)
    save_model(localizer, str(tmp_path / "m.keras"))
    loaded = load_model(str(tmp_path / "m.keras"))
    assert loaded.task is localizer.task and loaded.class_names == ("a", "b", "c")
    assert_equal_but_for_rounding(tf.sigmoid(loaded(clips, training=False)), expected)


@pytest.mark.parametrize("task, shape", [("multi-label", (1, 3)), ("localization", (1, 4, 3))])
def test_above_the_training_crop_the_positions_are_averaged(task, shape):
    model = awake(build_model(SPEC, 3, task=task, size=64))
    clips = noise(SPEC.replace(size=64), 1)
    logits = forward(model)(clips)
    assert logits.shape == (1, 4, *shape[1:])
    expected = tf.reduce_mean(tf.sigmoid(logits), axis=1)
    assert expected.shape == shape
    assert_equal_but_for_rounding(probabilities(logits, "sigmoid"), expected)
    assert_equal_but_for_rounding(tf.sigmoid(model(clips, training=False)), expected)
    assert_equal_but_for_rounding(keras_network(model).predict(clips.astype("uint8")), expected)


def test_frames_of_split_clips_stay_with_their_clip(localizer):
    clips = noise(SPEC, 4)
    logits = training_logits(localizer, tf.constant(clips), 2)
    assert logits.shape == (4, 4, 3)


def test_the_loss_of_frames_and_of_their_maximum():
    labels = tf.constant([[[1.0, 0.0], [0.0, 0.0]]])
    logits = tf.constant([[[2.0, -1.0], [-3.0, 0.5]]])

    def entropy(truth, answer):
        return np.log1p(np.exp(-answer if truth else answer))

    frames = np.mean([entropy(1, 2.0), entropy(0, -1.0), entropy(0, -3.0), entropy(0, 0.5)])
    clip = np.mean([entropy(1, 2.0), entropy(0, 0.5)])
    assert FramesAndMaximum()(labels, logits).numpy() == pytest.approx((frames + clip) / 2, rel=1e-6)


def test_training_accuracy_is_the_share_whose_most_probable_class_is_a_label():
    labels, logits = tf.constant([[1.0, 1, 0], [0, 0, 1], [0, 0, 0]]), tf.constant([[0.0, 2, 1], [3, 0, 1], [1, 0, 0]])
    metric = LabelOnTop()
    metric.update_state(labels, logits)
    assert float(metric.result()) == pytest.approx(1 / 3)
    assert RIGHT_CLIPS["clip"](labels, logits).numpy().tolist() == [1, 0, 0]
    assert RIGHT_CLIPS["frames"](labels[None], logits[None]).numpy().tolist() == pytest.approx([1 / 3])
