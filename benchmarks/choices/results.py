"""Raw results as JSON lines, one for each data set, contender and seed; what is there is not made again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from expansion.spec import Spec

RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Result:
    """What a contender came to with a seed.

    Args:
        network: what it chose, in words.
        macs, params: of the network, per clip.
        right: which test videos it got right, a letter 0 or 1 each.
        val: accuracy on the validation videos, share of 1.
        searched, trained: multiply-adds of the search and of the last training.
        seconds: of all of it, on the threads of a cell.
        steps: of an expansion search: for each step the parent's accuracy and cost, and of each candidate axis, cost,
            parameters, accuracy and which validation videos were right; so that decisions can be compared between seeds.
    """

    dataset: str
    contender: str
    seed: int
    network: str
    macs: float
    params: int
    right: str
    val: float
    searched: float
    trained: float
    seconds: float
    steps: list = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, int]:
        return self.dataset, self.contender, self.seed

    @property
    def accuracy(self) -> float:
        """On the test videos, share of 1."""
        return self.right.count("1") / len(self.right)


def letters(right) -> str:
    """True and false as 1 and 0."""
    return "".join("01"[bool(value)] for value in right)


def read(folder: Path) -> list[Result]:
    """All results of a folder, in the order in which they were made; a last line that was cut off is left out."""
    path = folder / RESULTS
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            found.append(Result(**json.loads(line)))
        except json.JSONDecodeError:
            continue
    return found


def append(folder: Path, result: Result) -> None:
    """Adds a line; it is on disk when this returns."""
    path = folder / RESULTS
    whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
    with open(path, "a", encoding="utf-8") as file:
        file.write(("" if whole else "\n") + json.dumps(asdict(result)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def describe(spec: Spec) -> str:
    return str(spec)
