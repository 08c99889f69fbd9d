"""What a report tells, gathered from a run's folder. Imports no TensorFlow."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import datetime, timezone

from expansion.data.dataset import VideoDataset
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.forecast import phases_of_all
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState
from expansion.tuning.folders import SearchFolder
from pipeline.config import Config, load_config
from pipeline.runs.folder import RunFolder
from pipeline.runs.held_out import HeldOutResult, read_held_out
from pipeline.runs.state import State, is_whole, state


@dataclass(frozen=True)
class Facts:
    """A run as it stands.

    Args:
        search_folder: of the search that is told about, the newest of the run.
        config: what the run was made from; None where the folder keeps none.
        data: the records; None where they are gone.
        trials: what the tuner kept of each trial, by its id.
        outcome: of the finished run on held-out videos.
        environment: command, versions and machine.
        made: when these facts were gathered.
    """

    folder: RunFolder
    state: State
    search: SearchState
    search_folder: str
    config: Config | None
    data: VideoDataset | None
    trials: dict[str, dict]
    outcome: HeldOutResult | None
    environment: dict
    made: datetime

    @property
    def trained(self) -> list[CandidateState]:
        return [c for step in self.search.steps for c in step.candidates if c.status == "completed"]

    @property
    def timed(self) -> list[CandidateState]:
        """Trainings whose time is known, whether they came to the end or were stopped; further seeds count."""
        return [t for step in self.search.all_steps for t in step.trainings if "seconds" in t.metrics]

    @property
    def failed(self) -> list[tuple[int, CandidateState]]:
        """(step, candidate) of those that failed."""
        return [(step.number, c) for step in self.search.steps for c in step.candidates if c.status == "failed"]

    @property
    def winner(self) -> CandidateState | None:
        return self.search.path[-1] if self.search.path else None

    @property
    def seconds(self) -> dict[str, float]:
        """Time of all candidates by what it went into."""
        return phases_of_all(self.search)


def gather(folder: RunFolder) -> Facts:
    """The facts of a run's newest search.

    Raises:
        InputError: the run has no search yet.
    """
    traces = folder.traces()
    search = folder.search()
    config = data = None
    with contextlib.suppress(InputError):
        config = load_config(folder.config)
    outcome = read_held_out(folder) if search.finished and is_whole(folder) else None
    records = outcome.examples if outcome and os.path.isdir(outcome.examples) else folder.records()
    if records:
        with contextlib.suppress(InputError):
            data = VideoDataset.open(records)
    environment = files.read_json(folder.environment) if files.exists(folder.environment) else {}
    return Facts(folder, state(folder, search), search, traces[-1], config, data, SearchFolder(traces[-1]).outcomes(), outcome,
                 environment, datetime.now(timezone.utc))
