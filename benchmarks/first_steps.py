"""The first step of a search on the data sets of benchmarks.choices, by several seeds: what benchmarks.overturned replays.

`python -m benchmarks.first_steps FOLDER --data REAL` trains what is not in benchmarks/recorded/first_steps.jsonl and adds a
line for each data set and seed. A run that is stopped resumes with the epoch that it was in.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.choices.contenders import kept
from benchmarks.choices.sets import SETS
from expansion.search.selection import Scored
from expansion.search.settings import SearchSettings

RECORDED = Path(__file__).parent / "recorded" / "first_steps.jsonl"


@dataclass(frozen=True)
class FirstStep:
    """The first step of a seed: accuracy and cost of what it grows from, and its candidates."""

    dataset: str
    seed: int
    accuracy: float
    macs: float
    candidates: tuple[Scored, ...]


def recorded(dataset: str | None = None) -> list[FirstStep]:
    """Those that were recorded, of a data set or of all."""
    lines = RECORDED.read_text(encoding="utf-8").splitlines() if RECORDED.exists() else []
    found = []
    for line in map(json.loads, lines):
        [seed], candidates = line["steps"][0]["candidates"], line["steps"][1]["candidates"]
        found.append(FirstStep(line["dataset"], line["seed"], seed["accuracy"], seed["macs"], tuple(
            Scored(c["axis"], c["accuracy"], c["macs"], c["params"], tuple(letter == "1" for letter in c["right"]))
            for c in candidates)))
    return [step for step in found if dataset in (None, step.dataset)]


def main() -> None:
    """Trains and records what is not there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where trainings are kept")
    parser.add_argument("--data", type=Path, help="folder that holds fights/ and lips/, each with a labels.csv")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=["fights", "lips"])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(6)))
    asked = parser.parse_args()
    from expansion.foundation.imports import import_keras

    import_keras()
    import tensorflow as tf

    from expansion.tuning.tuner import ExpansionTuner

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for seed in asked.seeds:
        for terms in (SETS[name] for name in asked.sets):
            if any(step.seed == seed for step in recorded(terms.name)):
                continue
            settings = SearchSettings(start=terms.start, steps=1, without_gain="continue")
            tuner = ExpansionTuner(terms.records(asked.folder, asked.data), settings, recipe=terms.recipe, clips=terms.clips,
                                   seed=seed, directory=str(asked.folder / terms.name), project_name=str(seed))
            tuner.search()
            line = {"dataset": terms.name, "seed": seed, "steps": [kept(step) for step in tuner.state.steps]}
            with open(RECORDED, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
