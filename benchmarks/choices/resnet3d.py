"""A small 3D ResNet with plain convolutions, from scratch: what people build where they know no video networks.

ResNet-10 of Hara, Kataoka and Satoh (arXiv 1711.09577): a stem and four stages of one basic block, 3x3x3 throughout.
"""

from __future__ import annotations

import itertools
import math
import time
from pathlib import Path

from benchmarks.choices.results import Result, letters
from benchmarks.choices.sets import DataSet
from expansion.complexity import halve
from expansion.data.dataset import VideoDataset
from expansion.spec import Spec

STAGES = 4
WIDTHS = (4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)  # channels of the first stage; the paper's 64
LAST_SEED = 1000


def cost(spec: Spec, width: int, classes: int) -> tuple[int, int]:
    """(multiply-adds per clip, trained parameters); of the spec its frames and its size count."""
    frames, pixels = spec.frames, halve(spec.size)
    macs, params, inputs = 3 * 147 * width * frames * pixels**2, 3 * 147 * width + 2 * width, width
    for stage in range(STAGES):
        outputs, stride = width * 2**stage, 2 if stage else 1
        if stride == 2:
            frames, pixels = halve(frames), halve(pixels)
        weights = 27 * inputs * outputs + 27 * outputs**2 + (inputs * outputs if stride == 2 else 0)
        macs, params = macs + weights * frames * pixels**2, params + weights + (6 if stride == 2 else 4) * outputs
        inputs = outputs
    return macs + inputs * classes, params + (inputs + 1) * classes


def nearest(terms: DataSet, data: VideoDataset) -> tuple[Spec, int]:
    """Frames, size and width whose cost comes nearest to the limit from below: of those within 10 % of the limit the widest."""
    limit, span = terms.limit(len(data.classes)), data.limits.span or 1
    found = []
    for frames, size, width in itertools.product((2, 4, 8, 16), range(terms.start.size, data.short_side + 1, 8), WIDTHS):
        if frames <= span:
            spec = Spec(frames=frames, stride=min(terms.start.stride, max(1, (span - 1) // (frames - 1))), size=size)
            found.append((cost(spec, width, len(data.classes))[0], width, spec))
    best = min(found, key=lambda each: (each[0] > limit, abs(math.log(each[0] / limit))))
    near = [each for each in found if min(0.9 * limit, best[0]) <= each[0] <= max(limit, best[0])]
    _, width, spec = max(near, key=lambda each: (each[1], each[2].frames))
    return spec, width


def build(spec: Spec, width: int, classes: int, dropout: float):
    """Clips (batch, frames, size, size, 3) of pixels 0 to 255, to logits (batch, classes)."""
    import keras
    from keras import layers

    def norm(tensor):
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(tensor)

    inputs = keras.Input((spec.frames, spec.size, spec.size, 3))
    tensor = layers.Rescaling(1 / 57.375, -2.0)(inputs)
    tensor = layers.Conv3D(width, (3, 7, 7), (1, 2, 2), "same", use_bias=False)(tensor)
    tensor = layers.ReLU()(norm(tensor))
    for stage in range(STAGES):
        outputs, stride = width * 2**stage, 2 if stage else 1
        short = tensor if stride == 1 else norm(layers.Conv3D(outputs, 1, stride, "same", use_bias=False)(tensor))
        tensor = layers.ReLU()(norm(layers.Conv3D(outputs, 3, stride, "same", use_bias=False)(tensor)))
        tensor = norm(layers.Conv3D(outputs, 3, 1, "same", use_bias=False)(tensor))
        tensor = layers.ReLU()(layers.add([tensor, short]))
    tensor = layers.Dropout(dropout)(layers.GlobalAveragePooling3D()(tensor))
    return keras.Model(inputs, layers.Dense(classes)(tensor))


def run(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Result:
    """Trains it by the last training's recipe and evaluates it on the test videos."""
    import keras
    import tensorflow as tf

    from expansion.data.clips import training_clips
    from expansion.evaluation.evaluate import evaluate_network
    from expansion.evaluation.networks import Network
    from expansion.training.optimizer import optimizer

    began, classes = time.perf_counter(), len(data.classes)
    spec, width = nearest(terms, data)
    recipe = terms.recipe.model_copy(update={"epochs": terms.final * terms.recipe.epochs})
    keras.utils.set_random_seed(seed + LAST_SEED)
    model = build(spec, width, classes, recipe.dropout)
    model.compile(optimizer(recipe, data.videos("train")), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  jit_compile=False)
    steps, _ = recipe.steps(data.videos("train"))
    clips = training_clips(data, spec, terms.clips, recipe.batch, seed + LAST_SEED)
    model.fit(clips, epochs=math.ceil(recipe.epochs), steps_per_epoch=steps, verbose=0, shuffle=False)
    asked = tf.function(lambda batch: tf.nn.softmax(model(batch, training=False)), autograph=False)
    network = Network("keras", spec, classes, data.classes, spec.size,
                      lambda batch: asked(tf.cast(batch, tf.float32)).numpy(), 16)
    val, test = (evaluate_network(network, data, split, terms.clips) for split in ("val", "test"))
    macs, params = cost(spec, width, classes)
    assert params == sum(weight.shape.num_elements() for weight in map(tf.convert_to_tensor, model.trainable_weights)), "counted"
    return Result(terms.name, "", seed, f"{spec.frames}x{spec.stride} {spec.size}px, {width} channels", macs, params,
                  letters(test.correct), val.accuracy, 0.0, 3.0 * macs * steps * recipe.batch * recipe.epochs,
                  time.perf_counter() - began)
