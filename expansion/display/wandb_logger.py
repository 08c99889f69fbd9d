"""Weights & Biases, for those who look there: what TensorBoard's curves and tables say, in one run per search or training.

wandb is an optional package; it is imported when a logger is made.
"""

from __future__ import annotations

import os
import uuid

from expansion.display.tensorboard.layout import hyperparameters
from expansion.display.wandb_settings import WandbSettings
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.state import SearchState
from expansion.search.steps import Step

STATE = "wandb.json"  # in the folder of what is logged: which run it is, and the last step that the run has


class WandbLogger:
    """One run at Weights & Biases; started again in the same folder, it resumes that run.

    Args:
        name: of the run.
        folder: of the search or training.
        config: settings to show beside it.

    Raises:
        InputError: wandb is not installed, or will not start; says why.
    """

    def __init__(self, settings: WandbSettings, name: str, folder: str, config: dict):
        try:
            import wandb
        except ImportError:
            raise InputError("wandb is not installed; `pip install wandb` adds it, or leave --wandb out") from None
        self._wandb, self._path = wandb, os.path.join(folder, STATE)
        self._state = files.read_json(self._path) if files.exists(self._path) else {"id": uuid.uuid4().hex[:8], "step": -1}
        local = os.path.abspath(folder)
        os.makedirs(local, exist_ok=True)
        try:
            self._run = wandb.init(
                project=settings.project, entity=settings.entity, mode=settings.mode, name=name, id=self._state["id"],
                resume="allow", dir=local, config=config,
                settings=wandb.Settings(silent=True, console="off", disable_git=True))
        except wandb.errors.Error as error:
            raise InputError(f"wandb: {str(error).splitlines()[0]}") from None
        self._run.define_metric("search/step")
        self._run.define_metric("search/*", step_metric="search/step")
        files.write_json(self._path, self._state)

    def epoch(self, run: str, epoch: int, logs: dict) -> None:
        """The curves of one training.

        Args:
            run: its name, as in TensorBoard; "" where there is only one.
            epoch: from 1.
        """
        prefix = f"{run}/" if run else ""
        self._run.define_metric(f"{prefix}*", step_metric=f"{prefix}epoch")
        self._run.log({f"{prefix}{name}": value for name, value in {**logs, "epoch": epoch}.items()})

    def search(self, search: SearchState) -> None:
        """The steps that are decided and that the run does not have yet: the winner's numbers, and all candidates."""
        for step in search.steps:
            if step.decision and step.number > self._state["step"]:
                winner = step.winner
                self._run.log({
                    "search/step": step.number, "search/accuracy": winner.accuracy, "search/gain": winner.gain,
                    "search/GMACs": winner.macs / 1e9, "search/params": winner.params, "search/axis": winner.axis,
                    "search/margin": step.decision.margin, "search/verdict": step.decision.verdict,
                    f"candidates/step {step.number:02d}": self._table(step)})
                self._state["step"] = step.number
                files.write_json(self._path, self._state)

    def _table(self, step: Step):
        rows = [hyperparameters(step, candidate)
                | {"accuracy": candidate.accuracy, "gain": candidate.gain, "status": candidate.status,
                   "winner": candidate is step.winner} for candidate in step.candidates]
        return self._wandb.Table(columns=list(rows[0]), data=[list(row.values()) for row in rows])

    def results(self, values: dict[str, float]) -> None:
        """Numbers at the end, for the run's summary."""
        self._run.summary.update(values)

    def close(self) -> None:
        """Ends the run; all that was logged is written."""
        self._run.finish()
