"""MACs, parameters and activation memory of a spec in closed form, with no network built.

Counting rule (the paper's, Table 2): multiply-adds of convolutions and linear layers at the training crop, one clip:
stem, blocks, squeeze-excite, shortcuts, head. No batch norm, activations, pooling or biases. Temporal kernels count
fully, also at one frame. Plain Python; no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass

from expansion.spec import BLOCK_KERNEL_FRAMES, HEAD_CHANNELS, STEM_KERNEL_FRAMES, Block, Spec


@dataclass(frozen=True)
class Complexity:
    """What a layer or a network costs.

    Args:
        macs: multiply-adds for one clip.
        params: trained parameters, batch norm's scale and offset included.
        bn_params: batch norm's scale and offset alone.
        activations: numbers that all convolutions and linear layers put out for one clip.
        stored: numbers that a training step has to keep for its backward pass: the input and output of every
            convolution, batch norm and activation, each tensor once.
    """

    macs: int = 0
    params: int = 0
    bn_params: int = 0
    activations: int = 0
    stored: int = 0

    def __add__(self, other: Complexity) -> Complexity:
        return Complexity(
            self.macs + other.macs,
            self.params + other.params,
            self.bn_params + other.bn_params,
            self.activations + other.activations,
            self.stored + other.stored,
        )

    @property
    def params_without_bn(self) -> int:
        """Parameters as the paper prints them."""
        return self.params - self.bn_params

    @property
    def gmacs(self) -> float:
        return self.macs / 1e9

    def memory(self, batch: int = 1, bytes_per_number: int = 4) -> int:
        """Bytes of a training step: stored activations of the batch; weights, gradients and momentum."""
        return bytes_per_number * (batch * self.stored + 3 * self.params)


def halve(pixels: int) -> int:
    """Pixels after a convolution of stride 2 with symmetric padding."""
    return (pixels - 1) // 2 + 1


def _conv(inputs: int, outputs: int, kernel: int, positions: int, *, groups: int = 1, bias: bool = False,
          bn: bool = True, act: bool = False) -> Complexity:
    """A convolution of `kernel` taps at `positions` output places; `act` says if an activation follows."""
    weights = kernel * inputs // groups * outputs
    numbers = outputs * positions
    return Complexity(
        macs=weights * positions,
        params=weights + (outputs if bias else 0) + (2 * outputs if bn else 0),
        bn_params=2 * outputs if bn else 0,
        activations=numbers,
        stored=numbers * (1 + bn + act),
    )


def stem_complexity(spec: Spec, size: int) -> Complexity:
    """1x3x3 with stride 2, then 5x1x1 channel-wise, batch norm, ReLU, on an input of `size` pixels a side."""
    positions = spec.frames * halve(size) ** 2
    channels = spec.stem_channels
    return _conv(3, channels, 9, positions, bn=False) + _conv(
        channels, channels, STEM_KERNEL_FRAMES, positions, groups=channels, act=True
    )


def block_complexity(block: Block, frames: int, size: int) -> Complexity:
    """A bottleneck block on an input of `size` pixels a side."""
    after = halve(size) if block.spatial_stride == 2 else size
    before, positions = frames * size**2, frames * after**2
    taps = BLOCK_KERNEL_FRAMES * 9
    total = (
        _conv(block.inputs, block.inner, 1, before, act=True)
        + _conv(block.inner, block.inner, taps, positions, groups=block.inner, act=True)
        + _conv(block.inner, block.outputs, 1, positions)
    )
    if block.squeeze:
        total += _conv(block.inner, block.squeeze, 1, 1, bias=True, bn=False, act=True)
        total += _conv(block.squeeze, block.inner, 1, 1, bias=True, bn=False, act=True)
        total += Complexity(stored=block.inner * positions)  # the product with the gate
    if block.project:
        total += _conv(block.inputs, block.outputs, 1, positions)
    return total + Complexity(stored=2 * block.outputs * positions)  # the sum and its ReLU


def head_complexity(spec: Spec, classes: int, inputs: int, size: int) -> Complexity:
    """1x1x1 with batch norm and ReLU, average pool, then at every place 2048 with ReLU and classes."""
    places = max(1, size - spec.feature_size + 1) ** 2
    return (
        _conv(inputs, spec.head_inner, 1, spec.frames * size**2, act=True)
        + _conv(spec.head_inner, HEAD_CHANNELS, 1, places, bn=False, act=True)
        + _conv(HEAD_CHANNELS, classes, 1, places, bias=True, bn=False)
    )


def layer_complexities(spec: Spec, classes: int = 400, size: int | None = None) -> list[Complexity]:
    """Cost of the stem, of every block and of the head for one clip; arguments as in `complexity`."""
    pixels = size or spec.size
    blocks, parts = spec.blocks(), [stem_complexity(spec, pixels)]
    pixels = halve(pixels)
    for block in blocks:
        parts.append(block_complexity(block, spec.frames, pixels))
        pixels = halve(pixels) if block.spatial_stride == 2 else pixels
    return [*parts, head_complexity(spec, classes, blocks[-1].outputs, pixels)]


def complexity(spec: Spec, classes: int = 400, size: int | None = None) -> Complexity:
    """Cost of the whole network for one clip.

    Args:
        spec: the network.
        classes: outputs of the last layer (the paper's figures are for Kinetics-400).
        size: pixels of the input; None for the training crop, which the paper's figures are for.
    """
    return sum(layer_complexities(spec, classes, size), Complexity())


def fitting_batch(spec: Spec, size: int | None = None, memory: int = 1 << 30, most: int = 32) -> int:
    """Clips in a forward pass whose costliest layer keeps within `memory` bytes, from 1 to `most`.

    Args:
        size: pixels of the input; None for the training crop.
    """
    costliest = max(layer.stored for layer in layer_complexities(spec, 1, size))
    return max(1, min(most, memory // (4 * costliest)))
