"""The reference networks of scripts/parity.py in PyTorch: PyTorchVideo's own, and PySlowFast's X3D written again
from its configuration.

PySlowFast's package index release is older than its X3D, so the network is written here from what its model code says:
plain Conv3d modules under its names, channels by its own arithmetic, in none of this project's terms. PyTorchVideo's is
built by its create_x3d. Also makes the files that the reader is tested with (as a script: parity_torch.py FOLDER).
"""

import collections
import importlib.util
import math
import os
import sys
import tempfile
import types

import numpy as np
import torch
from torch import nn

from expansion.weights.torch_file import write_torch_file


def _rounded(width, factor, divisor=8):
    width *= factor
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


def _conv(inputs, outputs, kernel=(1, 1, 1), stride=1, groups=1, bias=False):
    padding = [size // 2 for size in kernel]
    return nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), padding, groups=groups, bias=bias)


class Gate(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = _conv(channels, _rounded(channels, 0.0625), bias=True)
        self.fc2 = _conv(_rounded(channels, 0.0625), channels, bias=True)

    def forward(self, x):
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3, 4), keepdim=True)))))


class Branch(nn.Module):
    def __init__(self, inputs, inner, outputs, stride, gated):
        super().__init__()
        self.a, self.a_bn = _conv(inputs, inner), nn.BatchNorm3d(inner)
        self.b, self.b_bn = _conv(inner, inner, (3, 3, 3), stride, inner), nn.BatchNorm3d(inner)
        self.se = Gate(inner) if gated else nn.Identity()
        self.c, self.c_bn = _conv(inner, outputs), nn.BatchNorm3d(outputs)

    def forward(self, x):
        x = torch.relu(self.a_bn(self.a(x)))
        x = self.se(self.b_bn(self.b(x)))
        return self.c_bn(self.c(x * torch.sigmoid(x)))


class Residual(nn.Module):
    def __init__(self, inputs, inner, outputs, stride, gated):
        super().__init__()
        if inputs != outputs or stride != 1:
            self.branch1, self.branch1_bn = _conv(inputs, outputs, stride=stride), nn.BatchNorm3d(outputs)
        self.branch2 = Branch(inputs, inner, outputs, stride, gated)

    def forward(self, x):
        trunk = self.branch1_bn(self.branch1(x)) if hasattr(self, "branch1") else x
        return torch.relu(trunk + self.branch2(x))


class SlowFastX3D(nn.Module):
    """The logits of every place, (batch, 1, rows, columns, classes). Factors are the paper's: width on 12 channels."""

    def __init__(self, frames, crop, width, depth, bottleneck, classes):
        super().__init__()
        stem = _rounded(12, width)
        self.s1 = nn.Module()
        self.s1.pathway0_stem = nn.Module()
        self.s1.pathway0_stem.conv_xy = _conv(3, stem, (1, 3, 3), 2)
        self.s1.pathway0_stem.conv = _conv(stem, stem, (5, 1, 1), groups=stem)
        self.s1.pathway0_stem.bn = nn.BatchNorm3d(stem)
        inputs, channels = stem, 12
        for stage, blocks in zip((2, 3, 4, 5), (1, 2, 5, 3)):
            outputs = _rounded(channels, width)
            inner = int(bottleneck * outputs)
            part = nn.Module()
            for index in range(math.ceil(blocks * depth)):
                stride = 2 if index == 0 else 1
                part.add_module(f"pathway0_res{index}", Residual(inputs, inner, outputs, stride, index % 2 == 0))
                inputs = outputs
            self.add_module(f"s{stage}", part)
            channels = _rounded(channels, 2)
        self.head = nn.Module()
        self.head.conv_5, self.head.conv_5_bn = _conv(inputs, inner), nn.BatchNorm3d(inner)
        self.head.lin_5 = _conv(inner, 2048)
        self.head.projection = nn.Linear(2048, classes)
        self.window = (frames, math.ceil(crop / 32), math.ceil(crop / 32))

    def forward(self, x):
        stem = self.s1.pathway0_stem
        x = torch.relu(stem.bn(stem.conv(stem.conv_xy(x))))
        for stage in (self.s2, self.s3, self.s4, self.s5):
            for block in stage.children():
                x = block(x)
        x = torch.relu(self.head.conv_5_bn(self.head.conv_5(x)))
        x = torch.relu(self.head.lin_5(nn.functional.avg_pool3d(x, self.window, stride=1)))
        return self.head.projection(x.permute(0, 2, 3, 4, 1))


def _pytorchvideo(spec, classes):
    # Needed at import alone, for a detection head that is not built here.
    if "torchvision" not in sys.modules and importlib.util.find_spec("torchvision") is None:
        sys.modules["torchvision"] = types.ModuleType("torchvision")
        sys.modules["torchvision.ops"] = types.SimpleNamespace(RoIAlign=None)
    from pytorchvideo.models.x3d import create_x3d

    net = create_x3d(input_clip_length=spec.frames, input_crop_size=spec.size, model_num_class=classes,
                     width_factor=spec.paper_width, depth_factor=spec.depth, bottleneck_factor=spec.bottleneck,
                     head_activation=None, head_output_with_global_average=False)
    return net, lambda clip: net(clip).permute(0, 2, 3, 4, 1)


def _pyslowfast(spec, classes):
    net = SlowFastX3D(spec.frames, spec.size, spec.paper_width, spec.depth, spec.bottleneck, classes)
    return net, net


def reference_logits(spec, classes: int, dialect: str, state: dict, clip: np.ndarray) -> np.ndarray:
    """Logits of every place, (rows, columns, classes), of a clip (1, frames, size, size, 3) of pixels.

    The state goes through a file of this project's, read by torch.load with weights_only=True; every parameter and
    running statistic of the network must be in it, and nothing else.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "random.pyth")
        write_torch_file(path, state)
        read = torch.load(path, weights_only=True)["model_state"]
    net, forward = {"pyslowfast": _pyslowfast, "pytorchvideo": _pytorchvideo}[dialect](spec, classes)
    counters = {name: value for name, value in net.state_dict().items() if name.endswith("num_batches_tracked")}
    net.load_state_dict(read | counters, strict=True)
    net.eval()
    pixels = torch.from_numpy(clip).permute(0, 4, 1, 2, 3)
    with torch.inference_mode():
        return forward((pixels / 255 - 0.45) / 0.225)[0, 0].numpy()


def write_reader_files(folder: str) -> None:
    """torch_zip.pth and torch_legacy.pth: tensors of each kind; torch_bare.pth: a state dictionary alone."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    state = collections.OrderedDict(
        plain=base.clone(), half=base.half() / 8, brain=(base / 8).bfloat16(), double=base.double() / 3,
        whole=torch.tensor(7), strided=base.t(), part=base[1:, 2:5:2], parameter=nn.Parameter(base[0].clone()),
        empty=torch.zeros(0, 3))
    state._metadata = {"": {"version": 1}}
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    content = {"epoch": 3, "model_state": state, "optimizer_state": optimizer.state_dict(), "cfg": "DATA: {}\n"}
    torch.save(content, os.path.join(folder, "torch_zip.pth"))
    torch.save(content, os.path.join(folder, "torch_legacy.pth"), _use_new_zipfile_serialization=False)
    stem = collections.OrderedDict({"blocks.0.conv.conv_t.weight": torch.ones(2, 3, 1, 3, 3)})
    torch.save(stem, os.path.join(folder, "torch_bare.pth"))


if __name__ == "__main__":
    write_reader_files(sys.argv[1])
