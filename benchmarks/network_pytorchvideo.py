"""Worker: a training step or a forward pass of PyTorchVideo's X3D. Runs in the peers' Python, without the project."""

from __future__ import annotations

import importlib.metadata
import sys
import types

from benchmarks import worker

CLASSES = 400


def without_torchvision() -> None:
    """PyTorchVideo imports one class of torchvision, for a detection head that X3D has not."""
    package, operators = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
    operators.RoIAlign = None
    sys.modules.update({"torchvision": package, "torchvision.ops": operators})


def start():
    settings = worker.settings()
    import torch

    without_torchvision()
    from pytorchvideo.models.x3d import create_x3d

    torch.manual_seed(0)
    batch, frames, size = settings["batch"], settings["frames"], settings["size"]
    model = create_x3d(input_clip_length=frames, input_crop_size=size, model_num_class=CLASSES, head_activation=None)
    clips = torch.randn(batch, 3, frames, size, size)
    labels = torch.randint(0, CLASSES, (batch,))
    if settings["layout"] == "channels_last_3d":
        model, clips = (it.to(memory_format=torch.channels_last_3d) for it in (model, clips))
    about = {name: importlib.metadata.version(name) for name in ("torch", "pytorchvideo")}
    about["kernels"] = torch.backends.cpu.get_cpu_capability()
    about["threads"] = torch.get_num_threads()
    if settings["mode"] == "train":
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-5)

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(model(clips), labels)
            loss.backward()
            optimizer.step()
            return loss.item()

        return step, batch, about
    model.eval()

    def forward():
        with torch.inference_mode():
            return model(clips).numpy()

    return forward, batch, about


if __name__ == "__main__":
    worker.serve(start)
