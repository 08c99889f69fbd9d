"""Precise batch norm: the statistics of evaluation as averages over many batches, all seen by the final weights.

The running statistics of training follow weights that still change, with a memory of about ten batches. Wu and Johnson,
"Rethinking 'Batch' in BatchNorm" (arXiv 2105.07576), section 3; PySlowFast takes 200 batches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from expansion.network.layers import BatchNorm
from expansion.network.model import X3D


def recompute_statistics(model: X3D, clips: tf.data.Dataset, forward: Callable | None = None) -> None:
    """Replaces moving mean and variance of all batch norms that are not frozen; but for random states nothing else changes.

    The mean is the plain average of the batches' means, the variance that of their variances plus that of the means
    about it, as if all batches were one. Every layer sees what it sees in training, drop-connect included.

    Args:
        clips: batches of (clips, labels), a finite number of them.
        forward: of clips, what the model does in training, where that is not its call.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, BatchNorm) and layer.trainable]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]

    @tf.function(autograph=False, reduce_retracing=True)
    def of_batch(pixels):
        forward(pixels) if forward else model(pixels, training=True)
        return [(tf.identity(layer.moving_mean.value), tf.identity(layer.moving_variance.value)) for layer in layers]

    means, squares = ([np.zeros(layer.moving_mean.shape) for layer in layers] for _ in range(2))
    batches = 0
    try:
        for layer in layers:
            layer.momentum = 0.0  # the moving statistics are then those of the last batch
        for pixels, _ in clips:
            for index, (mean, variance) in enumerate(of_batch(pixels)):
                mean, variance = mean.numpy().astype(np.float64), variance.numpy()
                means[index] += mean
                squares[index] += variance + mean**2
            batches += 1
    finally:
        for layer, momentum in zip(layers, momenta):
            layer.momentum = momentum
    for layer, mean, square in zip(layers, means, squares):
        layer.moving_mean.assign(mean / batches)
        layer.moving_variance.assign(np.maximum(square / batches - (mean / batches) ** 2, 0.0))
