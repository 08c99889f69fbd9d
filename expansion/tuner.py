"""The Keras Tuner tuner of the expansion search: has each candidate trained and reports its K-view accuracy."""

from __future__ import annotations

import os
import traceback

from keras_tuner.engine import base_tuner

from expansion import files, trials
from expansion.forecast import seconds_left, step_seconds
from expansion.latency import Latencies
from expansion.lock import Lock
from expansion.network.model import X3D
from expansion.oracle import OBJECTIVE, ExpansionOracle
from expansion.search import CandidateState, NoCandidate, Search, SearchSettings, Step
from expansion.show import summaries
from expansion.show.figure import save_figure
from expansion.show.progress import SearchProgress
from expansion.show.tables import percent
from expansion.training.dataset import VideoDataset
from expansion.training.fit import load_model
from expansion.training.recipe import ClipSettings, Recipe
from expansion.worker import Worker, reason_for

FIGURE = "path.png"


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
        progress: where to show it; None for a default, SearchProgress(quiet=True) for nowhere.

    Raises:
        InputError: the folder holds a search made from other data, or with settings that differ in more than when it
            ends.
    """

    def __init__(self, data: VideoDataset | str, settings: SearchSettings = SearchSettings(), *,
                 recipe: Recipe = Recipe(), clips: ClipSettings = ClipSettings(), directory: str = "runs",
                 project_name: str = "search", overwrite: bool = False, retries: int = 1, seed: int = 0,
                 isolate: bool = False, progress: SearchProgress | None = None):
        self.data = data if isinstance(data, VideoDataset) else VideoDataset.open(data)
        self.recipe, self.clips, self.seed = recipe, clips, seed
        self.progress = progress or SearchProgress()
        self.worker = Worker() if isolate else None
        self._failure: str | None = None
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
        try:
            with Lock(os.path.join(self.project_dir, "lock")):
                if self.oracle.stored:
                    self.reload()  # another process may have gone on with it since
                if self.oracle.budget_changed:
                    summaries.forget_search(self.logs)
                if self.worker and not self.trace.finished:
                    self.worker.start()
                super().search()
                if not self.trace.path:
                    raise NoCandidate("the search ended without a completed trial")
                self.save()
                self._show()
        finally:
            if self.worker:
                self.worker.close()

    # All state is the oracle's; Keras Tuner would write a file of its own for the tuner.

    def save(self):
        self.oracle.save()

    def reload(self):
        self.oracle.reload()

    @property
    def trace(self) -> Search:
        """The search as it stands: steps, candidates, decisions, path."""
        return self.oracle.search

    @property
    def logs(self) -> str:
        """Folder that TensorBoard reads."""
        return os.path.join(self.project_dir, "logs")

    def run_trial(self, trial):
        """Has one candidate built, trained and evaluated; its model and outcome are kept in the trial's folder."""
        step, candidate = self.trace.place(trial.trial_id)
        folder, job = self.get_trial_dir(trial.trial_id), self._job(step, candidate)
        trials.write_job(folder, job)
        place = f"{step.candidates.index(step.owner(candidate)) + 1}/{len(step.candidates)}"
        place += f" seed {self.seed + candidate.seed}" if candidate.seed else ""
        done = [c for of in self.trace.steps for c in of.trainings if c.done]
        self.progress.trial_began(
            step.step, place, candidate, job.recipe.epochs, len(done), sum(c.metrics.get("seconds", 0.0) for c in done),
            seconds_left(self.trace, self.recipe, self.data.videos("train")))
        try:
            if self.worker:
                metrics = self.worker.run(folder, self.progress.epoch_ended)
            else:
                metrics = trials.run(folder, job, self.progress.epoch_ended)
        except Exception as error:
            self._failure = f"{reason_for(error)}\n\n{getattr(error, 'details', traceback.format_exc())}".strip()
            self.progress.trial_ended(f"failed: {reason_for(error)}")
            raise
        except KeyboardInterrupt:
            self.progress.trial_ended("stopped; started again, the search goes on from here")
            raise
        self.progress.trial_ended(f"{percent(metrics[OBJECTIVE])} in {metrics['seconds']:.0f} s")
        return metrics

    def on_trial_end(self, trial):
        # In place of Keras Tuner's traceback, which tells of this process only.
        trial.message, self._failure = self._failure, None
        super().on_trial_end(trial)

    def _job(self, step: Step, candidate: CandidateState) -> trials.Job:
        return trials.Job(
            data=os.path.abspath(self.data.path), step=step.step, kind=step.kind, axis=candidate.axis,
            spec=candidate.spec.as_dict(), recipe=self.recipe.at(step.step), clips=self.clips,
            seed=self.seed + candidate.seed, parent=self._parent_model(step),
            logs=os.path.join(os.path.abspath(self.logs), summaries.run_name(step, candidate.axis, candidate.seed)))

    def _parent_model(self, step: Step) -> str | None:
        """What a warm start begins with: the file of the network that the step's candidates grow from."""
        parent = self.trace.parent(step)
        if parent is None or not self.trace.settings.warm_start:
            return None
        return os.path.join(os.path.abspath(self.get_trial_dir(parent.trial_id)), files.KERAS_MODEL)

    def _forecast(self, search: Search, step: int, macs) -> float | None:
        return step_seconds(search, self.recipe, self.data.videos("train"), step, macs)

    def _decided(self, step: Step) -> None:
        self.progress.step_decided(step)
        self._show()

    def _show(self) -> None:
        summaries.write_search(self.logs, self.trace)
        save_figure(self.trace, os.path.join(self.project_dir, FIGURE))

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
