"""The forward pass of evaluation and export, in one place."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from expansion.network.model import X3D

# For a SavedModel: without the network's own gradients, which serve training alone.
INFERENCE_ALONE = tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def forward(model: X3D) -> Callable[[tf.Tensor], tf.Tensor]:
    """What evaluation and export run: clips (batch, frames, size, size, 3) to logits (batch, places, classes)."""

    def logits(clips):
        places = model.place_logits(clips)
        return tf.reshape(places, (-1, places.shape[1] * places.shape[2], places.shape[3]))

    return logits


def probabilities(logits):
    """Logits (batch, places, classes) to the mean of the places' softmax, (batch, classes)."""
    return tf.reduce_mean(tf.nn.softmax(logits), axis=1)
