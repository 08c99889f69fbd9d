"""ONNX: a network as one file for runtimes other than TensorFlow's, and what reads it. An extra: tf2onnx and onnxruntime."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import tensorflow as tf

from expansion.evaluation.metadata import NAME, Card, parse_card
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.network.frozen import folded_forward
from expansion.network.model import X3D, probabilities

OPSET = 17
MISSING = "ONNX needs tf2onnx, onnx and onnxruntime: pip install 'x3d-search[onnx]'"


def convert(model: X3D, card: Card) -> bytes:
    """A .onnx file: `clips`, (batch, frames, size, size, 3) of uint8 pixels, to `probabilities`, (batch, [frames,] classes).

    Batch norm is folded into the convolutions. The card is in the file's metadata, under its name.

    Raises:
        InputError: the packages are not installed.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError:
        raise InputError(MISSING) from None
    logits = folded_forward(model)
    clips = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="clips")

    @tf.function(input_signature=[clips], autograph=False)
    def answer(clips):
        return {"probabilities": probabilities(logits(clips), model.task.activation)}

    made, _ = tf2onnx.convert.from_function(answer, input_signature=[clips], opset=OPSET)
    onnx.helper.set_model_props(made, {NAME: card.text()})
    return made.SerializeToString()


class OnnxModel:
    """A .onnx file of this project, to be asked.

    Raises:
        InputError: it is none, or the packages are not installed.
    """

    def __init__(self, path: str):
        try:
            import onnxruntime
        except ImportError:
            raise InputError(MISSING) from None
        with tempfile.TemporaryDirectory() as folder:
            there = os.path.join(folder, "m.onnx")
            with open(there, "wb") as file:
                file.write(files.read_bytes(path))
            try:
                self._session = onnxruntime.InferenceSession(there, providers=onnxruntime.get_available_providers())
                self.card = parse_card(self._session.get_modelmeta().custom_metadata_map[NAME], path)
            except (KeyError, RuntimeError, ValueError) as error:
                raise InputError(f"{path}: not a .onnx file of `x3d export` ({str(error).splitlines()[0]})") from None

    def predict(self, clips: np.ndarray) -> np.ndarray:
        """Clips (batch, frames, size, size, 3) of uint8 to probabilities (batch, [frames,] classes)."""
        return self._session.run(["probabilities"], {"clips": np.asarray(clips)})[0]
