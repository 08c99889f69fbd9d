"""The Keras Tuner tuner of the expansion search: trains each candidate and reports its K-view accuracy."""

from __future__ import annotations

import gc
import os
import time

import keras
from keras_tuner.engine import base_tuner

from expansion import files, summaries
from expansion.dataset import VideoDataset
from expansion.evaluation import Evaluation, evaluate_network
from expansion.figure import save_figure
from expansion.forecast import seconds_left
from expansion.model import X3D
from expansion.network import keras_network
from expansion.oracle import OBJECTIVE, ExpansionOracle, spec_of
from expansion.progress import SearchProgress
from expansion.recipe import ClipSettings, Recipe
from expansion.samples import take_samples
from expansion.search import Search, SearchSettings, Step
from expansion.trace import OUTCOME
from expansion.training import load_model, new_model, train

FIGURE = "path.png"


class ExpansionTuner(base_tuner.BaseTuner):
    """Runs an expansion search on a data set.

    Args:
        data: a VideoDataset, or the path of one.
        settings: what to search for and when to end; classes and limits are taken from the data.
        recipe: how candidates are trained.
        clips: how clips are cut.
        directory, project_name: the search's folder is directory/project_name. It holds trace.json, a folder for each
            trial with its model, and, in `logs`, what TensorBoard shows.
        overwrite: begin anew where the folder holds a search already; else go on with that one.
        retries: how often a candidate that failed is tried again.
        seed: settles initial weights and clips.
        progress: where to show it; None for a default, SearchProgress(quiet=True) for nowhere.
    """

    def __init__(self, data: VideoDataset | str, settings: SearchSettings = SearchSettings(), *,
                 recipe: Recipe = Recipe(), clips: ClipSettings = ClipSettings(), directory: str = "runs",
                 project_name: str = "search", overwrite: bool = False, retries: int = 1, seed: int = 0,
                 progress: SearchProgress | None = None):
        self.data = data if isinstance(data, VideoDataset) else VideoDataset.open(data)
        self.recipe, self.clips, self.seed = recipe, clips, seed
        self.progress = progress or SearchProgress()
        settings = for_data(settings, self.data)
        oracle = ExpansionOracle(settings, retries=retries, seed=seed, on_decided=self._decided)
        super().__init__(oracle, directory=os.fspath(directory), project_name=project_name, overwrite=overwrite)

    @property
    def trace(self) -> Search:
        """The search as it stands: steps, candidates, decisions, path."""
        return self.oracle.search

    @property
    def logs(self) -> str:
        """Folder that TensorBoard reads."""
        return os.path.join(self.project_dir, "logs")

    def run_trial(self, trial):
        """Builds, trains and evaluates one candidate; its model and outcome are kept in the trial's folder."""
        began = time.perf_counter()
        step, candidate = self._candidate(trial.trial_id)
        recipe = self.recipe.at(step.step)
        place = f"{step.candidates.index(candidate) + 1}/{len(step.candidates)}"
        done = [c for of in self.trace.steps for c in of.candidates if c.done]
        self.progress.trial_began(
            step.step, place, candidate, recipe.epochs, len(done), sum(c.metrics.get("seconds", 0.0) for c in done),
            seconds_left(self.trace, self.recipe, self.data.videos("train")))
        keras.backend.clear_session()
        gc.collect()
        try:
            result = self._train_and_evaluate(trial, step, recipe, began)
        except Exception as error:
            self.progress.trial_ended(f"failed: {error}".splitlines()[0])
            raise
        return result

    def _train_and_evaluate(self, trial, step: Step, recipe: Recipe, began: float) -> dict[str, float]:
        folder = self.get_trial_dir(trial.trial_id)
        run = os.path.join(self.logs, summaries.run_name(step, trial.hyperparameters.get("axis")))
        model = new_model(spec_of(trial.hyperparameters), self.data, recipe, self.seed)
        built = time.perf_counter()
        history = train(model, self.data, recipe, self.clips, seed=self.seed, on_epoch=self.progress.epoch_ended,
                        callbacks=[summaries.Curves(run)])
        trained = time.perf_counter()
        network = keras_network(model, self.clips.evaluation_size(model.spec.size))
        evaluation = evaluate_network(network, self.data, "val", self.clips)
        latency = network.latency()
        ended = time.perf_counter()
        self.save_model(trial.trial_id, model)
        metrics = self._metrics(evaluation, history, began, built, trained, ended) | {"latency_ms": 1000 * latency}
        files.write_json(os.path.join(folder, OUTCOME), {
            "correct": [bool(value) for value in evaluation.correct], "video_ids": evaluation.video_ids,
            "labels": evaluation.labels.tolist(), "predictions": evaluation.predictions.tolist(),
            "history": history, "metrics": metrics,
        })
        _, candidate = self._candidate(trial.trial_id)
        summaries.write_candidate(run, step, candidate, metrics, evaluation, recipe, self.data.classes,
                                  lambda: take_samples(self.data, "val", model.spec, self.clips, evaluation))
        self.progress.trial_ended(f"{100 * evaluation.accuracy:.1f} % in {metrics['seconds']:.0f} s")
        return metrics

    @staticmethod
    def _metrics(evaluation: Evaluation, history: dict, began, built, trained, ended) -> dict[str, float]:
        return {
            OBJECTIVE: evaluation.accuracy,
            "val_top5": evaluation.top(5),
            "val_loss": evaluation.loss,
            "loss": history["loss"][-1],
            "accuracy": history["accuracy"][-1],
            "clips_per_second": max(history["clips_per_second"]),
            "build_seconds": built - began,
            "train_seconds": trained - built,
            "evaluate_seconds": ended - trained,
            "seconds": time.perf_counter() - began,
        }

    def _candidate(self, trial_id: str):
        for step in self.trace.steps:
            for candidate in step.candidates:
                if candidate.trial_id == trial_id:
                    return step, candidate
        raise KeyError(trial_id)

    def _decided(self, step: Step) -> None:
        self.progress.step_decided(step)
        summaries.write_search(self.logs, self.trace)
        save_figure(self.trace, os.path.join(self.project_dir, FIGURE))

    def load_model(self, trial) -> X3D:
        """The trained model of a trial."""
        return load_model(os.path.join(self.get_trial_dir(trial.trial_id), files.KERAS_MODEL))

    def save_model(self, trial_id, model, step=0):
        model.save(os.path.join(self.get_trial_dir(trial_id), files.KERAS_MODEL))


def for_data(settings: SearchSettings, data: VideoDataset) -> SearchSettings:
    """The settings with the classes and the limits of a data set."""
    return settings.model_copy(update={"classes": len(data.classes), "limits": data.limits})
