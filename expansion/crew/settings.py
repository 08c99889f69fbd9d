"""How a search's trials are shared out among processes."""

from __future__ import annotations

import os

from pydantic import Field

from expansion.foundation.settings import Settings


class WorkerSettings(Settings):
    """Who trains the candidates of a step.

    Args:
        count: processes on this machine that train side by side; with 0 only those that join by `x3d worker` do.
        threads: threads that share the sums of one trial; by default this machine's cores divided by `count`. The order
            of sums hangs on it, so a search keeps the number that it began with.
        lost_after: seconds without a sign of life after which a worker is taken for lost, and its trial by another.
    """

    count: int = Field(1, ge=0, le=1024)
    threads: int | None = Field(None, ge=1)
    lost_after: float = Field(60.0, gt=0)

    @property
    def threads_each(self) -> int:
        """Threads of a trial where no search has settled them yet."""
        return self.threads or max(1, cores() // max(1, self.count))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
