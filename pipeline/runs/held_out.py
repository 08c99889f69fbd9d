"""What a finished run reached on held-out videos: seed and chosen network evaluated, and kept as result.json."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from pydantic import Field

from expansion.foundation import files
from expansion.foundation.settings import Settings, parse_settings
from expansion.tasks.registry import task_named
from expansion.tasks.single_label import Baseline
from expansion.tasks.task import TaskName
from pipeline.runs.folder import RunFolder


class HeldOutResult(Settings):
    """result.json.

    Args:
        split: the held-out split, "test" or, where there is none, "val".
        classes: names; rows and columns of the confusion matrix.
        task: what was learnt.
        metrics: of the task, the score first.
        confusion: videos of the chosen network, (label, prediction); of several labels a video none.
        top5: share of the videos with their label among the five most probable classes; of several labels 0.
        per_class, interval, tested: of several labels, the rows of Task.per_class, the score's 95 % interval, and the videos.
        seed_accuracy: the score of the search's seed on the same videos, share of 1; None where it knows other classes.
        keras_model, serving, examples, search: where they lie; no `serving` where the network was not blessed.
        ended: time, ISO 8601.
    """

    split: str
    classes: list[str]
    task: TaskName = "single-label"
    metrics: dict[str, float] = {}
    confusion: list[list[int]] = []
    top5: float = Field(0.0, ge=0, le=1)
    per_class: list[dict] = []
    interval: tuple[float, float] | None = None
    tested: int | None = None
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
    def videos_in_all(self) -> int:
        """How many videos it was tried on."""
        return sum(self.videos) if self.confusion else self.tested

    @property
    def accuracy(self) -> float:
        """The score: top-1, or mAP."""
        return sum(self.right) / sum(self.videos) if self.confusion else self.metrics[task_named(self.task).score]

    @property
    def baseline(self) -> Baseline | None:
        """What the accuracy is to be compared with; None of several labels a video."""
        return Baseline.of(self.confusion) if self.confusion else None


def read_held_out(folder: RunFolder) -> HeldOutResult | None:
    """What a run reached; None while it is not finished."""
    if not files.exists(folder.result):
        return None
    return parse_settings(HeldOutResult, files.read_json(folder.result), folder.result)


def _of_class(evaluation, classes) -> dict:
    return {"confusion": evaluation.confusion().tolist(), "top5": evaluation.top(5)}


def _of_classes(evaluation, classes) -> dict:
    return {"per_class": evaluation.task.per_class(evaluation.probabilities, evaluation.labels, classes),
            "interval": evaluation.task.interval(evaluation.score, evaluation.evidence), "tested": len(evaluation.labels)}


REACHED = {"class": _of_class, "clip": _of_classes, "frames": _of_classes}  # by Task.labels


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
    of_seed = evaluate(seed, data, split, clips).score if seed.classes == len(data.classes) else None  # a proxy has fewer
    chosen = evaluate(load_model(result.keras_model), data, split, clips)
    outcome = HeldOutResult(
        split=split, classes=list(data.classes), task=chosen.task.name, metrics=chosen.metrics,
        **REACHED[chosen.task.labels](chosen, data.classes), seed_accuracy=of_seed, keras_model=result.keras_model,
        serving=result.pushed, examples=result.examples, search=result.search_folder,
        ended=datetime.now(timezone.utc).isoformat(timespec="seconds"))
    files.write_json(folder.result, outcome.model_dump(mode="json"))
    return outcome
