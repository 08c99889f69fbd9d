"""Who does a trial: a log in its folder, of which each entry can be written once. Plain Python.

The entries are files, turns/0001.json, 0002.json, ...; whoever creates one knows that nothing has happened since the
one before, whatever the others do at the same time. So an entry's number is at once the lease, the way to take over a lost one,
and the token that keeps a worker that was only slow from handing in: another's entry stands where its own would go.

  open    the chief has posted the trial, or who had it gave it back
  taken   a worker has it; it shows that it lives by a file beside it, 0002.beat.json, which counts
  done    the worker of the entry before has done it; its work lies in turns/0002/
  failed  it could not be done

Nobody's clock has to agree with another's: a worker counts as lost when its file has not changed for `lost_after`
seconds of whoever watches it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal

from expansion.foundation import files

TURNS = "turns"
MOST_LOST = 10  # workers in a row that may be lost with a trial, without an epoch done, before it counts as failed
BEATS = 6  # signs of life in the time after which a worker counts as lost

Kind = Literal["open", "taken", "done", "failed"]


class LeaseLost(RuntimeError):
    """Another has the trial by now; what was done on it is not to be handed in."""


@dataclass(frozen=True)
class Entry:
    """How a trial stands.

    Args:
        number: from 1.
        posting: name of what is to be done; another attempt, or another job, has another.
        by: who wrote it.
        lost: workers that were lost in a row with this posting.
        said: metrics of what is done; reason and details of what failed.
        time: when, by the clock of who wrote it, in seconds since 1970; for people.
    """

    number: int
    kind: Kind
    posting: str
    by: str
    lost: int = 0
    said: dict = field(default_factory=dict)
    time: float = 0.0


class Turns:
    """The log of one trial, as one process sees it.

    Args:
        folder: the trial's.
        me: name of this process, unlike any other's.
    """

    def __init__(self, folder: str, me: str):
        self.folder, self.me = folder, me
        self.last: Entry | None = None

    def _path(self, number: int, ending: str = ".json") -> str:
        return os.path.join(self.folder, TURNS, f"{number:04d}{ending}")

    def work(self, number: int) -> str:
        """Folder of what was made in a turn: nobody else writes there."""
        return self._path(number, "")

    def refresh(self) -> Entry | None:
        """Reads what was added since; returns the last entry."""
        while True:
            number = self.last.number + 1 if self.last else 1
            try:
                self.last = Entry(**files.read_json(self._path(number)))
            except FileNotFoundError:
                return self.last

    def add(self, kind: Kind, posting: str, lost: int = 0, said: dict | None = None) -> bool:
        """Writes the entry after the last one that was read; False, with nothing written, where another stands there."""
        number = self.last.number + 1 if self.last else 1
        entry = Entry(number, kind, posting, self.me, lost, said or {}, time.time())
        if not files.create_json(self._path(number), asdict(entry)):
            return False
        self.last = entry
        return True

    def beat(self, number: int) -> dict:
        """The last sign of life in a turn: its count, and how far it is; {} before the first."""
        try:
            return files.read_json(self._path(number, ".beat.json"))
        except FileNotFoundError:
            return {}

    def write_beat(self, number: int, beat: dict) -> None:
        files.write_json(self._path(number, ".beat.json"), beat, lasting=False)


class Lease:
    """A trial that this process has taken.

    Attributes:
        number: of the entry; what other workers see of a later one makes this one void.
    """

    def __init__(self, turns: Turns):
        self.turns, self.entry = turns, turns.last
        self._count = 0
        self._progress: dict = {}

    @property
    def number(self) -> int:
        return self.entry.number

    def renew(self, progress: dict | None = None) -> None:
        """Shows that this process lives, and how far it is.

        Raises:
            LeaseLost: another has the trial.
        """
        if self.turns.refresh() != self.entry:
            raise LeaseLost(f"{self.turns.folder}: {self.turns.last.by} has it now")
        self._count, self._progress = self._count + 1, progress or self._progress
        self.turns.write_beat(self.number, {
            "count": self._count, "by": self.turns.me, "time": time.time(), **self._progress})

    def end(self, kind: Kind, said: dict | None = None) -> None:
        """Hands the trial in, done or failed, or gives it back (open).

        Raises:
            LeaseLost: another has the trial; nothing is handed in.
        """
        if self.turns.last != self.entry or not self.turns.add(kind, self.entry.posting, self.entry.lost, said):
            raise LeaseLost(f"{self.turns.folder}: another has it now")


class Watch:
    """Takes trials that are open, or whose worker is lost.

    Args:
        lost_after: seconds of `clock`.
    """

    def __init__(self, lost_after: float, clock: Callable[[], float] = time.monotonic):
        self.lost_after, self._clock = lost_after, clock
        self._seen: dict[str, tuple[tuple, float]] = {}

    def take(self, turns: Turns) -> Lease | None:
        """The trial, if it is to be had.

        A trial that one worker after another was lost with is not taken again but recorded as failed.
        """
        last = turns.refresh()
        if last is None or last.kind in ("done", "failed"):
            return None
        lost = 0
        if last.kind == "taken":
            beat = turns.beat(last.number)
            if not self._is_lost(turns.folder, last, beat):
                return None
            lost = 0 if beat.get("epoch") else last.lost + 1
            if lost >= MOST_LOST:
                turns.add("failed", last.posting, lost, {"reason": f"{lost} workers in a row were lost with it"})
                return None
        return Lease(turns) if turns.add("taken", last.posting, lost) else None

    def _is_lost(self, trial: str, last: Entry, beat: dict) -> bool:
        sign, now = (last.number, beat.get("count", 0)), self._clock()
        if self._seen.get(trial, (None,))[0] != sign:
            self._seen[trial] = sign, now
        return now - self._seen[trial][1] > self.lost_after
