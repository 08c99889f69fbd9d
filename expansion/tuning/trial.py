"""One trial: a candidate's network built, trained, evaluated and kept in a folder. The same in whatever process it runs.

A trial's folder is all that passes between the search and who runs the trial: job.json says what to do, outcome.json,
written last, what came of it. A folder that has an outcome is never trained again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

import keras
import numpy as np
from tensorflow.python.framework import ops

from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.display.tensorboard import summaries
from expansion.evaluation.evaluate import Evaluation, evaluate_network
from expansion.evaluation.networks import keras_network
from expansion.evaluation.samples import take_samples
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.settings import Settings, parse_settings
from expansion.network.model import X3D
from expansion.network.saving import load_model, save_model
from expansion.network.transfer import start_from
from expansion.recipe import ClipSettings, Recipe
from expansion.search.steps import CandidateState, Step
from expansion.search.trace import OUTCOME, rung_file
from expansion.spec import Spec
from expansion.training.fit import Diverged, new_model, train
from expansion.tuning.oracle import OBJECTIVE

JOB = "job.json"
CHECKPOINT = "checkpoint"


class Job(Settings):
    """What a trial is to do: job.json in its folder.

    Args:
        data: folder of the data set.
        step, kind, axis, spec: the candidate, and the search step that it belongs to.
        recipe: that of the step.
        clips: how clips are cut.
        seed: settles weights and clips.
        rung, until: index of the rung of a race, and the epoch after which the trial pauses there; None to train to the end.
        spent: seconds of the trial's parts up to earlier rungs, by the names that they have in its metrics.
        parent: file of the network whose weights it begins with; None from scratch.
        logs: folder for TensorBoard, beside the trial's or anywhere.
    """

    data: str
    step: int
    kind: str
    axis: str
    spec: dict[str, int | float]
    recipe: Recipe
    clips: ClipSettings
    seed: int
    rung: int | None = None
    until: int | None = None
    spent: dict[str, float] = {}
    parent: str | None = None
    logs: str


def write_job(folder: str, job: Job) -> None:
    files.write_json(os.path.join(folder, JOB), job.model_dump(mode="json"))


def read_job(folder: str) -> Job:
    path = os.path.join(folder, JOB)
    return parse_settings(Job, files.read_json(path), path)


def metrics_of(folder: str, name: str = OUTCOME) -> dict[str, float] | None:
    """Metrics of a trial that is done, or that came to a rung; None where not, or where what it left is damaged."""
    try:
        return files.read_json(os.path.join(folder, name))["metrics"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_job(folder: str, job: Job, on_epoch: Callable[[int, int, dict], None] | None = None) -> dict[str, float]:
    """Does the job, unless it is done; model, outcome and curves are kept. At a rung, a checkpoint in place of the model.

    Args:
        folder: the trial's.
        on_epoch: called with (epoch from 1, epochs, logs).

    Returns:
        Metrics: val_accuracy, val_top5, val_loss, loss, accuracy, and times, which include those of earlier rungs;
        start_seconds (trace and first step) and input_wait_seconds are parts of train_seconds.

    Raises:
        Diverged: the loss or the network's answers are no numbers.
    """
    metrics = metrics_of(folder, OUTCOME if job.rung is None else rung_file(job.rung))
    if metrics is None:
        with _gradients_released():
            metrics = _run(folder, job, on_epoch)
    if job.rung is None:
        files.remove_folder(os.path.join(folder, CHECKPOINT))
    return metrics


@contextlib.contextmanager
def _gradients_released():
    """Forgets the custom gradients that the block made: TensorFlow keeps each for ever, and with it its whole graph.

    40 to 100 MB a trial of the smallest networks. There is no public way; where the private one is gone, nothing is done.
    """
    held = getattr(getattr(ops, "gradient_registry", None), "_registry", {})
    before = set(held)
    try:
        yield
    finally:
        for name in [name for name in held if name not in before and name.startswith("CustomGradient-")]:
            del held[name]


def _run(folder: str, job: Job, on_epoch) -> dict[str, float]:
    began = time.perf_counter()
    keras.backend.clear_session()  # collects garbage, too
    data = VideoDataset.open(job.data)
    model = _new(job, data)
    built = time.perf_counter()
    history = _trained(model, data, folder, job, on_epoch)
    trained = time.perf_counter()
    network = keras_network(model, job.clips.evaluation_size(model.spec.size))
    evaluation = evaluate_network(network, data, "val", job.clips)
    if not np.isfinite(evaluation.probabilities).all():
        raise Diverged("the network's answers are no numbers")
    metrics = _metrics(evaluation, history)
    if job.rung is None:
        metrics["latency_ms"] = 1000 * network.latency()
    ended = time.perf_counter()
    if job.rung is None:
        save_model(model, os.path.join(folder, files.KERAS_MODEL))
    metrics |= _times(job, built - began, trained - built, ended - trained, time.perf_counter() - began)
    if job.rung is None:
        _keep(folder, job, model, data, history, evaluation, metrics)
    else:
        files.write_json(os.path.join(folder, rung_file(job.rung)), {
            "epoch": job.until, "correct": _correct(evaluation), "curve": history["accuracy"], "metrics": metrics})
    return metrics


def _keep(folder: str, job: Job, model: X3D, data: VideoDataset, history: dict, evaluation: Evaluation,
          metrics: dict[str, float]) -> None:
    """Writes what a finished trial is looked at by, and its outcome last."""
    step, candidate = _described(job, len(data.classes))
    summaries.write_candidate(job.logs, step, candidate, metrics, evaluation, job.recipe, data.classes,
                              lambda: take_samples(data, "val", model.spec, job.clips, evaluation))
    files.write_json(os.path.join(folder, OUTCOME), {
        "correct": _correct(evaluation), "video_ids": evaluation.video_ids,
        "labels": evaluation.labels.tolist(), "predictions": evaluation.predictions.tolist(),
        "history": history, "metrics": metrics,
    })


def _correct(evaluation: Evaluation) -> list[bool]:
    return [bool(value) for value in evaluation.correct]


def _times(job: Job, build: float, train: float, evaluate: float, seconds: float) -> dict[str, float]:
    """Seconds of a trial, with those of its earlier parts."""
    times = {"build_seconds": build, "train_seconds": train, "evaluate_seconds": evaluate, "seconds": seconds}
    return {name: value + job.spent.get(name, 0.0) for name, value in times.items()}


def _trained(model: X3D, data: VideoDataset, folder: str, job: Job, on_epoch) -> dict[str, list[float]]:
    """Trains from the last epoch that an earlier attempt came to; from the first where that cannot be read."""
    checkpoint = os.path.join(folder, CHECKPOINT)
    again = files.exists(checkpoint)
    settings = {"seed": job.seed, "on_epoch": on_epoch, "callbacks": [summaries.Curves(job.logs)], "checkpoint": checkpoint,
                "until": job.until}
    try:
        return train(model, data, job.recipe, job.clips, **settings)
    except InputError:
        if not again:
            raise
    files.remove_folder(checkpoint)
    return train(_new(job, data), data, job.recipe, job.clips, **settings)


def _new(job: Job, data: VideoDataset) -> X3D:
    model = new_model(Spec(**job.spec), data, job.recipe, job.seed)
    if job.parent:
        start_from(model, load_model(job.parent))
    return model


def _metrics(evaluation: Evaluation, history: dict) -> dict[str, float]:
    return {
        OBJECTIVE: evaluation.accuracy,
        "val_top5": evaluation.top(5),
        "val_loss": evaluation.loss,
        "loss": history["loss"][-1],
        "accuracy": history["accuracy"][-1],
        "clips_per_second": max(history["clips_per_second"]),
    } | {name: sum(history[name]) for name in ("start_seconds", "input_wait_seconds") if name in history}


def _described(job: Job, classes: int) -> tuple[Step, CandidateState]:
    spec = Spec(**job.spec)
    cost = complexity(spec, classes)
    candidate = CandidateState(job.axis, spec, cost.macs, cost.params, cost.params_without_bn)
    return Step(job.step, job.kind, [candidate]), candidate
