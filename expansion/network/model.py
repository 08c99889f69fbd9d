"""The X3D network in Keras for any spec (arXiv 2004.04730, Table 1), with time folded into the batch."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from expansion.foundation.errors import InputError
from expansion.network.blocks import Bottleneck
from expansion.network.head import ACTIVATIONS, head
from expansion.network.layers import BatchNorm, ChannelwiseConv3D, FoldTime, msra, register
from expansion.network.preprocessing import UNKNOWN, Preprocessing
from expansion.spec import MIN_SIZE, STEM_KERNEL_FRAMES, Spec
from expansion.tasks.registry import task_named
from expansion.tasks.task import TaskName

# For a SavedModel: without the network's own gradients, which serve training alone.
INFERENCE_ALONE = tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def _stem(tensor, spec: Spec):
    tensor = keras.layers.ZeroPadding2D(1, name="stem_pad")(tensor)
    tensor = keras.layers.Conv2D(
        spec.stem_channels, 3, 2, use_bias=False, kernel_initializer=msra(), name="stem_space")(tensor)
    tensor = ChannelwiseConv3D(spec.frames, STEM_KERNEL_FRAMES, 1, name="stem_time")(tensor)
    return keras.layers.Activation("relu", name="stem_relu")(BatchNorm(name="stem_bn")(tensor))


@register
class X3D(keras.Model):
    """An X3D network: clips (batch, frames, size, size, 3) of pixels 0 to 255, to logits (batch, classes).

    For localization the logits are those of each frame, (batch, frames, classes), by the same weights.

    The softmax of the output, or the sigmoid where the task has several labels, is the probabilities, at any input size. At
    a size above the training crop the head sees several positions, each through a window of the training crop's extent, as
    PySlowFast's X3DHead does; their probabilities are averaged, and the output is what gives that mean. `position_logits`
    gives the logits of each position.

    Args:
        spec: the network, or the dictionary of one.
        classes: number of classes.
        dropout: rate before the last layer (the paper's 0.5).
        drop_connect: largest rate of stochastic depth; it rises linearly over the blocks, the first has none.
        size: pixels of the input, where they differ from the spec's training crop. A smaller input has one position.
        class_names: kept with the model, so that a prediction can be named.
        preprocessing: how the videos of its training became clips, or the dictionary of that; kept with the model, so that
            a prediction looks at other videos in the same way. `train` sets it.
        task: what it answers.
    """

    def __init__(self, spec: Spec | dict, classes: int, *, dropout: float = 0.5, drop_connect: float = 0.0,
                 size: int | None = None, class_names: tuple[str, ...] = (),
                 preprocessing: Preprocessing | dict = UNKNOWN, task: TaskName = "single-label", **kwargs):
        spec = spec if isinstance(spec, Spec) else Spec(**spec)
        size = size or spec.size
        blocks = spec.blocks()
        inputs = keras.Input((spec.frames, size, size, 3), name="clip")
        tensor = _stem(FoldTime(name="fold")(inputs), spec)
        for position, block in enumerate(blocks):
            rate = drop_connect * position / max(1, len(blocks) - 1)
            tensor = Bottleneck(block, spec.frames, rate, name=block.name)(tensor)
        found = task_named(task)
        super().__init__(inputs, head(tensor, spec, classes, dropout, found), **kwargs)
        self.task = found
        self.spec, self.classes, self.class_names = spec, classes, tuple(class_names)
        self.preprocessing = Preprocessing.model_validate(preprocessing)
        self._settings = {"dropout": dropout, "drop_connect": drop_connect, "size": size}

    @property
    def size(self) -> int:
        """Height and width of the input in pixels."""
        return self.input_shape[2]

    def position_logits(self, clips):
        """Logits before activation and mean, (batch, rows, columns, [frames,] classes); one position at the training crop."""
        logits = keras.Model(self.input, self.get_layer("logits").output)(clips, training=False)
        return by_position(self, logits)

    def get_config(self):
        return {
            "spec": self.spec.as_dict(), "classes": self.classes, "class_names": list(self.class_names),
            "task": self.task.name, "name": self.name, "preprocessing": self.preprocessing.as_dict(), **self._settings,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


def by_position(model: X3D, logits):
    """Logits of the layer "logits" as (batch, rows, columns, [frames,] classes)."""
    several = len(logits.shape) > len(model.output_shape)
    return logits if several else logits[:, None, None]


def build_model(spec: Spec, classes: int, **settings) -> X3D:
    """A freshly initialised network; `settings` are those of X3D."""
    return X3D(spec, classes, **settings)


def at_size(model: X3D, size: int) -> X3D:
    """The same network for another input size, with a copy of its weights; the model itself where that is its size.

    Args:
        size: height and width of the new input in pixels.

    Raises:
        InputError: the size is below 16.
    """
    if size == model.size:
        return model
    if size < MIN_SIZE:
        raise InputError(f"size is {size}; at least {MIN_SIZE} pixels are allowed")
    other = X3D.from_config(model.get_config() | {"size": size})
    other.set_weights(model.get_weights())
    return other


def forward(model: X3D) -> Callable[[tf.Tensor], tf.Tensor]:
    """What evaluation and export run: clips (batch, frames, size, size, 3) to logits (batch, positions, [frames,] classes)."""

    def logits(clips):
        positions = model.position_logits(clips)
        return tf.reshape(positions, (-1, positions.shape[1] * positions.shape[2], *positions.shape[3:]))

    return logits


def probabilities(logits, activation: str = "softmax"):
    """Logits (batch, positions, [frames,] classes) to the mean of the positions' probabilities, (batch, [frames,] classes).

    Args:
        activation: what makes them, by Task.activation.
    """
    return tf.reduce_mean(ACTIVATIONS[activation](logits), axis=1)
