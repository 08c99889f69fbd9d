"""The Keras Tuner tuner of the expansion search: has each candidate trained and reports its K-view accuracy."""

from __future__ import annotations

import functools
import hashlib
import os
import time
import traceback

from keras_tuner.engine import base_tuner

from expansion.crew.chief import CHIEF, Chief
from expansion.crew.local import COMMAND, Crew, make_members
from expansion.crew.settings import WorkerSettings
from expansion.data.dataset import VideoDataset
from expansion.display.path_figure import save_figure
from expansion.display.progress import SearchProgress
from expansion.display.tables import percent
from expansion.display.tensorboard import summaries
from expansion.display.wandb_logger import WandbLogger
from expansion.display.wandb_settings import WandbSettings
from expansion.evaluation.latency import Latencies
from expansion.foundation import files
from expansion.foundation.files import absolute
from expansion.foundation.lock import Lock
from expansion.network.model import X3D
from expansion.network.saving import load_model
from expansion.recipe import ClipSettings, Recipe
from expansion.search.decisions import NoCandidate, next_rung
from expansion.search.forecast import phases_of_all, seconds_left, step_seconds
from expansion.search.racing import rung_epoch
from expansion.search.settings import SearchSettings
from expansion.search.state import Search
from expansion.search.steps import CandidateState, Step
from expansion.tuning.oracle import OBJECTIVE, ExpansionOracle
from expansion.tuning.trial import CHECKPOINT, Job, read_job, run_job, write_job
from expansion.tuning.trial_process import reason_for

FIGURE = "path.png"
LOCAL_POLL = 0.1  # seconds between looks at what is posted, and at what has ended


class ExpansionTuner(base_tuner.BaseTuner):
    """Runs an expansion search on a data set, or goes on with one.

    Args:
        data: a VideoDataset, or the path of one.
        settings: what to search for and when to end; classes and limits are taken from the data.
        recipe: how candidates are trained.
        clips: how clips are cut.
        directory, project_name: the search's folder is directory/project_name. It holds trace.json, a folder for each
            trial with its model, and, in `logs`, what TensorBoard shows.
        overwrite: begin anew where the folder holds a search already, which is kept as folder.1, folder.2, ...; else go
            on with that one.
        retries: how often a candidate that failed is tried again.
        seed: settles initial weights and clips.
        isolate: run trials in a process of their own, so that one that crashes or runs out of memory ends only itself.
        workers: how many such processes there are, or all that can be said of them; more may join by `x3d worker`. By
            default one with `isolate`, else none.
        progress: where to show it; None for a default, SearchProgress(quiet=True) for nowhere.
        wandb: a run at Weights & Biases to show it in as well; see WandbSettings.

    Raises:
        InputError: the folder holds a search made from other data, or with settings that differ in more than when it
            ends.
    """

    def __init__(self, data: VideoDataset | str, settings: SearchSettings = SearchSettings(), *,
                 recipe: Recipe = Recipe(), clips: ClipSettings = ClipSettings(), directory: str = "runs",
                 project_name: str = "search", overwrite: bool = False, retries: int = 1, seed: int = 0,
                 isolate: bool = False, workers: WorkerSettings | int | None = None,
                 progress: SearchProgress | None = None, wandb: WandbSettings | None = None):
        self.data = data if isinstance(data, VideoDataset) else VideoDataset.open(data)
        self.recipe, self.clips, self.seed = recipe, clips, seed
        self.progress = progress or SearchProgress()
        if workers is None and isolate:
            workers = 1
        self.workers = WorkerSettings(count=workers) if isinstance(workers, int) else workers
        self.worker_command = COMMAND
        self._failure: str | None = None
        self._wandb, self._logger = wandb, None
        directory, settings = os.fspath(directory), for_data(settings, self.data)
        oracle = ExpansionOracle(
            settings, retries=retries, seed=seed, on_decided=self._decided,
            made_with=made_with(self.data, recipe, clips, seed), forecast=self._forecast,
            latency=Latencies(settings.classes, os.path.join(directory, project_name)))
        if overwrite:
            files.move_aside(os.path.join(directory, project_name))
        super().__init__(oracle, directory=directory, project_name=project_name)
        if self.oracle.stored:
            self.reload()

    def search(self):
        """Runs the search to its end, from wherever it stands.

        Raises:
            NoCandidate: no candidate of a step completed.
            InputError: another process runs this search.
        """
        with Lock(os.path.join(self.project_dir, "lock")):
            if self.oracle.stored:
                self.reload()  # another process may have gone on with it since
            if self.oracle.budget_changed:
                summaries.forget_search(self.logs)
            self._logger = self._wandb and WandbLogger(
                self._wandb, os.path.basename(self.oracle.project_name), self.project_dir,
                {"search": self.trace.settings.model_dump(mode="json"), **self.trace.made_with})
            try:
                if self.workers is None:
                    super().search()
                else:
                    self._search_with(self.workers)
                if not self.trace.path:
                    raise NoCandidate("the search ended without a completed trial")
                self.save()
                self._show()
            finally:
                if self._logger:
                    self._logger.close()
            self.progress.search_ended(phases_of_all(self.trace))

    def _search_with(self, workers: WorkerSettings) -> None:
        """Has worker processes train, of this machine and of any that join."""
        folder = absolute(self.project_dir)
        chief = Chief(folder, self.oracle, absolute(self.data.path), workers, self._write_job, self.on_trial_end, self)
        crew = Crew(make_members(lambda: folder, CHIEF, workers.count, poll=LOCAL_POLL, command=self.worker_command))
        try:
            if not self.trace.finished:
                for member in crew.members:
                    member.ready(chief.board.threads)
            chief.begin()
            crew.start()
            while chief.step():
                crew.check()
                time.sleep(LOCAL_POLL)
            chief.close()
        except KeyboardInterrupt:
            self.progress.stopped()
            raise
        finally:
            crew.close()

    # All state is the oracle's; Keras Tuner would write a file of its own for the tuner.

    def save(self):
        self.oracle.save()

    def reload(self):
        self.oracle.reload()

    def _get_tuner_fname(self):
        return ""  # no file has that name

    @property
    def project_dir(self) -> str:
        return self.oracle._project_dir

    def get_trial_dir(self, trial_id) -> str:
        return self.oracle._get_trial_dir(trial_id)

    @property
    def trace(self) -> Search:
        """The search as it stands: steps, candidates, decisions, path."""
        return self.oracle.search

    @property
    def logs(self) -> str:
        """Folder that TensorBoard reads."""
        return os.path.join(self.project_dir, "logs")

    def run_trial(self, trial):
        """Has one candidate built, trained and evaluated here; its model and outcome are kept in the trial's folder."""
        name, folder = trial.trial_id, self.get_trial_dir(trial.trial_id)
        self._write_job(trial)
        self.began(name)
        try:
            metrics = run_job(folder, read_job(folder), functools.partial(self.epoch, name))
        except Exception as error:
            self._failure = f"{reason_for(error)}\n\n{traceback.format_exc()}".strip()
            self.ended(name, None, reason_for(error))
            raise
        except KeyboardInterrupt:
            self.progress.stopped()
            raise
        self.ended(name, metrics, None)
        return metrics

    def _write_job(self, trial) -> str:
        """Puts what a trial is to do into its folder; returns a short name of that."""
        job = self._job(*self.trace.place(trial.trial_id))
        write_job(self.get_trial_dir(trial.trial_id), job)
        return hashlib.sha256(job.model_dump_json().encode()).hexdigest()[:12]

    # What is shown of trials, wherever they run

    def began(self, name: str) -> None:
        step, candidate = self.trace.place(name)
        place = f"{step.candidates.index(step.owner(candidate)) + 1}/{len(step.candidates)}"
        place += f" seed {self.seed + candidate.seed}" if candidate.seed else ""
        done = [c for of in self.trace.steps for c in of.trainings if c.done]
        beside = max(1, self.workers.count) if self.workers else 1
        spent, left = (sum(c.metrics.get("seconds", 0.0) for c in done),
                       seconds_left(self.trace, self.recipe, self.data.videos("train")))
        self.progress.trial_began(step.step, place, candidate, self.recipe.at(step.step).epochs, len(done), spent / beside,
                                  None if left is None else left / beside, name)

    def epoch(self, name: str, epoch: int, epochs: int, logs: dict) -> None:
        self.progress.epoch_ended(epoch, epochs, logs, name)
        if self._logger:
            step, candidate = self.trace.place(name)
            self._logger.epoch(summaries.run_name(step, candidate.axis, candidate.seed), epoch, logs)

    def ended(self, name: str, metrics: dict | None, reason: str | None) -> None:
        result = f"failed: {reason}" if metrics is None else f"{percent(metrics[OBJECTIVE])} in {metrics['seconds']:.0f} s"
        self.progress.trial_ended(result, name)

    def on_trial_end(self, trial):
        if self.workers is None:  # in place of Keras Tuner's traceback, which is longer and says less
            trial.message, self._failure = self._failure, None
        self.oracle.end_trial(trial)  # which saves; so does super().on_trial_end once more

    def _job(self, step: Step, candidate: CandidateState) -> Job:
        recipe, race = self.recipe.at(step.step), self.trace.settings.race
        rung = next_rung(self.trace.settings, step, candidate)
        spent = {name: value for name, value in candidate.metrics.items() if name.endswith("seconds")}
        pause = {} if rung is None else {"rung": rung, "until": rung_epoch(race.rungs[rung], recipe.epochs)}
        views = self.clips.views if rung is None else min(race.views, self.clips.views)
        return Job(
            data=absolute(self.data.path), step=step.step, kind=step.kind, axis=candidate.axis,
            spec=candidate.spec.as_dict(), recipe=recipe, clips=self.clips.model_copy(update={"views": views}),
            seed=self.seed + candidate.seed, **pause, spent=spent, parent=self._parent_model(step),
            logs=os.path.join(absolute(self.logs), summaries.run_name(step, candidate.axis, candidate.seed)))

    def _parent_model(self, step: Step) -> str | None:
        """What a warm start begins with: the file of the network that the step's candidates grow from."""
        parent = self.trace.parent(step)
        if parent is None or not self.trace.settings.warm_start:
            return None
        return os.path.join(absolute(self.get_trial_dir(parent.trial_id)), files.KERAS_MODEL)

    def _forecast(self, search: Search, step: int, macs) -> float | None:
        return step_seconds(search, self.recipe, self.data.videos("train"), step, macs)

    def _decided(self, step: Step) -> None:
        for candidate in step.candidates:
            if candidate.status == "stopped":
                files.remove_folder(os.path.join(self.get_trial_dir(candidate.trial_id), CHECKPOINT))
        self.progress.step_decided(step)
        self._show()

    def _show(self) -> None:
        summaries.write_search(self.logs, self.trace)
        save_figure(self.trace, os.path.join(self.project_dir, FIGURE))
        if self._logger:
            self._logger.search(self.trace)

    def load_model(self, trial) -> X3D:
        """The trained model of a trial."""
        return load_model(os.path.join(self.get_trial_dir(trial.trial_id), files.KERAS_MODEL))


def for_data(settings: SearchSettings, data: VideoDataset) -> SearchSettings:
    """The settings with the classes and the limits of a data set."""
    return settings.model_copy(update={"classes": len(data.classes), "limits": data.limits})


def made_with(data: VideoDataset, recipe: Recipe, clips: ClipSettings, seed: int) -> dict:
    """What a search's results depend on beside its own settings, as JSON."""
    videos = {split: data.videos(split) for split in data.splits}
    return {
        "data": {"fingerprint": data.manifest.get("fingerprint"), "classes": list(data.classes), "videos": videos},
        "recipe": recipe.model_dump(mode="json"), "clips": clips.model_dump(mode="json"), "seed": seed,
    }
