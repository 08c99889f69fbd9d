"""TFLite: a network as one file of TFLite's own operations, in float32 or 8-bit integers, and what reads it.

TensorFlow is imported as `tf.lite`; from 2.20 on it says that this is to move to LiteRT, whose files are the same.
"""

from __future__ import annotations

import io
import tempfile
import warnings
import zipfile
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from expansion.evaluation.metadata import NAME, Card, parse_card
from expansion.foundation.errors import InputError
from expansion.foundation.machine import cores
from expansion.network.model import INFERENCE_ALONE, X3D, forward, probabilities

LABELS = "labels.txt"  # beside the card in the file: one class per line, as other TFLite tools expect them


def convert(model: X3D, card: Card, calibration: Iterable[np.ndarray] | None = None) -> bytes:
    """A .tflite file for one clip at a time: `clip`, (1, frames, size, size, 3) of uint8 pixels.

    In float32 it answers `probabilities`, (1, classes), or of localization (1, frames, classes). In integers it answers
    `logits`, (1, positions, [frames,] classes), of which the mean softmax, or sigmoid by the card's activation, is to be
    taken: a probability of 8 bits has steps of 1/256, in which most of 400 classes vanish.
    The card and the names of the classes are appended as a ZIP archive, which TFLite does not read.

    Args:
        calibration: clips (1, frames, size, size, 3) of uint8 from training videos, for the ranges of the integers;
            None for float32.
    """
    integers = calibration is not None
    logits = forward(model)
    # The converter puts the step from uint8 to its integers in itself, in front of an input of floats.
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32 if integers else tf.uint8, name="clip")

    @tf.function(input_signature=[spec], autograph=False)
    def answer(clip):
        found = logits(clip)
        return {"logits": found} if integers else {"probabilities": probabilities(found, model.task.activation)}

    module = tf.Module()
    module.answer = _without_add_n(answer, spec)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tf.saved_model.save(module, folder, signatures={"serving_default": module.answer}, options=INFERENCE_ALONE)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if integers:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: _full_range(calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        return _with_card(converter.convert(), card)


def _full_range(calibration: Iterable[np.ndarray]):
    """The clips as floats, the first with a black and a white pixel: so that the input's integers are the pixels."""
    for number, clip in enumerate(calibration):
        clip = clip.astype(np.float32)
        if number == 0:
            clip[0, 0, 0, 0], clip[0, 0, 0, 1] = 0, 255
        yield [clip]


def _without_add_n(function, spec: tf.TensorSpec):
    """The same function with sums of two instead of AddN, which TFLite has no integers for and does not delegate."""
    concrete = function.get_concrete_function()
    frozen = convert_variables_to_constants_v2(concrete)
    graph = frozen.graph.as_graph_def()
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        graph.node.extend(_sums(node) if node.op == "AddN" else [node])
    (name,), clips, output = concrete.structured_outputs, frozen.inputs[0].name, frozen.outputs[0].name

    @tf.function(input_signature=[spec], autograph=False)
    def rewritten(clip):
        return {name: tf.graph_util.import_graph_def(graph, {clips: clip}, [output], name="")[0]}

    return rewritten


def _sums(node) -> list:
    """An AddN node as a chain of AddV2; the last has its name."""
    total, chain = node.input[0], []
    for number, term in enumerate(node.input[1:], start=1):
        last = number == len(node.input) - 1
        added = tf.compat.v1.NodeDef(name=node.name if last else f"{node.name}/sum{number}", op="AddV2",
                                     input=[total, term])
        added.attr["T"].CopyFrom(node.attr["T"])
        chain.append(added)
        total = added.name
    return chain


def _with_card(content: bytes, card: Card) -> bytes:
    file = io.BytesIO(content)
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a") as archive:
        # A fixed date, so that the same network gives the same file.
        archive.writestr(zipfile.ZipInfo(NAME), card.text())
        archive.writestr(zipfile.ZipInfo(LABELS), "".join(f"{name}\n" for name in card.class_names))
    return file.getvalue()


class LiteModel:
    """A .tflite file of this project, to be asked.

    Raises:
        InputError: it is none.
    """

    def __init__(self, path: str):
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self.card = parse_card(archive.read(NAME).decode(), path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._interpreter = tf.lite.Interpreter(model_path=path, num_threads=cores())
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise InputError(f"{path}: not a .tflite file of `x3d export` ({error})") from None
        self._run = self._interpreter.get_signature_runner()
        (self._output,) = self._run.get_output_details()

    @property
    def quantized(self) -> bool:
        return self._output == "logits"

    @property
    def operations(self) -> set[str]:
        """Names of the operations in the file."""
        return {entry["op_name"] for entry in self._interpreter._get_ops_details()} - {"DELEGATE"}

    def predict(self, clips: np.ndarray) -> np.ndarray:
        """Clips (batch, frames, size, size, 3) of uint8 to probabilities (batch, classes), one at a time."""
        answers = np.concatenate([self._run(clip=clip[None])[self._output] for clip in np.asarray(clips)])
        return probabilities(answers, self.card.task.activation).numpy() if self.quantized else answers
