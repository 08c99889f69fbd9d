"""The X3D network in Keras for any spec (arXiv 2004.04730, Table 1), with time folded into the batch."""

from __future__ import annotations

import keras

from expansion.blocks import Bottleneck, msra, pointwise
from expansion.layers import BatchNorm, ChannelwiseConv3D, ClipPool, FoldTime, register
from expansion.spec import HEAD_CHANNELS, STEM_KERNEL_FRAMES, Spec


def _stem(tensor, spec: Spec):
    tensor = keras.layers.ZeroPadding2D(1, name="stem_pad")(tensor)
    tensor = keras.layers.Conv2D(
        spec.stem_channels, 3, 2, use_bias=False, kernel_initializer=msra(), name="stem_space")(tensor)
    tensor = ChannelwiseConv3D(spec.frames, STEM_KERNEL_FRAMES, 1, name="stem_time")(tensor)
    return keras.layers.Activation("relu", name="stem_relu")(BatchNorm(name="stem_bn")(tensor))


def _head(tensor, spec: Spec, classes: int, dropout: float):
    tensor = BatchNorm(name="head_bn")(pointwise(spec.head_inner, "head_conv")(tensor))
    tensor = ClipPool(spec.frames, name="head_pool")(keras.layers.Activation("relu", name="head_relu")(tensor))
    tensor = keras.layers.Dense(
        HEAD_CHANNELS, "relu", use_bias=False, kernel_initializer=msra(), name="head_linear")(tensor)
    if dropout:
        tensor = keras.layers.Dropout(dropout, name="head_dropout")(tensor)
    small = keras.initializers.RandomNormal(stddev=0.01)
    return keras.layers.Dense(classes, dtype="float32", kernel_initializer=small, name="logits")(tensor)


@register
class X3D(keras.Model):
    """An X3D network: clips (batch, frames, size, size, 3) of pixels 0 to 255, to logits (batch, classes).

    Args:
        spec: the network, or the dictionary of one.
        classes: number of classes.
        dropout: rate before the last layer (the paper's 0.5).
        drop_connect: largest rate of stochastic depth; it rises linearly over the blocks, the first has none.
        size: pixels of the input, where they differ from the spec's training crop.
        class_names: kept with the model, so that a prediction can be named.
    """

    def __init__(self, spec: Spec | dict, classes: int, *, dropout: float = 0.5, drop_connect: float = 0.0,
                 size: int | None = None, class_names: tuple[str, ...] = (), **kwargs):
        spec = spec if isinstance(spec, Spec) else Spec(**spec)
        size = size or spec.size
        blocks = spec.blocks()
        inputs = keras.Input((spec.frames, size, size, 3), name="clip")
        tensor = _stem(FoldTime(name="fold")(inputs), spec)
        for position, block in enumerate(blocks):
            rate = drop_connect * position / max(1, len(blocks) - 1)
            tensor = Bottleneck(block, spec.frames, rate, name=block.name)(tensor)
        super().__init__(inputs, _head(tensor, spec, classes, dropout), **kwargs)
        self.spec, self.classes, self.class_names = spec, classes, tuple(class_names)
        self._settings = {"dropout": dropout, "drop_connect": drop_connect, "size": size}

    def get_config(self):
        return {
            "spec": self.spec.as_dict(), "classes": self.classes, "class_names": list(self.class_names),
            "name": self.name, **self._settings,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


def build_model(spec: Spec, classes: int, **settings) -> X3D:
    """A freshly initialised network; `settings` are those of X3D."""
    return X3D(spec, classes, **settings)
