"""What lies where in a search's folder: the trace, logs and, for each trial, its job, attempts, outcome and network.

    <search>/trace.json                     the whole search; see search.trace
    <search>/path.png  logs/  lock          the figure of the path; what TensorBoard reads; held while a process decides
    <search>/weights.keras                  what a search from weights grows from: the file's network with the data's classes
    <search>/folds/0/                       records of a fold of cross-validation: its videos as val, the others as train
    <search>/trial_0003/job.json            what the trial is to do
    <search>/trial_0003/attempts/2/         where an attempt works, until the deciding process commits it
    <search>/trial_0003/outcome.json        what came of it, beside model.keras; rung-1.json where a race paused it

The folder may be at any address that fsspec reaches, and is seen by all who train.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from expansion.foundation import files
from expansion.search.trace import read_trace

OUTCOME = "outcome.json"
CHECKPOINT = "checkpoint"
JOB = "job.json"
ATTEMPTS = "attempts"


def rung_file(rung: int) -> str:
    """Name of the file that a trial leaves at a rung, by the rung's index."""
    return f"rung-{rung + 1}.json"


@dataclass(frozen=True)
class TrialFolder:
    """The folder of a trial, or of one attempt at it."""

    path: str

    @property
    def job(self) -> str:
        return os.path.join(self.path, JOB)

    @property
    def model(self) -> str:
        return os.path.join(self.path, files.KERAS_MODEL)

    @property
    def checkpoint(self) -> str:
        """Folder of the training's state after its last epoch."""
        return os.path.join(self.path, CHECKPOINT)

    def fold(self, number: int) -> str:
        """The same of the training without one fold of cross-validation."""
        return os.path.join(self.checkpoint, f"fold_{number}")

    def result(self, rung: int | None = None) -> str:
        """The file that tells what came of it: at its end, or at a rung of a race."""
        return os.path.join(self.path, OUTCOME if rung is None else rung_file(rung))

    def read_result(self, rung: int | None = None) -> dict | None:
        """What came of it; None where it has not come so far, or where what it left cannot be read."""
        try:
            found = files.read_json(self.result(rung))
            return found if isinstance(found["metrics"], dict) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    # Attempts

    def attempts(self) -> list[TrialFolder]:
        """Those that are not committed, the first one first."""
        place = os.path.join(self.path, ATTEMPTS)
        numbers = sorted(int(name) for name in files.names(place) if name.isdigit())
        return [TrialFolder(os.path.join(place, str(number))) for number in numbers]

    def begin_attempt(self) -> TrialFolder:
        """A new attempt's folder, with the last checkpoint of the attempts before it.

        No two attempts share a folder, so one whose worker was given up for lost and still writes does no harm.
        """
        before = self.attempts()
        number = int(os.path.basename(before[-1].path)) + 1 if before else 1
        while not files.create_folder(os.path.join(self.path, ATTEMPTS, str(number))):
            number += 1
        attempt = TrialFolder(os.path.join(self.path, ATTEMPTS, str(number)))
        for earlier in (*reversed(before), self):
            if files.exists(earlier.checkpoint):
                files.copy_folder(earlier.checkpoint, attempt.checkpoint)
                break
        return attempt

    def commit(self, attempt: TrialFolder | None, rung: int | None = None) -> None:
        """Moves what an attempt made to the trial's place and removes the attempts; stopped halfway, it can be done again.

        Args:
            attempt: None where all of it has been moved already.
            rung: that it came to, where its checkpoint is needed to go on; None at the end.
        """
        if rung is None:
            for folder in (self, attempt) if attempt else (self,):
                files.remove_folder(folder.checkpoint)
        if attempt:
            files.move_into(attempt.path, self.path, os.path.basename(self.result(rung)), leave=(files.CREATED,))
        files.remove_folder(os.path.join(self.path, ATTEMPTS))


@dataclass(frozen=True)
class SearchFolder:
    """The folder of a search."""

    path: str

    def trial(self, name: str) -> TrialFolder:
        return TrialFolder(os.path.join(self.path, f"trial_{name}"))

    @property
    def lock(self) -> str:
        return os.path.join(self.path, "lock")

    @property
    def start(self) -> str:
        """The network that a search from weights grows from."""
        return os.path.join(self.path, "weights.keras")

    @property
    def folds(self) -> str:
        """Folder of the data sets of cross-validation."""
        return os.path.join(self.path, "folds")

    @property
    def logs(self) -> str:
        """Folder that TensorBoard reads."""
        return os.path.join(self.path, "logs")

    @property
    def figure(self) -> str:
        return os.path.join(self.path, "path.png")

    def outcomes(self) -> dict[str, dict]:
        """What is kept of the trials that have ended, by their names. Of a search that runs, those up to now."""
        named = (training.trial_id for step in read_trace(self.path).all_steps for training in step.trainings)
        found = {name: self.trial(name).read_result() for name in named if name is not None}
        return {name: outcome for name, outcome in found.items() if outcome is not None}
