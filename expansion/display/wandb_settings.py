"""Where Weights & Biases is to keep a run. Plain Python: configurations hold it, and wandb is optional."""

from __future__ import annotations

from typing import Literal

from expansion.foundation.settings import Settings


class WandbSettings(Settings):
    """Where Weights & Biases keeps a run.

    Args:
        project: of the run.
        entity: user or team; None for the account's own.
        mode: "online"; "offline" keeps all in a folder `wandb` for `wandb sync`; None for what WANDB_MODE says, else online.
    """

    project: str
    entity: str | None = None
    mode: Literal["online", "offline", "disabled"] | None = None
