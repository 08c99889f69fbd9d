"""A network in training on clips of another shape than its own, with the same weights: other frames, another crop, splits.

Nothing of an X3D network depends on frames or crop but how tensors are folded, so one set of weights, running statistics and
optimiser slots serves all shapes.
"""

from __future__ import annotations

import tensorflow as tf

from expansion.network.blocks import Bottleneck
from expansion.network.convolutions import split_clips
from expansion.network.model import X3D


def training_logits(model: X3D, clips, splits: int = 1):
    """What the network puts out in training.

    Args:
        clips: (batch, frames, size, size, 3) of pixels 0 to 255, with frames and size known.
        splits: statistics of each batch norm; clip i counts in statistic i modulo splits.

    Returns:
        Logits as the network's own output has them. The running statistics of batch norm have moved.
    """
    layer, split = model.get_layer, {"frames": clips.shape[1], "splits": splits}
    norm = {"training": True, "splits": splits}
    tensor = layer("stem_space")(layer("stem_pad")(layer("fold")(clips)))
    tensor = layer("stem_time")(split_clips(tensor, splits), **split)
    tensor = layer("stem_relu")(layer("stem_bn")(tensor, **norm))
    for block in model.layers:
        if isinstance(block, Bottleneck):
            tensor = block(tensor, training=True, **split)
    # A convolution of Keras' own, of single pixels: it may as well see the splits side by side.
    height, width, channels = tensor.shape[1:]
    tensor = layer("head_conv")(tf.reshape(tensor, (-1, height, width * splits, channels // splits)))
    tensor = tf.reshape(tensor, (-1, height, width, splits * tensor.shape[-1]))
    tensor = layer("head_relu")(layer("head_bn")(tensor, **norm))
    tensor = layer("head_linear")(layer("head_pool")(tensor, **split))
    if any(each.name == "head_dropout" for each in model.layers):
        tensor = layer("head_dropout")(tensor, training=True)
    return layer("logits")(tensor)
