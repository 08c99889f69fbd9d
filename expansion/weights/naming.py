"""How PySlowFast and PyTorchVideo name and shape the tensors of an X3D, and which spec such shapes belong to.

Names and shapes were read from both projects' model code. Plain Python and numpy; no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from expansion.foundation.errors import InputError
from expansion.spec import (
    BLOCK_KERNEL_FRAMES,
    HEAD_CHANNELS,
    NAMED,
    STAGE_BLOCKS,
    STAGE_CHANNELS,
    STEM_KERNEL_FRAMES,
    Spec,
    round_depth,
    round_width,
)

Shape = tuple[int, ...]
FIRST_STAGE = 2  # res2
CLASSIFIER = "logits"


@dataclass(frozen=True)
class Dialect:
    """One project's names.

    Args:
        name: as the command line calls it.
        layers: the name of each layer outside the blocks.
        block: the prefix of a block, with {stage} (2 to 5), {before} (one less) and {index}.
        inside: the name of each layer of a block.
        bare_shortcuts: the shortcut has a batch norm only where the number of channels changes: in res2 it has none.
    """

    name: str
    layers: Mapping[str, str]
    block: str
    inside: Mapping[str, str]
    bare_shortcuts: bool = False

    def prefix(self, stage: int, index: int) -> str:
        return self.block.format(stage=stage, before=stage - 1, index=index)


PYSLOWFAST = Dialect(
    "pyslowfast",
    {"stem_space": "s1.pathway0_stem.conv_xy", "stem_time": "s1.pathway0_stem.conv", "stem_bn": "s1.pathway0_stem.bn",
     "head_conv": "head.conv_5", "head_bn": "head.conv_5_bn", "head_linear": "head.lin_5", CLASSIFIER: "head.projection"},
    "s{stage}.pathway0_res{index}.",
    {"a": "branch2.a", "a_bn": "branch2.a_bn", "b": "branch2.b", "b_bn": "branch2.b_bn", "se.squeeze": "branch2.se.fc1",
     "se.excite": "branch2.se.fc2", "c": "branch2.c", "c_bn": "branch2.c_bn", "shortcut": "branch1",
     "shortcut_bn": "branch1_bn"},
)
# Its stem calls the spatial convolution conv_t and the temporal one conv_xy.
PYTORCHVIDEO = Dialect(
    "pytorchvideo",
    {"stem_space": "blocks.0.conv.conv_t", "stem_time": "blocks.0.conv.conv_xy", "stem_bn": "blocks.0.norm",
     "head_conv": "blocks.5.pool.pre_conv", "head_bn": "blocks.5.pool.pre_norm",
     "head_linear": "blocks.5.pool.post_conv", CLASSIFIER: "blocks.5.proj"},
    "blocks.{before}.res_blocks.{index}.",
    {"a": "branch2.conv_a", "a_bn": "branch2.norm_a", "b": "branch2.conv_b", "b_bn": "branch2.norm_b.0",
     "se.squeeze": "branch2.norm_b.1.block.0", "se.excite": "branch2.norm_b.1.block.2", "c": "branch2.conv_c",
     "c_bn": "branch2.norm_c", "shortcut": "branch1_conv", "shortcut_bn": "branch1_norm"},
    bare_shortcuts=True,
)
DIALECTS = {dialect.name: dialect for dialect in (PYSLOWFAST, PYTORCHVIDEO)}


@dataclass(frozen=True)
class Entry:
    """One tensor in both worlds.

    Args:
        layer: the Keras layer, as "stage2_block0.a".
        weight: that layer's variable, as "kernel".
        name: the checkpoint's key.
        shape: the checkpoint's shape.
        form: how the axes lie: "conv", "channelwise", "linear" or "vector".
    """

    layer: str
    weight: str
    name: str
    shape: Shape
    form: str

    @property
    def trained(self) -> bool:
        return not self.weight.startswith("moving")

    def to_keras(self, array: np.ndarray) -> np.ndarray:
        """(out, in, 1, height, width), (channels, 1, time, height, width) and (out, in, 1, 1, 1), to Keras' order."""
        array = array.astype("float32")
        if self.form == "conv":
            return array[:, :, 0].transpose(2, 3, 1, 0)
        if self.form == "channelwise":
            return array.transpose(2, 3, 4, 0, 1)
        return array.reshape(array.shape[:2]).T if self.form == "linear" else array

    def to_torch(self, array: np.ndarray) -> np.ndarray:
        """The other way."""
        if self.form == "conv":
            return array.transpose(3, 2, 0, 1)[:, :, None]
        if self.form == "channelwise":
            return array.transpose(3, 4, 0, 1, 2)
        return array.T.reshape(self.shape) if self.form == "linear" else array


_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def entries(spec: Spec, classes: int, dialect: Dialect) -> Iterator[Entry]:
    """Every tensor of a network in a dialect's names and shapes, in the order of the network.

    Batch norm's counter num_batches_tracked is left out: nothing here uses it.
    """

    def conv(layer: str, name: str, shape: Shape, form: str) -> Iterator[Entry]:
        yield Entry(layer, "kernel", f"{name}.weight", shape, form)

    def linear(layer: str, name: str, shape: Shape) -> Iterator[Entry]:
        yield Entry(layer, "kernel", f"{name}.weight", shape, "linear")
        yield Entry(layer, "bias", f"{name}.bias", shape[:1], "vector")

    def norm(layer: str, name: str, channels: int) -> Iterator[Entry]:
        for weight, key in _NORM.items():
            yield Entry(layer, weight, f"{name}.{key}", (channels,), "vector")

    names, stem = dialect.layers, spec.stem_channels
    yield from conv("stem_space", names["stem_space"], (stem, 3, 1, 3, 3), "conv")
    yield from conv("stem_time", names["stem_time"], (stem, 1, STEM_KERNEL_FRAMES, 1, 1), "channelwise")
    yield from norm("stem_bn", names["stem_bn"], stem)
    for block in spec.blocks():
        prefix = dialect.prefix(block.stage, block.index)
        inside = {layer: (f"{block.name}.{layer}", prefix + name) for layer, name in dialect.inside.items()}
        if block.project:
            yield from conv(*inside["shortcut"], (block.outputs, block.inputs, 1, 1, 1), "conv")
            if not is_bare(block, dialect):
                yield from norm(*inside["shortcut_bn"], block.outputs)
        yield from conv(*inside["a"], (block.inner, block.inputs, 1, 1, 1), "conv")
        yield from norm(*inside["a_bn"], block.inner)
        yield from conv(*inside["b"], (block.inner, 1, BLOCK_KERNEL_FRAMES, 3, 3), "channelwise")
        yield from norm(*inside["b_bn"], block.inner)
        if block.squeeze:
            yield from linear(*inside["se.squeeze"], (block.squeeze, block.inner, 1, 1, 1))
            yield from linear(*inside["se.excite"], (block.inner, block.squeeze, 1, 1, 1))
        yield from conv(*inside["c"], (block.outputs, block.inner, 1, 1, 1), "conv")
        yield from norm(*inside["c_bn"], block.outputs)
    outputs = spec.blocks()[-1].outputs
    yield from conv("head_conv", names["head_conv"], (spec.head_inner, outputs, 1, 1, 1), "conv")
    yield from norm("head_bn", names["head_bn"], spec.head_inner)
    yield Entry("head_linear", "kernel", f"{names['head_linear']}.weight", (HEAD_CHANNELS, spec.head_inner, 1, 1, 1),
                "linear")
    yield from linear(CLASSIFIER, names[CLASSIFIER], (classes, HEAD_CHANNELS))


def is_bare(block, dialect: Dialect) -> bool:
    """Whether a block has a shortcut convolution without the batch norm that this project's has."""
    return dialect.bare_shortcuts and block.project and block.inputs == block.outputs


def detect(names) -> Dialect | None:
    """Whose names these are, by the stem's; None where they are neither's."""
    for dialect in DIALECTS.values():
        if f"{dialect.layers['stem_space']}.weight" in names:
            return dialect
    return None


def find_classes(shapes: Mapping[str, Shape], dialect: Dialect) -> int | None:
    """Outputs of the classifier; None where the file has none."""
    shape = shapes.get(f"{dialect.layers[CLASSIFIER]}.weight")
    return shape[0] if shape else None


def find_factors(shapes: Mapping[str, Shape], dialect: Dialect) -> dict[str, float]:
    """The width, depth and bottleneck of a network with these shapes: of all that give them the roundest.

    Raises:
        InputError: no factors lead to these channels and blocks.
    """
    counts, outputs, inners = [], [], []
    for stage in range(FIRST_STAGE, FIRST_STAGE + len(STAGE_CHANNELS)):
        found = []
        while shape := shapes.get(f"{dialect.prefix(stage, len(found))}{dialect.inside['c']}.weight"):
            found.append(shape)
        if not found or len(found[0]) != 5:
            raise InputError(f"no blocks of stage res{stage} ({dialect.prefix(stage, 0)}{dialect.inside['c']}.weight)")
        counts.append(len(found))
        outputs.append(found[0][0])
        inners.append(found[0][1])

    def first(what: str, named: str, extra: float, seen: list[int], rule) -> float:
        grids = (round(step * number, 6) for step in (0.25, 0.2, 0.05, 0.01) for number in range(1, round(20 / step)))
        candidates = (*(getattr(spec, named) for spec in NAMED.values()), *grids, extra)
        factor = next((value for value in candidates if rule(value) == seen), None)
        if factor is None:
            raise InputError(f"its stages have {seen} {what}, which no {named} factor gives")
        return factor

    width = first("channels", "width", outputs[-1] / STAGE_CHANNELS[-1], outputs,
                  lambda factor: [round_width(channels, factor) for channels in STAGE_CHANNELS])
    depth = first("blocks", "depth", counts[2] / STAGE_BLOCKS[2], counts,
                  lambda factor: [round_depth(blocks, factor) for blocks in STAGE_BLOCKS])
    bottleneck = first("inner channels", "bottleneck", inners[-1] / outputs[-1], inners,
                       lambda factor: [int(factor * channels) for channels in outputs])
    return {"width": width, "depth": depth, "bottleneck": bottleneck}
