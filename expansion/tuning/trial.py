"""One trial: a candidate's network built, trained, evaluated and kept in a folder. The same in whatever process it runs.

The job and what comes of it are files (tuning.folders): job.json says what to do; outcome.json, written last, what came of
it. A folder that has an outcome is never trained again. At a rung of a race a checkpoint is kept in place of the model.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import NamedTuple

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
from expansion.network.model import X3D
from expansion.network.saving import load_model, save_model
from expansion.network.transfer import start_from
from expansion.recipe.schedule import schedule_of
from expansion.search.steps import CandidateState, Step
from expansion.spec import Spec
from expansion.training.fit import Diverged, new_model, train
from expansion.tuning.folders import TrialFolder
from expansion.tuning.jobs import TrialJob, read_job


def run_attempt(path: str, on_epoch: Callable[[int, int, dict], None] | None = None) -> tuple[dict[str, float], str | None]:
    """Does a trial's job in a new attempt's folder, from the last epoch of the attempts before it.

    Args:
        path: of the trial's folder, which holds its job.
        on_epoch: called with (epoch from 1, epochs, logs).

    Returns:
        Metrics, and the folder of the attempt; None where the trial was done and committed before.

    Raises:
        InputError: the folder cannot be seen from here, or holds no job.
        Diverged: the loss or the network's answers are no numbers.
    """
    folder = TrialFolder(path)
    job = read_job(folder)
    if found := folder.read_result(job.rung):
        return found["metrics"], None
    for earlier in reversed(folder.attempts()):  # one that was done when the deciding process was stopped
        if found := earlier.read_result(job.rung):
            return found["metrics"], earlier.path
    attempt = folder.begin_attempt()
    with gradients_released():
        metrics = _run(attempt, job, on_epoch)
    if job.rung is None:
        files.remove_folder(attempt.checkpoint)
    return metrics, attempt.path


@contextlib.contextmanager
def gradients_released():
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


def _run(folder: TrialFolder, job: TrialJob, on_epoch) -> dict[str, float]:
    """The attempt's metrics: those of the task behind "val_", loss, accuracy, and times, which include those of earlier
    rungs; start_seconds (trace and first step) and input_wait_seconds are parts of train_seconds. With folds they are of all
    trainings together, and the network that is kept is that of the first fold."""
    began = time.perf_counter()
    trained = [_train(folder, job, number, on_epoch) for number in range(max(1, len(job.folds)))]
    first = trained[0]
    evaluation, history = Evaluation.joined([each.evaluation for each in trained]), _together([each.history for each in trained])
    metrics = _metrics(evaluation, history)
    if job.rung is None:
        metrics["latency_ms"] = first.latency
    metrics |= _times(job, history, *np.sum([each.seconds for each in trained], axis=0).tolist(), time.perf_counter() - began)
    if job.rung is None:
        _keep(folder, job, first, history, evaluation, metrics)
    else:
        files.write_json(folder.result(job.rung), {
            "epoch": job.until, "evidence": evaluation.evidence.tolist(), "curve": history["accuracy"], "metrics": metrics})
    return metrics


class _Trained(NamedTuple):
    """What came of a training on a data set; seconds of building, training and evaluating; ms of latency, of the first fold."""

    data: VideoDataset
    history: dict[str, list[float]]
    evaluation: Evaluation
    seconds: tuple[float, float, float]
    latency: float | None


def _train(folder: TrialFolder, job: TrialJob, number: int, on_epoch) -> _Trained:
    """Trains the network without a fold and evaluates it on that fold; without folds, on all data. The first one is kept."""
    began = time.perf_counter()
    keras.backend.clear_session()  # collects garbage, too
    data = VideoDataset.open(job.folds[number] if job.folds else job.data)
    model = _new(job, data)
    built = time.perf_counter()
    history = _fit(model, data, folder, job, number, on_epoch)
    trained = time.perf_counter()
    network = keras_network(model, job.clips.evaluation_size(model.spec.size))
    evaluation = evaluate_network(network, data, "val", job.clips)
    if not np.isfinite(evaluation.probabilities).all():
        raise Diverged("the network's answers are no numbers")
    kept = job.rung is None and not number
    latency = 1000 * network.latency() if kept else None
    seconds = built - began, trained - built, time.perf_counter() - trained
    if kept:
        save_model(model, folder.model)
    return _Trained(data, history, evaluation, seconds, latency)


def _together(histories: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    """The history of trainings as one: seconds of an epoch added up, all else their mean. Epochs that one lacks are left out."""
    if len(histories) == 1:
        return histories[0]
    return {name: [(sum if name.endswith("seconds") else fmean)(values) for values in zip(*(h[name] for h in histories))]
            for name in histories[0]}


def _keep(folder: TrialFolder, job: TrialJob, first: _Trained, history: dict, evaluation: Evaluation,
          metrics: dict[str, float]) -> None:
    """Writes what a finished trial is looked at by, and its outcome last."""
    classes = first.data.classes
    step, candidate = _described(job, len(classes))
    summaries.write_candidate(job.logs, step, candidate, metrics, evaluation, job.recipe, classes,
                              lambda: take_samples(first.data, "val", candidate.spec, job.clips, first.evaluation))
    files.write_json(folder.result(), {
        "evidence": evaluation.evidence.tolist(), "video_ids": evaluation.video_ids, **evaluation.kept(),
        "history": history, "metrics": metrics,
    })


def _times(job: TrialJob, history: dict, build: float, train: float, evaluate: float, seconds: float) -> dict[str, float]:
    """Seconds of a trial, with those of earlier rungs and of the epochs that attempts before this one trained."""
    times = {"build_seconds": build, "train_seconds": train, "evaluate_seconds": evaluate, "seconds": seconds}
    times = {name: value + job.spent.get(name, 0.0) for name, value in times.items()}
    missing = max(0.0, sum(history.get("epoch_seconds", ())) - times["train_seconds"])
    return times | {name: times[name] + missing for name in ("train_seconds", "seconds")}


def _fit(model: X3D, data: VideoDataset, folder: TrialFolder, job: TrialJob, number: int, on_epoch) -> dict[str, list[float]]:
    """Trains from the last epoch that an earlier attempt came to; from the first where that cannot be read.

    With folds, epochs are counted through all of them, and TensorBoard has the curves of the first.
    """
    checkpoint = folder.fold(number) if job.folds else folder.checkpoint
    resumed = files.exists(checkpoint)

    def on_epoch_of_all(epoch: int, epochs: int, logs: dict) -> None:
        on_epoch(number * epochs + epoch, len(job.folds) * epochs, logs)

    settings = {"seed": job.seed, "on_epoch": on_epoch_of_all if on_epoch and job.folds else on_epoch, "checkpoint": checkpoint,
                "callbacks": [] if number else [
                    summaries.Curves(job.logs, schedule_of(model.spec, job.recipe, data.videos("train")))],
                "until": job.until}
    try:
        return train(model, data, job.recipe, job.clips, **settings)
    except InputError:
        if not resumed:
            raise
    files.remove_folder(checkpoint)
    return train(_new(job, data), data, job.recipe, job.clips, **settings)


def _new(job: TrialJob, data: VideoDataset) -> X3D:
    model = new_model(Spec(**job.spec), data, job.recipe, job.seed)
    if job.parent:
        start_from(model, load_model(job.parent), any_clip=job.kind == "seed")
    return model


def _metrics(evaluation: Evaluation, history: dict) -> dict[str, float]:
    return {
        **{f"val_{name}": value for name, value in evaluation.metrics.items()},
        "loss": history["loss"][-1],
        "accuracy": history["accuracy"][-1],
        "clips_per_second": max(history["clips_per_second"]),
    } | {name: sum(history[name]) for name in ("start_seconds", "input_wait_seconds") if name in history}


def _described(job: TrialJob, classes: int) -> tuple[Step, CandidateState]:
    """The job as the search knows it, for the summaries: a step with this candidate alone, and no results."""
    spec = Spec(**job.spec)
    cost = complexity(spec, classes)
    candidate = CandidateState(job.axis, spec, cost.macs, cost.params, cost.params_without_bn)
    return Step(job.step, job.kind, [candidate]), candidate
