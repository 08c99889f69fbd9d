"""The Keras Tuner Oracle of the expansion search: proposes the candidates of a step, and decides it when all are done."""

from __future__ import annotations

import os
from collections.abc import Callable

import keras_tuner
from keras_tuner.engine import trial as trial_module

from expansion import files
from expansion.search import CandidateState, Search, SearchSettings, Step
from expansion.spec import Spec
from expansion.trace import OUTCOME, write_trace

OBJECTIVE = "val_accuracy"
SPEC_FIELDS = ("frames", "stride", "size", "width", "depth", "bottleneck")


def spec_of(hyperparameters: keras_tuner.HyperParameters) -> Spec:
    """The spec that a trial's hyperparameters name."""
    return Spec(**{name: hyperparameters.get(name) for name in SPEC_FIELDS})


def _space(seed: Spec) -> keras_tuner.HyperParameters:
    space = keras_tuner.HyperParameters()
    space.Int("step", 0, 1000, default=0)
    space.Fixed("axis", "seed")
    for name in ("frames", "stride", "size"):
        space.Int(name, 1, 1 << 16, default=getattr(seed, name))
    for name in ("width", "depth", "bottleneck"):
        space.Float(name, 0.0, 1000.0, default=getattr(seed, name))
    return space


class ExpansionOracle(keras_tuner.Oracle):
    """Grows a seed step by step: one candidate per axis, all trained, the one with the largest marginal gain kept.

    A trial has the hyperparameters step, axis and those of its spec, and reports "val_accuracy". While candidates of a
    step are still running, others who ask are told to wait (IDLE). The state is a search.Search; it is written to
    trace.json in the project's folder after every change.

    Args:
        settings: what to search for and when to end.
        retries: how often a candidate that failed is tried again.
        on_decided: called with each step when it is decided.
    """

    def __init__(self, settings: SearchSettings = SearchSettings(), retries: int = 1, seed: int = 0,
                 on_decided: Callable[[Step], None] | None = None):
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "max"),
            hyperparameters=_space(settings.seed),
            max_retries_per_trial=retries,
            # A step with no completed candidate ends the search; failures in a row do not.
            max_consecutive_failed_trials=1 << 30,
            seed=seed or 1,
        )
        self.search = Search(settings)
        self.on_decided = on_decided
        self.verbose = 0

    def populate_space(self, trial_id):
        """The next candidate; IDLE while a step waits for its last ones; STOPPED at the end."""
        proposal = self.search.next()
        if proposal is None:
            done = self.search.finished
            return {"status": trial_module.TrialStatus.STOPPED if done else trial_module.TrialStatus.IDLE}
        step, candidate = proposal
        self.search.started(candidate, trial_id)
        values = {"step": step.step, "axis": candidate.axis, **candidate.spec.as_dict()}
        return {"status": trial_module.TrialStatus.RUNNING, "values": values}

    @keras_tuner.synchronized
    def end_trial(self, trial):
        super().end_trial(trial)
        trial = self.trials[trial.trial_id]
        decided = None
        try:
            if trial.status == trial_module.TrialStatus.COMPLETED:
                decided = self.search.completed(trial.trial_id, trial.score, *self._outcome(trial))
            elif trial.status == trial_module.TrialStatus.FAILED:
                decided = self.search.failed(trial.trial_id, trial.message or "no reason given")
        finally:
            self.save()
        if decided and self.on_decided:
            self.on_decided(decided)

    def _outcome(self, trial) -> tuple[dict, tuple[bool, ...]]:
        metrics = {name: trial.metrics.get_best_value(name) for name in trial.metrics.metrics}
        metrics.pop(OBJECTIVE, None)
        path = os.path.join(self._get_trial_dir(trial.trial_id), OUTCOME)
        correct = files.read_json(path)["correct"] if files.exists(path) else ()
        return metrics, tuple(correct)

    def get_best_trials(self, num_trials=1):
        """The end of the path first, back to the seed; then the others by accuracy."""
        path = [self.trials[c.trial_id] for c in reversed(self.search.path) if c.trial_id in self.trials]
        others = [t for t in super().get_best_trials(len(self.trials)) if t not in path]
        return (path + others)[:num_trials]

    def save(self):
        super().save()
        write_trace(self._project_dir, self.search)

    def reload(self):
        """Goes on from disk, wherever the last process was stopped.

        Keras Tuner writes trials and its own state one after the other; a stop in between leaves them at odds: a trial
        that ended but is not yet in the search is taken in, one that was begun but is not in it is forgotten.
        """
        super().reload()
        known = {c.trial_id: c for step in self.search.steps for c in step.candidates if c.trial_id}
        self.trials = {trial_id: trial for trial_id, trial in self.trials.items() if trial_id in known}
        self._retry_queue = [trial_id for trial_id in dict.fromkeys(self._retry_queue) if trial_id in known]
        for trial_id, candidate in known.items():
            if not candidate.done:
                self._take_in(trial_id, candidate)

    def _take_in(self, trial_id: str, candidate: CandidateState) -> None:
        trial = self.trials.get(trial_id)
        if trial is None:
            candidate.status, candidate.trial_id = "waiting", None
        elif trial.status == trial_module.TrialStatus.COMPLETED:
            self.search.completed(trial_id, trial.score, *self._outcome(trial))
        elif trial.status == trial_module.TrialStatus.FAILED:
            self.search.failed(trial_id, trial.message or "no reason given")
        elif trial_id not in self._retry_queue:
            self._retry_queue.append(trial_id)

    def get_state(self):
        return super().get_state() | {"search": self.search.as_dict()}

    def set_state(self, state):
        super().set_state(state)
        self.search = Search.from_dict(state["search"])
