"""What a finished run reached on held-out videos: seed and chosen network evaluated, and kept as result.json."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from pydantic import Field

from expansion.foundation import files
from expansion.foundation.settings import Settings, parse_settings
from expansion.tasks.single_label import Baseline
from pipeline.runs.folder import RunFolder


class HeldOutResult(Settings):
    """result.json.

    Args:
        split: the held-out split, "test" or, where there is none, "val".
        classes: names; rows and columns of the confusion matrix.
        confusion: videos of the chosen network, (label, prediction).
        top5: share of the videos with their label among the five most probable classes.
        seed_accuracy: top-1 of the search's seed on the same videos, share of 1; None where it knows other classes.
        keras_model, serving, examples, search: where they lie; no `serving` where the network was not blessed.
        ended: time, ISO 8601.
    """

    split: str
    classes: list[str]
    confusion: list[list[int]]
    top5: float = Field(ge=0, le=1)
    seed_accuracy: float | None = Field(ge=0, le=1)
    keras_model: str
    serving: str | None
    examples: str
    search: str
    ended: str

    @property
    def right(self) -> list[int]:
        """Videos of each class that are classified right."""
        return [row[index] for index, row in enumerate(self.confusion)]

    @property
    def videos(self) -> list[int]:
        """Videos of each class."""
        return [sum(row) for row in self.confusion]

    @property
    def accuracy(self) -> float:
        return sum(self.right) / sum(self.videos)

    @property
    def baseline(self) -> Baseline:
        """What the accuracy is to be compared with."""
        return Baseline.of(self.confusion)


def read_held_out(folder: RunFolder) -> HeldOutResult | None:
    """What a run reached; None while it is not finished."""
    if not files.exists(folder.result):
        return None
    return parse_settings(HeldOutResult, files.read_json(folder.result), folder.result)


def evaluate_run(result, folder: RunFolder, split: str, clips) -> HeldOutResult:
    """Evaluates the search's seed and the chosen network on a split, and writes result.json.

    Args:
        result: a pipeline.local_runner.Result.
        clips: the run's ClipSettings.
    """
    from expansion.data.dataset import VideoDataset
    from expansion.evaluation.evaluate import evaluate
    from expansion.network.saving import load_model

    data = VideoDataset.open(result.examples)
    trial = f"trial_{result.search.path[0].trial_id}"
    seed = load_model(os.path.join(result.search_folder, trial, files.KERAS_MODEL))
    of_seed = evaluate(seed, data, split, clips).accuracy if seed.classes == len(data.classes) else None  # a proxy has fewer
    chosen = evaluate(load_model(result.keras_model), data, split, clips)
    outcome = HeldOutResult(
        split=split, classes=list(data.classes), confusion=chosen.confusion().tolist(), top5=chosen.top(5),
        seed_accuracy=of_seed, keras_model=result.keras_model, serving=result.pushed, examples=result.examples,
        search=result.search_folder, ended=datetime.now(timezone.utc).isoformat(timespec="seconds"))
    files.write_json(folder.result, outcome.model_dump(mode="json"))
    return outcome
