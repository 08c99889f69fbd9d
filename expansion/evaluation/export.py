"""Exports of a trained network: a SavedModel with signatures for records and for clips, and TFLite files."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from expansion.data.videos import parse
from expansion.data.views import ViewCutter
from expansion.evaluation.metadata import CARD, Card
from expansion.evaluation.networks import Network
from expansion.evaluation.tflite import convert
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.network.model import INFERENCE_ALONE, X3D, at_size, forward, probabilities
from expansion.recipe import ClipSettings

PROBABILITIES = "probabilities"


def _share(total, count):
    return total / tf.cast(count, tf.float32)


def _itself(total, count):
    return total


# How the answers to the clips of a video become one, by Task.protocol: what adds them up, and what makes an answer of that.
COMBINED = {"mean of views": (tf.reduce_sum, _share), "views": (tf.reduce_max, _itself), "points": (tf.reduce_max, _itself)}


def export_saved_model(model: X3D, path: str, settings: ClipSettings = ClipSettings(), size: int | None = None) -> None:
    """Writes a SavedModel with two signatures, each to {"probabilities": (batch, classes)}.

    serving_default: `examples`, serialised records (batch,) of strings; the mean softmax over the views of each, or with several
    labels the largest sigmoid.
    clips: `clips`, pixels (batch, frames, size, size, 3) of uint8; the softmax or sigmoids of each. For localization they are
    those of each frame, (batch, frames, classes).

    Args:
        settings: number of views and crops, and scale, of what serving_default cuts.
        size: pixels of the clips; None for what the settings say.
    """
    model = at_size(model, size or settings.evaluation_size(model.spec.size))
    logits, cutter = forward(model), ViewCutter(model.spec, settings, model.size)
    combine, finish = COMBINED[model.task.protocol]
    module = tf.Module()
    module.variables_ = [variable.value for variable in model.variables]  # what the functions below use
    row = tf.TensorSpec([model.classes], tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def of_examples(examples):
        def of_record(record):
            video = parse(record, model.task.labels)
            views = cutter.views(video)

            def of_chunk(number):
                found = probabilities(logits(cutter.chunk(video, views, number)), model.task.activation)
                return combine(tf.reshape(found, (-1, model.classes)), axis=0)

            parts = tf.map_fn(of_chunk, tf.range(cutter.chunks(views)), fn_output_signature=row, parallel_iterations=1)
            return finish(combine(parts, axis=0), tf.size(views.starts) * tf.size(views.tops))

        return {PROBABILITIES: tf.map_fn(of_record, examples, fn_output_signature=row, parallel_iterations=2)}

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="clips")],
                 autograph=False)
    def of_clips(clips):
        return {PROBABILITIES: probabilities(logits(clips), model.task.activation)}

    module.serving_default, module.of_clips = of_examples, of_clips
    tf.saved_model.save(module, path, signatures={"serving_default": of_examples, "clips": of_clips},
                        options=INFERENCE_ALONE)
    files.write_text(os.path.join(path, CARD), Card.of(model, settings).text())


def export_tflite(model: X3D, path: str, settings: ClipSettings = ClipSettings(), size: int | None = None,
                  calibration: Iterable[np.ndarray] | None = None) -> None:
    """Writes a .tflite file for one clip at a time; see expansion.evaluation.tflite.convert.

    Args:
        settings: how clips are to be cut for it; kept in the file.
        size: pixels of the clips; None for what the settings say.
        calibration: clips (1, frames, size, size, 3) of uint8 from training videos: integers instead of floats.

    Raises:
        InputError: the path does not end with .tflite.
    """
    if not path.endswith(".tflite"):
        raise InputError(f"{path}: a name that ends with .tflite is needed")
    model = at_size(model, size or settings.evaluation_size(model.spec.size))
    files.write_bytes(path, convert(model, Card.of(model, settings), calibration))


def largest_difference(network: Network, reference: Network, clips: np.ndarray) -> tuple[float, float]:
    """How two networks answer the same clips: (largest difference of a probability, share with the same top class).

    Args:
        clips: (batch, frames, size, size, 3) of uint8; they go through one at a time.
    """
    found, expected = (np.concatenate([one.predict(clip[None]) for clip in clips]) for one in (network, reference))
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    return float(np.abs(found - expected).max()), float(same.mean())
