"""The network on a GPU: beside PyTorchVideo, in 32 and 16 bits, with XLA and without, and as plain Conv3D. Runs on a CPU too.

    python -m benchmarks gpu            about half an hour on one GPU; --only gpu-train-xs for one case
    python -m benchmarks gpu --rounds 3

How much of a training's time is its input's, every training says: input_wait_seconds.
"""

from __future__ import annotations

from benchmarks.harness import PEER_PYTHON, Case, Contender
from expansion.spec import NAMED

BATCH = {"XS": 64, "S": 32, "M": 16}
PRECISIONS = ("float32", "float16", "bfloat16")
TORCH, PLAIN = "PyTorchVideo", "Keras Conv3D"


def _contenders(network: str, mode: str, batch: int):
    common = {"network": network, "mode": mode, "batch": batch}
    for precision in PRECISIONS:
        for xla in (False, True):
            yield Contender(f"ours {precision}{', XLA' if xla else ''}", "benchmarks.network_ours",
                            common | {"precision": precision, "xla": xla}, group="" if precision == "float32" and not xla else
                            "ours in other ways")
    spec = NAMED[network]
    for precision in PRECISIONS:
        for layout in ("default", "channels_last_3d"):
            yield Contender(f"PyTorchVideo {precision} {layout}", "benchmarks.network_pytorchvideo",
                            {"mode": mode, "batch": batch, "layout": layout, "precision": precision, "frames": spec.frames,
                             "size": spec.size}, PEER_PYTHON, f"{TORCH} {precision}")
    yield Contender(PLAIN, "benchmarks.network_conv3d", common, group=PLAIN)


CASES = tuple(Case(f"gpu-{mode}-{network.lower()}", f"{mode}, {network}, batch {batch}",
                   tuple(_contenders(network, mode, batch)))
              for network, batch in BATCH.items() for mode in ("train", "infer"))
