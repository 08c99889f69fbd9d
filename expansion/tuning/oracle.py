"""The Keras Tuner Oracle of the expansion search: proposes the candidates of a step, and decides it when all are done."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Callable

import keras_tuner
from keras_tuner.engine import trial as trial_module

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.costs import Cost
from expansion.search.settings import SearchSettings
from expansion.search.state import Forecast, Search
from expansion.search.steps import CandidateState, Rung, Step
from expansion.search.trace import (
    OUTCOME,
    TRACE,
    TraceText,
    continue_search,
    read_trace,
    rung_file,
    write_trace,
    write_trace_text,
)
from expansion.spec import Spec

OBJECTIVE = "val_accuracy"
TRIAL = "trial.json"
SPEC_FIELDS = ("frames", "stride", "size", "width", "depth", "bottleneck")


def spec_of(hyperparameters: keras_tuner.HyperParameters) -> Spec:
    """The spec that a trial's hyperparameters name."""
    return Spec(**{name: hyperparameters.get(name) for name in SPEC_FIELDS})


def _space(seed: Spec) -> keras_tuner.HyperParameters:
    space = keras_tuner.HyperParameters()
    space.Int("step", 0, 1000, default=0)
    space.Fixed("axis", "seed")
    space.Int("training", 0, 1000, default=0)
    for name in ("frames", "stride", "size"):
        space.Int(name, 1, 1 << 16, default=getattr(seed, name))
    for name in ("width", "depth", "bottleneck"):
        space.Float(name, 0.0, 1000.0, default=getattr(seed, name))
    return space


class ExpansionOracle(keras_tuner.Oracle):
    """Grows a seed step by step: one candidate per axis, all trained, the one with the largest marginal gain kept.

    A trial has the hyperparameters step, axis and those of its spec, and reports "val_accuracy". While candidates of a
    step are still running, others who ask are told to wait (IDLE). The state is a search.Search; it is written to
    trace.json in the project's folder after every change, and all else is made from it when a search goes on.

    Args:
        settings: what to search for and when to end.
        retries: how often a candidate that failed is tried again.
        on_decided: called with each step when it is decided.
        made_with: what else results depend on, as JSON; a search made with other things is not gone on with.
        latency, forecast: as of Search.
    """

    def __init__(self, settings: SearchSettings = SearchSettings(), retries: int = 1, seed: int = 0,
                 on_decided: Callable[[Step], None] | None = None, made_with: dict | None = None,
                 latency: Cost | None = None, forecast: Forecast | None = None):
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "max"),
            hyperparameters=_space(settings.seed),
            max_retries_per_trial=retries,
            # A step with no completed candidate ends the search; failures in a row do not.
            max_consecutive_failed_trials=1 << 30,
            seed=seed or 1,
        )
        self._means = {"latency": latency, "forecast": forecast}
        self.search = Search(settings, made_with, **self._means)
        self._asked = settings, made_with or {}
        self.budget_changed = self._saves_later = False
        self._postings, self._text = itertools.count(), TraceText()
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
        return {"status": trial_module.TrialStatus.RUNNING, "values": _values(step, candidate)}

    @keras_tuner.synchronized
    def end_trial(self, trial):
        with self._unsaved():
            super().end_trial(trial)
        trial = self.trials[trial.trial_id]
        decided = None
        try:
            if trial.status == trial_module.TrialStatus.COMPLETED:
                rung = self.search.rung(trial.trial_id)
                if rung is None:
                    decided = self.search.completed(trial.trial_id, trial.score, *self._outcome(trial))
                else:
                    decided = self._pause(trial, rung)
            elif trial.status == trial_module.TrialStatus.FAILED:
                decided = self.search.failed(trial.trial_id, trial.message or f"{OBJECTIVE} is not a number")
            else:
                self.search.attempt_failed(trial.trial_id, trial.message or f"{OBJECTIVE} is not a number")
            self._go_on()
        finally:
            self.save()
        if decided and self.on_decided:
            self.on_decided(decided)

    def _pause(self, trial, rung: int) -> Step | None:
        """Takes in that a trial has come to a rung: to Keras Tuner it is one that runs."""
        path = os.path.join(self._get_trial_dir(trial.trial_id), rung_file(rung))
        kept = files.read_json(path) if files.exists(path) else {"epoch": rung + 1}
        metrics, accuracy = self._metrics(trial), trial.score
        self.end_order.remove(trial.trial_id)
        trial.status, trial.score, trial.metrics = trial_module.TrialStatus.RUNNING, None, type(trial.metrics)()
        self._save_trial(trial)
        self._count_attempts(self.search.place(trial.trial_id)[1])
        return self.search.paused(trial.trial_id, Rung(
            kept["epoch"], accuracy, tuple(kept.get("correct", ())), tuple(kept.get("curve", ()))), metrics)

    def _go_on(self) -> None:
        """Has those run on that a race left in; the others have ended."""
        for training in self.search.steps[-1].candidates:
            if training.status == "stopped":
                self.trials[training.trial_id].status = trial_module.TrialStatus.STOPPED
        for training in self.search.going_on():
            training.status = "running"
            self._retry_queue.append(training.trial_id)
        self._retry_queue.sort(reverse=True)  # Keras Tuner takes the last one

    def _count_attempts(self, candidate: CandidateState) -> None:
        self._run_times[candidate.trial_id] = len(candidate.failures) % (self.max_retries_per_trial + 1)

    def _metrics(self, trial) -> dict[str, float]:
        metrics = {name: trial.metrics.get_best_value(name) for name in trial.metrics.metrics}
        metrics.pop(OBJECTIVE, None)
        return metrics

    def _outcome(self, trial) -> tuple[dict, tuple[bool, ...]]:
        path = os.path.join(self._get_trial_dir(trial.trial_id), OUTCOME)
        correct = files.read_json(path)["correct"] if files.exists(path) else ()
        return self._metrics(trial), tuple(correct)

    def get_best_trials(self, num_trials=1):
        """The end of the path first, back to the seed; then the others by accuracy."""
        path = [self.trials[c.trial_id] for c in reversed(self.search.path) if c.trial_id in self.trials]
        others = [t for t in super().get_best_trials(len(self.trials)) if t not in path]
        return (path + others)[:num_trials]

    # On disk; Keras Tuner's own way there knows fewer file systems

    @property
    def _project_dir(self):
        return files.folder(os.path.join(os.fspath(self._directory), self._project_name))

    def _get_trial_dir(self, trial_id):
        return files.folder(os.path.join(self._project_dir, f"trial_{trial_id}"))

    def save(self):
        # Keras Tuner writes in place: a stop in the middle of it would leave half a file.
        if self._saves_later:
            return
        search = self._text(self.search)
        state = json.dumps(super().get_state())
        files.write_text(self._get_oracle_fname(), f'{{"search": {search}, {state[1:]}')
        write_trace_text(self._project_dir, search)

    @contextlib.contextmanager
    def _unsaved(self):
        self._saves_later = True
        try:
            yield
        finally:
            self._saves_later = False

    def create_trials(self) -> list[trial_module.Trial]:
        """All trials that can be begun at present; saved once, for a save takes the longer the more there are."""
        trials: list[trial_module.Trial] = []
        with self._unsaved():
            while True:
                trial = self.create_trial(f"posting {next(self._postings)}")
                if trial.status != trial_module.TrialStatus.RUNNING:
                    break
                trials.append(trial)
        if trials:
            self.save()
        return trials

    def _save_trial(self, trial):
        files.write_json(os.path.join(self._get_trial_dir(trial.trial_id), TRIAL), trial.get_state())

    def get_state(self):
        return super().get_state() | {"search": self.search.as_dict()}

    @property
    def stored(self) -> bool:
        """Whether the project's folder holds a search."""
        return files.exists(os.path.join(self._project_dir, TRACE)) or files.exists(self._get_oracle_fname())

    def reload(self):
        """Goes on from disk, wherever the last process was stopped, with the budget of this oracle's settings.

        Raises:
            InputError: the search there is damaged, or was made with other settings than those that say when it ends.
        """
        search = self._read()
        self.budget_changed = continue_search(search, *self._asked, self._project_dir)
        search.try_again()
        self.search, self.trials, self.ongoing_trials = search, {}, {}
        self._text = TraceText()
        self._retry_queue, self.start_order, self.end_order = [], [], []
        for step in search.all_steps:
            for candidate in step.trainings:
                if candidate.trial_id is not None:
                    self._restore(step, candidate)
        self.start_order.sort()
        self._retry_queue.sort(reverse=True)  # Keras Tuner takes the last one

    def _read(self) -> Search:
        try:
            return read_trace(self._project_dir, **self._means)
        except InputError as damaged:
            try:
                search = Search.from_dict(files.read_json(self._get_oracle_fname())["search"], **self._means)
            except (OSError, ValueError, KeyError, TypeError):
                raise damaged from None
            write_trace(self._project_dir, search)
            return search

    def _restore(self, step: Step, candidate: CandidateState) -> None:
        trial_id = candidate.trial_id
        if not candidate.done and step in self.search.steps:
            self._take_in(trial_id)
        self.trials[trial_id] = self._trial_of(step, candidate)
        self.start_order.append(trial_id)
        self._count_attempts(candidate)
        if candidate.done:
            self.end_order.append(trial_id)
        elif step in self.search.steps and candidate.status != "paused":
            candidate.status = "running"
            self._retry_queue.append(trial_id)

    def _take_in(self, trial_id: str) -> None:
        """A trial that had ended when the process was stopped, but was not in the search yet."""
        if self.search.rung(trial_id) is not None:  # run again, it only reads what it left there
            return
        try:
            trial = trial_module.Trial.from_state(files.read_json(os.path.join(self._get_trial_dir(trial_id), TRIAL)))
            outcome = self._outcome(trial)
        except (OSError, ValueError, KeyError, TypeError):
            return
        if trial.status == trial_module.TrialStatus.COMPLETED and trial.score is not None:
            self.search.completed(trial_id, trial.score, *outcome)

    def _trial_of(self, step: Step, candidate: CandidateState) -> trial_module.Trial:
        """Keras Tuner's form of a candidate."""
        states, hyperparameters = trial_module.TrialStatus, self.hyperparameters.copy()
        hyperparameters.values = _values(step, candidate)
        ended = {"completed": states.COMPLETED, "failed": states.FAILED, "stopped": states.STOPPED}
        status = ended.get(candidate.status, states.RUNNING)
        trial = trial_module.Trial(hyperparameters, candidate.trial_id, status, candidate.message)
        if candidate.status == "completed":
            trial.score = candidate.accuracies[0]
            for name, value in {OBJECTIVE: trial.score, **candidate.metrics}.items():
                trial.metrics.register(name, self.objective.direction if name == OBJECTIVE else "min")
                trial.metrics.update(name, value)
        return trial


def _values(step: Step, candidate: CandidateState) -> dict:
    return {"step": step.step, "axis": candidate.axis, "training": candidate.seed, **candidate.spec.as_dict()}
