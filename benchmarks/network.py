"""The network against PyTorchVideo's X3D and against the same network with Keras' Conv3D(groups=channels)."""

from __future__ import annotations

from benchmarks.harness import PEER_PYTHON, Case, Contender, Target
from expansion.spec import NAMED

BATCH = 8
TORCH, KERAS = "PyTorchVideo", "Keras Conv3D"


def _ours(network: str, mode: str) -> Contender:
    return Contender("ours", "benchmarks.network_ours", {"network": network, "mode": mode, "batch": BATCH})


def _torch(network: str, mode: str) -> list[Contender]:
    spec = NAMED[network]
    shape = {"frames": spec.frames, "size": spec.size}
    return [
        Contender(f"PyTorchVideo {layout}", "benchmarks.network_pytorchvideo",
                  {"mode": mode, "batch": BATCH, "layout": layout, **shape}, PEER_PYTHON, TORCH)
        for layout in ("default", "channels_last_3d")
    ]


def _case(network: str, mode: str, targets: tuple[Target, ...], *more: Contender) -> Case:
    title = {"train": "training step", "infer": "inference"}[mode]
    return Case(f"{mode}-{network.lower()}", f"{title}, {network}, batch {BATCH}",
                (_ours(network, mode), *_torch(network, mode), *more), targets)


_CONV3D = Contender(KERAS, "benchmarks.network_conv3d", {"network": "XS", "batch": 1, "warmup": 0}, group=KERAS)
_FASTER, _FORWARD = Target(TORCH, at_least=1.5), Target(TORCH, at_least=1.3)
CASES = (
    _case("XS", "train", (_FASTER, Target(TORCH, "memory", at_most=1.0))),
    _case("S", "train", (_FASTER,)),
    _case("XS", "infer", (_FORWARD, Target(KERAS, at_least=40)), _CONV3D),
    _case("S", "infer", (_FORWARD,)),
    Case("train-small", "training step, 4 frames at 32 pixels, batch 32",
         (Contender("ours", "benchmarks.network_ours",
                    {"network": "frames=4,stride=4,size=32", "mode": "train", "batch": 32}),)),
)
