"""Where trainers keep a state dictionary in a checkpoint, and what this project writes beside one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from expansion.network.preprocessing import Preprocessing
from expansion.weights.torch_file import Tensor

# Keys of PySlowFast, Lightning, MMEngine, timm and plain scripts.
WRAPPINGS = ("model_state", "state_dict", "model_state_dict", "model", "net", "network", "module", "ema", "state_dict_ema")
# Of the names of a network that was wrapped: for several devices, compiled, or as a part of a module with a loss and metrics.
PREFIXES = ("module.", "model.", "net.", "network.", "_orig_mod.", "backbone.")
KNOWN = "x3d"  # the entry of our own files that says what else is known of the network
MAX_KNOWN = 2**20  # characters of it
COUNTER = "num_batches_tracked"  # batch norm's
DEEPEST = 3  # wrappings within wrappings


def find_state(content, depth: int = 0) -> dict[str, Tensor]:
    """The tensors of a state dictionary, or of the one under a key of WRAPPINGS, without counters; none where there is none."""
    if not isinstance(content, Mapping) or depth > DEEPEST:
        return {}
    for name in WRAPPINGS:
        if found := find_state(content.get(name), depth + 1):
            return found
    return {name: tensor for name, tensor in content.items()
            if isinstance(name, str) and isinstance(tensor, Tensor) and not name.endswith(COUNTER)}


def without_prefixes(tensors: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    """The tensors, then those under each of PREFIXES with the prefix taken off, and so on within them."""
    yield tensors
    for prefix in PREFIXES:
        if inside := {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}:
            yield from without_prefixes(inside)


def write_known(class_names: tuple[str, ...], preprocessing: Preprocessing) -> dict[str, str]:
    """The entry of a checkpoint that says what is known of a network beside its weights."""
    return {KNOWN: json.dumps({"class_names": list(class_names), "preprocessing": preprocessing.as_dict()})}


def read_known(content) -> dict:
    """What `write_known` wrote, as settings of X3D; nothing where a checkpoint has no such entry, or a damaged one."""
    text = content.get(KNOWN) if isinstance(content, Mapping) else None
    try:
        found = json.loads(text) if isinstance(text, str) and len(text) <= MAX_KNOWN else {}
        return {"class_names": tuple(map(str, found["class_names"])),
                "preprocessing": Preprocessing.model_validate(found["preprocessing"])}
    except (ValueError, KeyError, TypeError):
        return {}
