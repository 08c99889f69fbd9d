"""What is to be done, as JSON: a whole search, and one of its trials. Plain Python."""

from __future__ import annotations

from pydantic import Field, model_validator

from expansion.data.subset import ProxySettings
from expansion.display.wandb_settings import WandbSettings
from expansion.foundation import files
from expansion.foundation.settings import Settings, parse_settings
from expansion.recipe import ClipSettings, Recipe
from expansion.search.racing import check_multigrid
from expansion.search.settings import SearchSettings
from expansion.search.trace import has_trace, read_trace, refuse_changes
from expansion.tasks.registry import task_named
from expansion.tasks.task import TaskName
from expansion.tuning.engines.settings import EngineSettings
from expansion.tuning.folders import TrialFolder
from expansion.weights.search import source_of, weights_made_with


def objective(task: TaskName = "single-label") -> str:
    """The metric of a trial that a search for a task maximises."""
    return f"val_{task_named(task).score}"


class SearchJob(Settings):
    """A search but for its data and its folder. It passes from the configuration to where the search runs.

    Args:
        search: what to search for and when to end; classes and limits come from the data.
        recipe: how candidates are trained.
        clips: how clips are cut.
        seed: determines initial weights and clips.
        retries: how often a candidate that failed is tried again.
        engine: where candidates are trained.
        proxy: part of the data, and fewer epochs, to search on; None for all.
        wandb: a run at Weights & Biases to log to; None for none.
    """

    search: SearchSettings = SearchSettings()
    recipe: Recipe = Recipe()
    clips: ClipSettings = ClipSettings()
    seed: int = Field(0, ge=0)
    retries: int = Field(1, ge=0)
    engine: EngineSettings = EngineSettings()
    proxy: ProxySettings | None = None
    wandb: WandbSettings | None = None

    @model_validator(mode="after")
    def _multigrid_is_allowed(self):
        check_multigrid(self.search.start, self.search.race, self.recipe)
        return self

    @model_validator(mode="after")
    def _folds_are_of_all_data(self):
        if self.search.folds and self.proxy and (self.proxy.classes is not None or self.proxy.share < 1):
            raise ValueError(f"search.folds is {self.search.folds}: it does not go with a proxy of some videos; cross-validation "
                             "is for data that are few")
        return self

    @property
    def candidate_recipe(self) -> Recipe:
        """The recipe of the candidates, with the proxy's epochs."""
        return self.proxy.recipe(self.recipe) if self.proxy else self.recipe

    def check_folder(self, folder: str) -> None:
        """Whether the search in a folder, if there is one, may continue with these settings; its data are not looked at.

        Raises:
            InputError: it may not; the line says what differs.
        """
        if has_trace(folder):
            refuse_changes(read_trace(folder), self.search, {
                "recipe": self.candidate_recipe.model_dump(mode="json"), "clips": self.clips.model_dump(mode="json"),
                "seed": self.seed, **weights_made_with(source_of(self.search))}, folder)


class TrialJob(Settings):
    """What a trial is to do: job.json in its folder. Paths hold on every machine that trains.

    Args:
        data: folder of the data set.
        folds: folders of those of cross-validation, in each of which the network is trained; none to train it once, in data.
        step, kind, axis, spec: the candidate, and the search step that it belongs to.
        recipe: that of the step.
        clips: how clips are cut.
        seed: determines weights and clips.
        rung, until: index of the rung of a race, and the epoch after which the trial pauses there; None to train to the end.
        spent: seconds of the trial's parts up to earlier rungs, by the names that they have in its metrics.
        parent: file of the network whose weights it begins with; None from scratch.
        logs: folder for TensorBoard.
    """

    data: str
    folds: tuple[str, ...] = ()
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


def write_job(folder: TrialFolder, job: TrialJob) -> None:
    files.write_json(folder.job, job.model_dump(mode="json"))


def read_job(folder: TrialFolder) -> TrialJob:
    """The job of a trial's folder.

    Raises:
        InputError: there is none to be seen from here, or it is damaged.
    """
    return parse_settings(TrialJob, files.read_json(folder.job), folder.job)
