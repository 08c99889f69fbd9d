"""Augmentation beside cropping and mirroring: of a whole clip, the same for all of its frames, and between the clips of a batch.

RandAugment (Cubuk et al., arXiv 1909.13719), colour jitter and random erasing (Zhong et al., arXiv 1708.04896) change a clip;
mixup (Zhang et al., arXiv 1710.09412) and CutMix (Yun et al., arXiv 1905.04899) mix a batch with itself in reverse. All random
choices follow from the seeds that they are given. Keras' own layers (3.15) draw for each image of a batch and from a state that
is not a function of the epoch, and its RandAugment computes every operation to use one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from expansion.recipe.augmentation import Augmentation

GREY = (0.299, 0.587, 0.114)  # of red, green and blue
FILL = 0.45 * 255  # the paper's mean, which the network sees as zero
ERASED = (0.02, 1 / 3)  # shares of a frame that is erased (Zhong et al., Table 1)
ASPECTS = (0.3, 1 / 0.3)  # of what is erased
SMOOTH = ((1, 1, 1), (1, 5, 1), (1, 1, 1))  # the kernel of the smoothed picture that sharpness is about
ROTATION, SHEAR, SHIFT = math.radians(30), 0.3, 0.3  # at full strength; a shift is a share of the side


def augment_clip(clip, seed, settings: Augmentation):
    """A clip (frames, size, size, 3) of uint8 with RandAugment, colour jitter and erasing as the settings say; uint8.

    Args:
        seed: (2,), of this clip.
    """
    pixels = tf.cast(clip, tf.float32)
    for number in range(settings.randaugment):
        pixels = _one_operation(pixels, tf.random.fold_in(seed, 100 + number), settings.strength)
    if settings.colour:
        pixels = _jittered(pixels, tf.random.fold_in(seed, 200), settings.colour)
    if settings.erasing:
        pixels = _erased(pixels, tf.random.fold_in(seed, 300), settings.erasing)
    return _to_bytes(pixels)


def mix_batch(clips, labels, seed, classes: int, settings: Augmentation):
    """Clips (batch, frames, size, size, 3) of uint8 mixed in pairs, and soft labels (batch, classes) of float32.

    Each batch is mixed with one share, of Beta(alpha, alpha): by mixup, or by CutMix, which cuts the same window out of all
    frames; where both are on, by either with equal probability.

    Args:
        labels: (batch,) of numbers, or (batch, classes).
        seed: (2,), of this batch.
    """
    targets = tf.one_hot(labels, classes) if labels.shape.rank == 1 else tf.cast(labels, tf.float32)
    pixels, other = tf.cast(clips, tf.float32), tf.cast(clips[::-1], tf.float32)

    def mixup():
        share = _beta(tf.random.fold_in(seed, 400), settings.mixup)
        return share * pixels + (1 - share) * other, share

    def cutmix():
        key = tf.random.fold_in(seed, 500)
        side = tf.sqrt(1 - _beta(key, settings.cutmix))
        window = _window(tf.shape(clips)[2], tf.shape(clips)[3], side, side, tf.random.fold_in(key, 1))
        return tf.where(window[..., None], other, pixels), 1 - tf.reduce_mean(tf.cast(window, tf.float32))

    if settings.mixup and settings.cutmix:
        mixed, share = tf.cond(tf.random.stateless_uniform([], tf.random.fold_in(seed, 600)) < 0.5, mixup, cutmix)
    else:
        mixed, share = mixup() if settings.mixup else cutmix()
    return _to_bytes(tf.ensure_shape(mixed, clips.shape)), share * targets + (1 - share) * targets[::-1]


def _beta(seed, alpha: float):
    """A number of Beta(alpha, alpha)."""
    first, second = (tf.random.stateless_gamma([], tf.random.fold_in(seed, number), alpha) for number in (2, 3))
    return first / tf.maximum(first + second, 1e-20)


def _to_bytes(pixels):
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)


# Operations of RandAugment: a clip of float32, 0 to 255, and a strength of 0 to 1 with a random sign


def _one_operation(pixels, seed, strength: float):
    signed = strength * tf.where(tf.random.stateless_uniform([], seed) < 0.5, -1.0, 1.0)
    number = tf.random.stateless_uniform([], tf.random.fold_in(seed, 1), 0, len(OPERATIONS), tf.int32)
    branches = [lambda operation=operation: tf.ensure_shape(operation(pixels, signed), pixels.shape) for operation in OPERATIONS]
    return tf.clip_by_value(tf.switch_case(number, branches), 0.0, 255.0)


def _grey(pixels):
    return tf.reduce_sum(pixels * tf.constant(GREY), axis=-1, keepdims=True)


def _blend(pixels, other, factor):
    """The clip away from another one (a factor above 1), or towards it."""
    return other + factor * (pixels - other)


def _brightness(pixels, signed):
    return _blend(pixels, 0.0, 1 + 0.9 * signed)


def _contrast(pixels, signed):
    return _blend(pixels, tf.reduce_mean(_grey(pixels)), 1 + 0.9 * signed)


def _saturation(pixels, signed):
    return _blend(pixels, _grey(pixels), 1 + 0.9 * signed)


def _sharpness(pixels, signed):
    kernel = tf.tile(tf.constant(SMOOTH, tf.float32)[:, :, None, None] / 13, (1, 1, 3, 1))
    padded = tf.pad(pixels, ((0, 0), (1, 1), (1, 1), (0, 0)), "SYMMETRIC")
    return _blend(pixels, tf.nn.depthwise_conv2d(padded, kernel, (1, 1, 1, 1), "VALID"), 1 + 0.9 * signed)


def _posterize(pixels, signed):
    step = 2.0 ** tf.round(4 * tf.abs(signed))  # up to 4 of 8 bits go
    return tf.floor(pixels / step) * step


def _solarize(pixels, signed):
    return tf.where(pixels >= 256 * (1 - tf.abs(signed)), 255 - pixels, pixels)


def _auto_contrast(pixels, signed):
    low, high = (of(pixels, axis=(0, 1, 2), keepdims=True) for of in (tf.reduce_min, tf.reduce_max))
    return tf.where(high > low, (pixels - low) * 255 / tf.maximum(high - low, 1.0), pixels)


def _equalize(pixels, signed):
    def channel(values):
        counts = tf.cumsum(tf.histogram_fixed_width(values, (0.0, 256.0), 256))
        first = tf.reduce_min(tf.where(counts > 0, counts, counts[-1]))
        table = (counts - first) * 255 // tf.maximum(counts[-1] - first, 1)
        return tf.cast(tf.gather(table, tf.cast(values, tf.int32)), tf.float32)

    return tf.stack([channel(pixels[..., number]) for number in range(3)], axis=-1)


def _projected(pixels, matrix):
    """The clip through an affine map of places, given by the six numbers of its two rows, about the middle of the frame."""
    height, width = (tf.cast(side, tf.float32) for side in tf.unstack(tf.shape(pixels)[1:3]))
    a, b, right, c, d, down = matrix
    x, y = (width - 1) / 2, (height - 1) / 2
    rows = tf.stack([a, b, x - a * x - b * y + right * width, c, d, y - c * x - d * y + down * height, 0.0, 0.0])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels, transforms=rows[None], output_shape=tf.shape(pixels)[1:3], fill_value=FILL, interpolation="BILINEAR",
        fill_mode="CONSTANT")


def _rotate(pixels, signed):
    cosine, sine = tf.cos(ROTATION * signed), tf.sin(ROTATION * signed)
    return _projected(pixels, (cosine, -sine, 0.0, sine, cosine, 0.0))


def _affine(place: int, most: float) -> Callable:
    """A shear or a shift: the number at a place of the identity's rows is the strength's share of the most."""
    def operation(pixels, signed):
        matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
        return _projected(pixels, (*matrix[:place], most * signed, *matrix[place + 1:]))

    return operation


OPERATIONS = (lambda pixels, signed: pixels, _auto_contrast, _equalize, _brightness, _contrast, _saturation, _sharpness,
              _posterize, _solarize, _rotate, _affine(1, SHEAR), _affine(3, SHEAR), _affine(2, SHIFT), _affine(5, SHIFT))


# Colour and erasing


def _jittered(pixels, seed, strength: float):
    """Brightness, contrast and saturation by factors of 1 - strength to 1 + strength, the hue by a tenth of a turn of it."""
    draw = strength * tf.random.stateless_uniform([4], seed, -1.0, 1.0)
    pixels = _blend(pixels, 0.0, 1 + draw[0])
    pixels = _blend(pixels, tf.reduce_mean(_grey(pixels)), 1 + draw[1])
    pixels = _blend(pixels, _grey(pixels), 1 + draw[2])
    return 255 * tf.image.adjust_hue(tf.clip_by_value(pixels, 0.0, 255.0) / 255, draw[3] / 10)


def _erased(pixels, seed, probability: float):
    """With a probability, a window of all frames becomes the mean colour."""
    draw = tf.random.stateless_uniform([3], seed)
    area = ERASED[0] + draw[0] * (ERASED[1] - ERASED[0])
    aspect = tf.exp(math.log(ASPECTS[0]) + draw[1] * math.log(ASPECTS[1] / ASPECTS[0]))
    window = _window(tf.shape(pixels)[1], tf.shape(pixels)[2], tf.minimum(tf.sqrt(area * aspect), 1.0),
                     tf.minimum(tf.sqrt(area / aspect), 1.0), tf.random.fold_in(seed, 1))
    return tf.where((window & (draw[2] < probability))[..., None], FILL, pixels)


def _window(height, width, tall, wide, seed):
    """Which places of a frame a random window covers, (height, width); its sides are shares of the frame's, it lies inside."""
    draw = tf.random.stateless_uniform([2], seed)

    def covered(side, share, place):
        length = tf.cast(tf.round(share * tf.cast(side, tf.float32)), tf.int32)
        first = tf.cast(place * tf.cast(side - length + 1, tf.float32), tf.int32)
        return (tf.range(side) >= first) & (tf.range(side) < first + length)

    return covered(height, tall, draw[0])[:, None] & covered(width, wide, draw[1])[None]
