"""SavedModels of a trained network, with signatures for records and for raw clips."""

from __future__ import annotations

import tensorflow as tf

from expansion.clips import evaluation_clips, parse
from expansion.model import X3D
from expansion.recipe import ClipSettings

PROBABILITIES = "probabilities"


def export_saved_model(model: X3D, path: str, settings: ClipSettings = ClipSettings()) -> None:
    """Writes a SavedModel with two signatures, each to {"probabilities": (batch, classes)}.

    serving_default: `examples`, serialised records (batch,) of strings; the mean softmax over the views of each.
    clips: `clips`, pixels (batch, frames, size, size, 3) of uint8; the softmax of each.
    """
    module = tf.Module()
    module.variables_ = [variable.value for variable in model.variables]  # what the functions below use
    module.class_names = tf.constant(list(model.class_names) or [""], tf.string)

    def softmax(clips):
        return tf.nn.softmax(model(clips, training=False))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def of_examples(examples):
        def one(record):
            clips = evaluation_clips(parse(record), model.spec, settings)
            return tf.reduce_mean(softmax(clips), axis=0)

        row = tf.TensorSpec([model.classes], tf.float32)
        return {PROBABILITIES: tf.map_fn(one, examples, fn_output_signature=row, parallel_iterations=2)}

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="clips")],
                 autograph=False)
    def of_clips(clips):
        return {PROBABILITIES: softmax(clips)}

    module.serving_default, module.of_clips = of_examples, of_clips
    tf.saved_model.save(module, path, signatures={"serving_default": of_examples, "clips": of_clips})
