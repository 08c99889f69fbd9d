"""Which engine trains the candidates of a search, and with what. Plain Python."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from expansion.foundation.machine import cores
from expansion.foundation.settings import Settings

RAY_ONLY = ("address", "num_cpus", "num_gpus", "memory_gib", "node_timeout")


class EngineSettings(Settings):
    """Where candidates are trained. Its name alone stands for it with its defaults.

    Args:
        name: "in-process": in the process that decides, one after another. "local": in child processes of this machine, so
            that one that crashes or runs out of memory ends only itself. "ray": on a Ray cluster.
        workers: candidates that train at the same time: child processes (1 by default), or on Ray the most of the cluster
            to use (as many as it holds).
        threads: threads of one training on a CPU; by default the machine's cores divided by the workers, on Ray num_cpus. The
            order of sums depends on it, so a search keeps the number that it began with.
        address: of the Ray cluster: HOST:PORT of its head, or "auto" for the one that this machine is part of. By default
            $RAY_ADDRESS, else Ray is started on this machine for the search alone.
        num_cpus, num_gpus, memory_gib: what Ray reserves for one training; parts of a GPU are allowed. By default
            num_cpus is threads, or 1.
        node_timeout: seconds to wait for a node that has room for a training, where there is none.
    """

    name: Literal["in-process", "local", "ray"] = "local"
    workers: int | None = Field(None, ge=1, le=4096)
    threads: int | None = Field(None, ge=1)
    address: str | None = None
    num_cpus: float | None = Field(None, gt=0)
    num_gpus: float = Field(0.0, ge=0)
    memory_gib: float | None = Field(None, gt=0)
    node_timeout: float = Field(60.0, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any):
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self):
        changed = [name for name, field in type(self).model_fields.items()
                   if name != "name" and getattr(self, name) != field.default]
        if self.name == "in-process" and changed:
            raise ValueError(f"{changed[0]} is not for the engine in-process, which trains one candidate at a time with all "
                             "cores; the engine local takes workers and threads")
        if self.name == "local" and (other := [name for name in changed if name in RAY_ONLY]):
            raise ValueError(f"{other[0]} is for the engine ray; this one is local")
        return self

    @property
    def threads_each(self) -> int:
        """Threads of a training, where the search has not begun with another number."""
        if self.name == "ray":
            return self.threads or max(1, int(self.num_cpus or 1))
        return self.threads or max(1, cores() // (self.workers or 1))
