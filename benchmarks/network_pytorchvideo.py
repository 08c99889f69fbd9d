"""Worker: a training step or a forward pass of PyTorchVideo's X3D. Runs in the peers' Python, without the project.

Settings: frames, size, mode (train, infer), batch, layout (default, channels_last_3d); precision (float32, float16, bfloat16).
It uses the first GPU, if there is one.
"""

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


def peak() -> int:
    """Bytes: the most that was allocated on the GPU, else that this process held."""
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else worker.peak_bytes()


def start():
    settings = worker.settings()
    import torch

    without_torchvision()
    from pytorchvideo.models.x3d import create_x3d

    torch.manual_seed(0)
    batch, frames, size = settings["batch"], settings["frames"], settings["size"]
    model = create_x3d(input_clip_length=frames, input_crop_size=size, model_num_class=CLASSES, head_activation=None)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = getattr(torch, settings.get("precision", "float32"))
    model, clips = model.to(device), torch.randn(batch, 3, frames, size, size, device=device)
    labels = torch.randint(0, CLASSES, (batch,), device=device)
    torch.backends.cudnn.benchmark = True

    def predict():
        with torch.autocast(device, precision, enabled=precision is not torch.float32):
            return model(clips).float()

    if settings["layout"] == "channels_last_3d":
        model, clips = (it.to(memory_format=torch.channels_last_3d) for it in (model, clips))
    about = {name: importlib.metadata.version(name) for name in ("torch", "pytorchvideo")}
    about["kernels"] = torch.backends.cpu.get_cpu_capability()
    about |= {"threads": torch.get_num_threads(), "device": torch.cuda.get_device_name() if device == "cuda" else "CPU"}
    if settings["mode"] == "train":
        scaler = torch.amp.GradScaler(device, enabled=precision is torch.float16)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-5)

        def step():
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(predict(), labels)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            return loss.item()

        return step, batch, about
    model.eval()

    def forward():
        with torch.inference_mode():
            return predict().cpu().numpy()

    return forward, batch, about


if __name__ == "__main__":
    worker.serve(start, peak)
