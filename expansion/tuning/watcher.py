"""Shows how a search goes: in the terminal, TensorBoard, Weights & Biases, and as the figure of its path."""

from __future__ import annotations

from collections.abc import Callable

from expansion.display.lettering import if_drawn
from expansion.display.path_figure import save_figure
from expansion.display.progress import SearchProgress
from expansion.display.tables import percent
from expansion.display.tensorboard import summaries
from expansion.display.wandb_logger import WandbLogger
from expansion.recipe import Recipe
from expansion.recipe.schedule import epochs_in
from expansion.search.forecast import seconds_left
from expansion.search.state import SearchState
from expansion.search.steps import Step
from expansion.tuning.folders import SearchFolder
from expansion.tuning.jobs import objective


class SearchWatcher:
    """The watcher of tuning.loop.

    Args:
        state, folder: of the search.
        recipe: of its candidates.
        videos: for training.
        seed: of the search.
        parallel: tells how many trainings there are at the same time.
        progress: the terminal.
        logger: Weights & Biases; None for none.
    """

    def __init__(self, state: SearchState, folder: SearchFolder, recipe: Recipe, videos: int, seed: int,
                 parallel: Callable[[], int],
                 progress: SearchProgress, logger: WandbLogger | None = None):
        self._state, self._folder, self._recipe, self._videos, self._seed = state, folder, recipe, videos, seed
        self._parallel, self._progress, self._logger = parallel, progress, logger
        self._other_cpus: set[str] = set()

    def began(self, trial: str, cpu: str = "") -> None:
        if cpu not in ("", self._state.cpu, *self._other_cpus):
            self._other_cpus.add(cpu)
            self._progress.note(f"workers have different kinds of CPU, {self._state.cpu} and {cpu}: results are equal to the "
                                "bit on one kind only")
        step, candidate = self._state.find(trial)
        place = f"{step.candidates.index(step.owner(candidate)) + 1}/{len(step.candidates)}"
        place += f" seed {self._seed + candidate.repeat}" if candidate.repeat else ""
        done = [c for of in self._state.all_steps for c in of.trainings if c.done]
        spent, left = sum(c.metrics.get("seconds", 0.0) for c in done), seconds_left(self._state, self._recipe, self._videos)
        parallel = max(1, self._parallel())
        self._progress.trial_began(
            step.number, place, candidate, epochs_in(candidate.spec, self._recipe.at(step.number), self._videos), len(done),
            spent / parallel,
            None if left is None else left / parallel, trial)

    def epoch(self, trial: str, epoch: int, epochs: int, logs: dict) -> None:
        self._progress.epoch_ended(epoch, epochs, logs, trial)
        if self._logger:
            step, candidate = self._state.find(trial)
            self._logger.epoch(summaries.run_name(step, candidate.axis, candidate.repeat), epoch, logs)

    def ended(self, trial: str, metrics: dict | None, reason: str | None) -> None:
        result = f"failed: {reason}" if metrics is None else _result(metrics, objective(self._state.settings.task))
        self._progress.trial_ended(result, trial)

    def lost(self, trial: str, reason: str) -> None:
        self._progress.trial_ended(f"its worker is lost, another takes over: {reason}", trial)

    def decided(self, step: Step) -> None:
        self._progress.step_decided(step)
        self.show()

    def show(self) -> None:
        """Brings pictures and tables up to date."""
        summaries.write_search(self._folder.logs, self._state)
        if_drawn(self._folder.figure, lambda: save_figure(self._state, self._folder.figure))
        if self._logger:
            self._logger.search(self._state)


def _result(metrics: dict, score: str) -> str:
    accuracy = metrics[score]
    worse = ", no better than its largest class" if accuracy <= metrics.get("val_largest_class", -1) else ""
    return f"{percent(accuracy)} in {metrics['seconds']:.0f} s{worse}"
