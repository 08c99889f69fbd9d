"""Where a run keeps what: one folder a run, found by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass

from expansion import files
from expansion.errors import InputError
from expansion.search import Search
from expansion.trace import TRACE, read_trace


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run: artifacts, searches, logs, pushed models."""

    path: str

    def _at(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    @property
    def config(self) -> str:
        return self._at("config.yaml")

    @property
    def artifacts(self) -> str:
        return self._at("pipeline")

    @property
    def metadata(self) -> str:
        return self._at("metadata.sqlite")

    @property
    def searches(self) -> str:
        return self._at("search")

    @property
    def ingest_work(self) -> str:
        return self._at("ingest")

    @property
    def serving(self) -> str:
        return self._at("serving")

    @property
    def log(self) -> str:
        return self._at("log.txt")

    def traces(self) -> list[str]:
        """Folders of the run's searches, the one written last at the end."""
        found = files.matching(os.path.join(self.searches, "*", TRACE))
        return [os.path.dirname(path) for path in sorted(found, key=os.path.getmtime)]

    def search(self) -> Search:
        """The newest search.

        Raises:
            InputError: the run has none.
        """
        traces = self.traces()
        if not traces:
            raise InputError(f"{self.path}: no search there yet")
        return read_trace(traces[-1])


def find_run(name: str, root: str = "runs") -> RunFolder:
    """A run by its name under the root, or by its path.

    Raises:
        InputError: there is no such run.
    """
    for path in (name, os.path.join(root, name)):
        if os.path.isdir(os.path.join(path, "search")):
            return RunFolder(path)
    there = sorted(os.listdir(root)) if os.path.isdir(root) else []
    raise InputError(f"no run {name!r} under {root}/; there are {', '.join(there) or 'none'}")
