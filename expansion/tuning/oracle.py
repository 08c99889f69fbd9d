"""The search as a Keras Tuner Oracle, a thin view of its state for those who use Keras Tuner's API.

A tuner of Keras Tuner that asks this Oracle gets the candidates of a step one by one, is told to wait (IDLE) while others
of the step run, and has the step decided when all have ended. ExpansionTuner drives the state by itself and shows it here.
"""

from __future__ import annotations

import os

import keras_tuner
from keras_tuner.engine import trial as trial_module

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.search.trace import has_trace, read_trace, write_trace
from expansion.spec import Spec
from expansion.tuning.folders import SearchFolder
from expansion.tuning.jobs import objective
from expansion.weights.search import new_search

SPEC_FIELDS = ("frames", "stride", "size", "width", "depth", "bottleneck")
Status = trial_module.TrialStatus
STATUS = {"completed": Status.COMPLETED, "failed": Status.FAILED, "stopped": Status.STOPPED}


def spec_of(hyperparameters: keras_tuner.HyperParameters) -> Spec:
    """The spec that a trial's hyperparameters name."""
    return Spec(**{name: hyperparameters.get(name) for name in SPEC_FIELDS})


def _space(start: Spec) -> keras_tuner.HyperParameters:
    space = keras_tuner.HyperParameters()
    space.Int("step", 0, 1000, default=0)
    space.Fixed("axis", "seed")
    space.Int("training", 0, 1000, default=0)
    for name in ("frames", "stride", "size"):
        space.Int(name, 1, 1 << 16, default=getattr(start, name))
    for name in ("width", "depth", "bottleneck"):
        space.Float(name, 0.0, 1000.0, default=getattr(start, name))
    return space


class ExpansionOracle(keras_tuner.Oracle):
    """Grows a seed step by step: one candidate per axis, all trained, the one with the largest marginal gain kept.

    With weights in the settings the seed is their network. Who trains then begins each trial as its parent (start_from), and the
    seed with the file (weights.start), as ExpansionTuner does.

    A trial has the hyperparameters step, axis and those of its spec, and reports "val_accuracy", or the other score of the
    task. The state is written to
    trace.json in the project's folder after every change.

    Args:
        search: its state, or the settings of a new one.
        retries: how often a candidate that failed is tried again.

    Raises:
        InputError: candidates are to race: pausing trials is beyond Keras Tuner's API, ExpansionTuner does it.
    """

    def __init__(self, search: SearchState | SearchSettings = SearchSettings(), retries: int = 1):
        self.search = search if isinstance(search, SearchState) else new_search(search)
        super().__init__(
            objective=keras_tuner.Objective(objective(self.search.settings.task), "max"),
            hyperparameters=_space(self.search.settings.start),
            max_retries_per_trial=retries,
            # A step with no completed candidate ends the search; failures in a row do not.
            max_consecutive_failed_trials=1 << 30,
            seed=1,
        )
        self.verbose = 0

    # What Keras Tuner's loop calls

    def populate_space(self, trial_id):
        """The next candidate; IDLE while a step waits for its last ones; STOPPED at the end."""
        if self.search.settings.race.on:
            raise InputError("search.race is on: Keras Tuner cannot pause a trial; ExpansionTuner can")
        proposal = self.search.next()
        if proposal is None:
            return {"status": Status.STOPPED if self.search.finished else Status.IDLE}
        step, candidate = proposal
        self.search.started(candidate, trial_id)
        return {"status": Status.RUNNING, "values": values_of(step, candidate)}

    @keras_tuner.synchronized
    def end_trial(self, trial):
        super().end_trial(trial)
        trial, message = self.trials[trial.trial_id], trial.message or f"{self.objective.name} is not a number"
        try:
            if trial.status == Status.COMPLETED:
                metrics = {name: trial.metrics.get_best_value(name) for name in trial.metrics.metrics
                           if name != self.objective.name}
                outcome = SearchFolder(self._project_dir).trial(trial.trial_id).read_result() or {}
                self.search.completed(trial.trial_id, trial.score, metrics, tuple(outcome.get("evidence", ())))
            elif trial.status == Status.FAILED:
                self.search.failed(trial.trial_id, message)
            else:
                self.search.attempt_failed(trial.trial_id, message)
        finally:
            self.save()

    def get_best_trials(self, num_trials=1):
        """The end of the path first, back to the seed; then the others by accuracy."""
        ended = [(step, c) for step in self.search.all_steps for c in step.trainings if c.status == "completed"]
        path = list(reversed(self.search.path))
        place = {id(candidate): number for number, candidate in enumerate(path)}
        ended.sort(key=lambda pair: (place.get(id(pair[1]), len(path)), -pair[1].accuracies[0]))
        return [self._trial_of(*pair) for pair in ended[:num_trials]]

    # On disk: trace.json is all

    @property
    def _project_dir(self):
        return files.folder(os.path.join(os.fspath(self._directory), self._project_name))

    def save(self):
        write_trace(self._project_dir, self.search)

    def _save_trial(self, trial):
        """Nothing: the trace has it."""

    def reload(self):
        """Continues from the trace in the project's folder. Trials that ran are begun again.

        Raises:
            InputError: there is no trace, or it cannot be read.
        """
        self.search = read_trace(self._project_dir, latency=self.search.latency, forecast=self.search.forecast)
        self.show(self.search)
        self.search.resume()
        for training in self.search.steps[-1].trainings:
            if training.status == "waiting" and training.trial_id is not None:
                training.status = "running"
                self._retry_queue.append(training.trial_id)

    @property
    def stored(self) -> bool:
        """Whether the project's folder holds a search."""
        return has_trace(self._project_dir)

    def show(self, search: SearchState) -> None:
        """Makes Keras Tuner's trials those of a state."""
        self.search = search
        named = [(step, c) for step in search.all_steps for c in step.trainings if c.trial_id is not None]
        self.trials = {candidate.trial_id: self._trial_of(step, candidate) for step, candidate in named}
        self.start_order = sorted(self.trials)
        self.end_order = [name for name in self.start_order if self.trials[name].status != Status.RUNNING]

    def _trial_of(self, step: Step, candidate: CandidateState) -> trial_module.Trial:
        """Keras Tuner's form of a training."""
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = values_of(step, candidate)
        trial = trial_module.Trial(
            hyperparameters, candidate.trial_id, STATUS.get(candidate.status, Status.RUNNING), candidate.message)
        if candidate.status == "completed":
            trial.score = candidate.accuracies[0]
            for name, value in {self.objective.name: trial.score, **candidate.metrics}.items():
                trial.metrics.register(name, self.objective.direction if name == self.objective.name else "min")
                trial.metrics.update(name, value)
        return trial


def values_of(step: Step, candidate: CandidateState) -> dict:
    """The hyperparameters of a training."""
    return {"step": step.number, "axis": candidate.axis, "training": candidate.repeat, **candidate.spec.as_dict()}
