"""Worker: X3D as Keras' own layers make it, Conv3D with groups=channels on unfolded clips: a forward pass or a training step."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402
from keras import layers  # noqa: E402

from benchmarks import worker  # noqa: E402
from expansion.spec import HEAD_CHANNELS, STEM_KERNEL_FRAMES, Block, Spec  # noqa: E402

CLASSES = 400


def conv(tensor, channels: int, kernel: tuple[int, int, int], stride: int = 1, groups: int = 1):
    tensor = layers.ZeroPadding3D([side // 2 for side in kernel])(tensor)
    return layers.Conv3D(channels, kernel, (1, stride, stride), groups=groups, use_bias=False)(tensor)


def norm(tensor):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(tensor)


def bottleneck(tensor, block: Block):
    """1x1x1, 3x3x3 channel-wise, 1x1x1, with the shortcut."""
    point = (1, 1, 1)
    branch = layers.ReLU()(norm(conv(tensor, block.inner, point)))
    branch = norm(conv(branch, block.inner, (3, 3, 3), block.spatial_stride, groups=block.inner))
    if block.squeeze:
        gate = layers.GlobalAveragePooling3D(keepdims=True)(branch)
        gate = layers.Dense(block.squeeze, "relu")(gate)
        branch = layers.Multiply()([branch, layers.Dense(block.inner, "sigmoid")(gate)])
    branch = norm(conv(layers.Activation("silu")(branch), block.outputs, point))
    shortcut = norm(conv(tensor, block.outputs, point, block.spatial_stride)) if block.project else tensor
    return layers.ReLU()(layers.Add()([shortcut, branch]))


def plain_model(spec: Spec, classes: int) -> keras.Model:
    """X3D without folding: normalised clips (batch, frames, size, size, 3) to logits (batch, classes)."""
    inputs = keras.Input((spec.frames, spec.size, spec.size, 3))
    tensor = conv(inputs, spec.stem_channels, (1, 3, 3), 2)
    tensor = layers.ReLU()(norm(conv(tensor, spec.stem_channels, (STEM_KERNEL_FRAMES, 1, 1), 1, spec.stem_channels)))
    for block in spec.blocks():
        tensor = bottleneck(tensor, block)
    tensor = layers.GlobalAveragePooling3D()(layers.ReLU()(norm(conv(tensor, spec.head_inner, (1, 1, 1)))))
    tensor = layers.Dense(HEAD_CHANNELS, "relu", use_bias=False)(tensor)
    return keras.Model(inputs, layers.Dense(classes)(tensor))


def start():
    settings = worker.settings()
    import numpy as np
    import tensorflow as tf

    from expansion.spec import parse_spec

    spec, batch = parse_spec(settings["network"]), settings["batch"]
    model = plain_model(spec, CLASSES)
    about = {"tensorflow": tf.__version__, "keras": keras.__version__}
    if settings.get("mode") == "train":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.01, 0.9, nesterov=True), loss, jit_compile=False)
        random = np.random.default_rng(0)
        data = tf.constant(random.normal(size=(batch, *model.input_shape[1:])), tf.float32), random.integers(0, CLASSES, batch)
        return lambda: float(model.train_on_batch(*data)), batch, about
    forward = tf.function(lambda clips: model(clips, training=False), autograph=False)
    clips = tf.constant(np.random.default_rng(0).normal(size=(batch, *model.input_shape[1:])), tf.float32)
    return lambda: forward(clips).numpy(), batch, about


if __name__ == "__main__":
    worker.serve(start)
