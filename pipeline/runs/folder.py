"""Where a run keeps what: one folder a run, found by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass

from expansion.data.records import MANIFEST
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.state import SearchState
from expansion.search.trace import TRACE, read_trace


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run: artifacts, searches, logs, pushed models."""

    path: str

    @property
    def name(self) -> str:
        return os.path.basename(os.path.abspath(self.path))

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
    def search_folder(self) -> str:
        """Of the search that a run resumes: the one begun last, search/1 before there is any."""
        return os.path.join(self.searches, str(max(self._numbers(), default=1)))

    def begin_afresh(self) -> None:
        """Makes the next run begin a search of its own, in search/2, search/3, ...; the earlier ones stay."""
        numbers = self._numbers()
        if files.exists(os.path.join(self.search_folder, TRACE)):
            os.makedirs(os.path.join(self.searches, str(max(numbers) + 1)))

    def _numbers(self) -> list[int]:
        there = os.listdir(self.searches) if os.path.isdir(self.searches) else []
        return [int(name) for name in there if name.isdecimal()]

    @property
    def ingest_work(self) -> str:
        return self._at("ingest")

    @property
    def serving(self) -> str:
        return self._at("serving")

    @property
    def log(self) -> str:
        return self._at("log.txt")

    @property
    def lock(self) -> str:
        """Held, as a lock, by what works on the run."""
        return self._at("running.lock")

    @property
    def environment(self) -> str:
        """Command, versions and machine of the last time that it was worked on."""
        return self._at("environment.json")

    @property
    def failure(self) -> str:
        """One line on why it ended too early; there only if it did."""
        return self._at("failure.txt")

    @property
    def result(self) -> str:
        """What the whole run reached on held-out videos; there once it is finished."""
        return self._at("result.json")

    @property
    def keras_model(self) -> str:
        """What `x3d train` trained."""
        return self._at(files.KERAS_MODEL)

    @property
    def train_records(self) -> str:
        """What `x3d train` ingested, where it was given videos."""
        return self._at("records")

    @property
    def checkpoint(self) -> str:
        """State of an `x3d train` after its last epoch."""
        return self._at("checkpoint")

    @property
    def probe(self) -> str:
        """What the features that an `x3d train` started from are worth as they are."""
        return self._at("probe.json")

    @property
    def training_logs(self) -> str:
        """What TensorBoard shows of an `x3d train`."""
        return self._at("logs")

    @property
    def training_results(self) -> str:
        """What `x3d train` reached; there once it is finished."""
        return self._at("results.json")

    def read_training(self) -> dict:
        """What `x3d train` reached; empty before its end."""
        return files.read_json(self.training_results) if os.path.exists(self.training_results) else {}

    def records(self) -> str | None:
        """The newest records that the run ingested."""
        found = files.inside_each(os.path.join(self.artifacts, "VideoExampleGen", "examples"), MANIFEST)
        return os.path.dirname(max(found, key=os.path.getmtime)) if found else None

    def traces(self) -> list[str]:
        """Folders of the run's searches, the one written last at the end."""
        found = files.inside_each(self.searches, TRACE)
        return [os.path.dirname(path) for path in sorted(found, key=os.path.getmtime)]

    def search(self) -> SearchState:
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
        if any(os.path.exists(os.path.join(path, part)) for part in ("search", "logs", "config.yaml")):
            return RunFolder(path)
    there = ", ".join(run.name for run in all_runs(root))
    raise InputError(f"no run {name!r} under {root}/; there are {there or 'none'}")


def all_runs(root: str = "runs") -> list[RunFolder]:
    """The runs under a root, by name."""
    found = files.inside_each(root, "config.yaml")
    return [RunFolder(os.path.join(root, os.path.basename(os.path.dirname(path)))) for path in found]


def newest_run(root: str = "runs") -> RunFolder:
    """The run whose search changed last.

    Raises:
        InputError: there is none.
    """
    dated = [(os.path.getmtime(os.path.join(traces[-1], TRACE)), run.path) for run in all_runs(root)
             if (traces := run.traces())]
    if not dated:
        raise InputError(f"no search under {root}/; `x3d search` or `x3d demo` makes one")
    return RunFolder(max(dated)[1])


def named_or_newest(name: str | None, root: str = "runs") -> RunFolder:
    """The run of that name or folder; without one, the run whose search changed last. Raises as find_run, newest_run."""
    return find_run(name, root) if name else newest_run(root)
