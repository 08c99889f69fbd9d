"""The X3D network in Keras for any spec (arXiv 2004.04730, Table 1), with time folded into the batch."""

from __future__ import annotations

import keras

from expansion.layers import BatchNorm, ChannelwiseConv3D, ClipGate, ClipPool, DropConnect, FoldTime, register
from expansion.spec import HEAD_CHANNELS, STEM_KERNEL_FRAMES, Block, Spec

_MSRA = dict(kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"))
_LINEAR = dict(kernel_initializer=keras.initializers.RandomNormal(stddev=0.01))


def _pointwise(tensor, channels: int, name: str, stride: int = 1):
    return keras.layers.Conv2D(channels, 1, stride, use_bias=False, name=name, **_MSRA)(tensor)


def _relu(tensor, name: str):
    return keras.layers.Activation("relu", name=name)(tensor)


def _stem(tensor, spec: Spec):
    tensor = keras.layers.ZeroPadding2D(1, name="stem_pad")(tensor)
    tensor = keras.layers.Conv2D(spec.stem_channels, 3, 2, use_bias=False, name="stem_space", **_MSRA)(tensor)
    tensor = ChannelwiseConv3D(spec.frames, STEM_KERNEL_FRAMES, 1, name="stem_time")(tensor)
    return _relu(BatchNorm(name="stem_bn")(tensor), "stem_relu")


def _squeeze_excite(tensor, block: Block, frames: int):
    gate = ClipPool(frames, name=f"{block.name}_se_pool")(tensor)
    gate = keras.layers.Dense(block.squeeze, "relu", name=f"{block.name}_se_squeeze", **_MSRA)(gate)
    gate = keras.layers.Dense(block.inner, "sigmoid", name=f"{block.name}_se_excite", **_MSRA)(gate)
    return ClipGate(frames, name=f"{block.name}_se_scale")([tensor, gate])


def _bottleneck(tensor, block: Block, frames: int, drop_connect: float):
    name, shortcut = block.name, tensor
    tensor = _pointwise(tensor, block.inner, f"{name}_a")
    tensor = _relu(BatchNorm(name=f"{name}_a_bn")(tensor), f"{name}_a_relu")
    tensor = ChannelwiseConv3D(frames, stride=block.spatial_stride, name=f"{name}_b")(tensor)
    tensor = BatchNorm(name=f"{name}_b_bn")(tensor)
    if block.squeeze:
        tensor = _squeeze_excite(tensor, block, frames)
    tensor = keras.layers.Activation("silu", name=f"{name}_b_swish")(tensor)
    tensor = _pointwise(tensor, block.outputs, f"{name}_c")
    tensor = BatchNorm(zero=True, name=f"{name}_c_bn")(tensor)
    if drop_connect:
        tensor = DropConnect(frames, drop_connect, name=f"{name}_drop")(tensor)
    if block.project:
        shortcut = _pointwise(shortcut, block.outputs, f"{name}_shortcut", block.spatial_stride)
        shortcut = BatchNorm(name=f"{name}_shortcut_bn")(shortcut)
    return _relu(keras.layers.Add(name=f"{name}_add")([tensor, shortcut]), f"{name}_relu")


def _head(tensor, spec: Spec, classes: int, dropout: float):
    tensor = _pointwise(tensor, spec.head_inner, "head_conv")
    tensor = _relu(BatchNorm(name="head_bn")(tensor), "head_relu")
    tensor = ClipPool(spec.frames, name="head_pool")(tensor)
    tensor = keras.layers.Dense(HEAD_CHANNELS, "relu", use_bias=False, name="head_linear", **_MSRA)(tensor)
    if dropout:
        tensor = keras.layers.Dropout(dropout, name="head_dropout")(tensor)
    return keras.layers.Dense(classes, dtype="float32", name="logits", **_LINEAR)(tensor)


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
            tensor = _bottleneck(tensor, block, spec.frames, rate)
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
