"""The Keras Tuner tuner of the expansion search: has each candidate trained and reports its K-view accuracy."""

from __future__ import annotations

import os

from keras_tuner.engine import base_tuner

from expansion.data.dataset import VideoDataset
from expansion.data.folds import make_folds
from expansion.data.subset import make_proxy
from expansion.display.progress import SearchProgress
from expansion.display.tensorboard import summaries
from expansion.display.wandb_logger import WandbLogger
from expansion.display.wandb_settings import WandbSettings
from expansion.evaluation.latency import Latencies
from expansion.evaluation.probe import can_probe, linear_probe
from expansion.foundation import files, kernels
from expansion.foundation.cpu import this_cpu
from expansion.foundation.errors import InputError
from expansion.foundation.files import absolute
from expansion.foundation.lock import Lock
from expansion.foundation.machine import cores
from expansion.foundation.settings import parse_settings
from expansion.network.model import X3D
from expansion.network.saving import load_model, save_model
from expansion.network.transfer import at_clip
from expansion.recipe import ClipSettings, Recipe
from expansion.search.decisions import next_rung
from expansion.search.forecast import phases_of_all, step_seconds
from expansion.search.racing import check_multigrid, rung_of
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.search.trace import continue_search, has_trace, read_trace, write_trace
from expansion.training.fit import task_of
from expansion.tuning.engines.engine import Engine
from expansion.tuning.engines.settings import EngineSettings
from expansion.tuning.folders import SearchFolder
from expansion.tuning.jobs import SearchJob, TrialJob
from expansion.tuning.loop import SearchLoop
from expansion.tuning.oracle import ExpansionOracle
from expansion.tuning.watcher import SearchWatcher
from expansion.weights.search import new_search, source_of, weights_made_with, with_start
from expansion.weights.start import network_of


class ExpansionTuner(base_tuner.BaseTuner):
    """Runs an expansion search on a data set, or resumes one.

    Args:
        data: a VideoDataset, or the path of one.
        settings: what to search for and when to end; classes and limits are taken from the data.
        recipe: how candidates are trained.
        clips: how clips are cut.
        directory, project_name: the search's folder is directory/project_name; see tuning.folders.
        overwrite: begin another search where the folder holds one already, which is kept as folder.1, folder.2, ...;
            else that one is resumed.
        retries: how often a candidate that failed is tried again.
        seed: determines initial weights and clips.
        engine: where candidates are trained: "in-process", "local", "ray", or EngineSettings.
        progress: where to show it; None for a default, SearchProgress(quiet=True) for nowhere.
        wandb: a run at Weights & Biases to show it in as well; see WandbSettings.

    Raises:
        InputError: the folder holds a search made from other data, or with settings that differ in more than when it
            ends; or it is to be overwritten while another process works on it; or the recipe's multigrid does not go with
            the first network or with the race; or the weights that it is to grow from do not fit.
    """

    def __init__(self, data: VideoDataset | str, settings: SearchSettings = SearchSettings(), *,
                 recipe: Recipe = Recipe(), clips: ClipSettings = ClipSettings(), directory: str = "runs",
                 project_name: str = "search", overwrite: bool = False, retries: int = 1, seed: int = 0,
                 engine: EngineSettings | str = "in-process", progress: SearchProgress | None = None,
                 wandb: WandbSettings | None = None):
        self.data = data if isinstance(data, VideoDataset) else VideoDataset.open(data)
        self.recipe, self.clips, self.seed, self.retries = recipe, clips, seed, retries
        self.engine = engine if isinstance(engine, EngineSettings) else parse_settings(EngineSettings, engine, "engine")
        self.progress, self._wandb = progress or SearchProgress(), wandb
        self.folder = SearchFolder(os.path.join(os.fspath(directory), project_name))
        settings = with_start(settings)
        self._settings = settings.model_copy(update={
            "classes": len(self.data.classes), "limits": self.data.limits, "task": task_of(recipe, self.data).name})
        self._source = source_of(settings)
        if self._source:
            self._source.check_head(len(self.data.classes), self.data.classes, settings.new_head, self._settings.task)
        self._means = {"latency": Latencies(self._settings.classes, self.folder.path), "forecast": self._forecast}
        check_multigrid(settings.start, settings.race, recipe)
        if overwrite and files.exists(self.folder.path):
            with Lock(self.folder.lock):
                files.move_aside(self.folder.path)
        super().__init__(ExpansionOracle(new_search(self._settings, self._made_with(), **self._means), retries),
                         directory=os.fspath(directory), project_name=project_name)
        self._budget_changed = False
        self._folds: tuple[str, ...] = ()
        if has_trace(self.folder.path):
            self.reload()

    @classmethod
    def from_job(cls, job: SearchJob, data: VideoDataset, folder: str) -> ExpansionTuner:
        """The tuner of a job on a data set in a search's folder. A proxy of the data is made in `<folder>-proxy`.

        Raises:
            InputError: as the tuner itself.
        """
        return cls(make_proxy(data, job.proxy, f"{folder}-proxy") if job.proxy else data, job.search,
                   recipe=job.candidate_recipe, clips=job.clips, directory=os.path.dirname(folder),
                   project_name=os.path.basename(folder), retries=job.retries, seed=job.seed, engine=job.engine,
                   wandb=job.wandb)

    def _made_with(self) -> dict:
        """What a search's results depend on besides its own settings, as JSON."""
        videos = {split: self.data.videos(split) for split in self.data.splits}
        return {
            "data": {"fingerprint": self.data.manifest.fingerprint, "classes": list(self.data.classes), "videos": videos},
            "recipe": self.recipe.model_dump(mode="json"), "clips": self.clips.model_dump(mode="json"), "seed": self.seed,
            **weights_made_with(self._source),
        }

    def search(self):
        """Runs the search to its end, from wherever it stands.

        Raises:
            NoCandidate: no candidate of a step completed.
            InputError: another process runs this search, or the engine cannot train.
        """
        files.folder(self.folder.path)
        with Lock(self.folder.lock):
            if has_trace(self.folder.path):
                self.reload()  # another process may have worked on it since
            if self._budget_changed:
                summaries.forget_search(self.folder.logs)
            engine = self._make_engine()
            self._begin_with_weights()
            self._make_folds()
            logger = self._wandb and WandbLogger(
                self._wandb, self.project_name, self.folder.path,
                {"search": self.state.settings.model_dump(mode="json"), **self.state.made_with})
            watcher = SearchWatcher(self.state, self.folder, self.recipe, self._videos, self.seed,
                                    lambda: engine.parallel, self.progress, logger)
            try:
                SearchLoop(self.state, self.folder, engine, self._job, self.retries, watcher).run()
                watcher.show()
            finally:
                self.progress.stopped()
                self.oracle.show(self.state)
                if logger:
                    logger.close()
            self.progress.search_ended(phases_of_all(self.state))

    def _begin_with_weights(self) -> None:
        """Writes the network that a search from weights grows from, and says what its features are worth as they are."""
        if self._source is None:
            return
        classes, settings = self.data.classes, self._settings
        if not files.exists(self.folder.start):
            save_model(network_of(self._source, len(classes), classes, new_head=settings.new_head, seed=self.seed,
                                  task=settings.task),
                       self.folder.start)
        if self.state.probe is None and not self.state.path and can_probe(self.data):
            self.state.probe = linear_probe(at_clip(load_model(self.folder.start), settings.start), self.data)
            self.save()
        if self.state.probe:
            self.progress.note(self.state.probe.text(self._source.path))

    def _make_folds(self) -> None:
        """Writes the data sets of cross-validation."""
        if count := self._settings.folds:
            self._folds = tuple(absolute(fold.path) for fold in make_folds(self.data, count, self.folder.folds))

    def _make_engine(self) -> Engine:
        """The engine of the settings, with the threads and the kernels that the search began with."""
        wanted, begun = self.engine, self.state.threads
        self._choose_kernels()
        if wanted.name == "in-process":
            from expansion.tuning.engines.in_process import InProcess

            if begun not in (None, cores()):
                raise InputError(f"{self.folder.path}: the search began with {begun} threads a training, and the engine "
                                 f"in-process takes all cores, {cores()}; the engine local keeps to {begun}")
            return InProcess()
        if wanted.threads and begun and wanted.threads != begun:
            raise InputError(f"{self.folder.path}: threads was {begun}, is now {wanted.threads}; the order of sums depends on "
                             "it, so a search keeps the number that it began with")
        self.state.threads = begun or wanted.threads_each
        if wanted.name == "local":
            from expansion.tuning.engines.local import Local

            return Local(wanted.workers or 1, self.state.threads, self.state.onednn)
        from expansion.tuning.engines.ray import RayEngine

        return RayEngine(wanted, self.state.threads, self.state.onednn, absolute(self.folder.path))

    def _choose_kernels(self) -> None:
        """Which kernels trainings use: those that the search began with, else the user's choice, else what was measured."""
        best, begun = kernels.onednn_for(self._settings.start.pixels), self.state.onednn
        inside = self.engine.name == "in-process"
        asked = kernels.onednn_in_use() if inside else kernels.given()
        if begun is not None and asked not in (None, begun):
            raise InputError(
                f"{self.folder.path}: the search began with {kernels.in_words(begun)}, and this process has "
                f"{kernels.in_words(asked)}; set {kernels.ONEDNN}={int(begun)} before TensorFlow is imported")
        if inside and begun is None and kernels.given() is None and asked != best:
            self.progress.note(f"this CPU trains such networks faster with {kernels.in_words(best)}: set "
                               f"{kernels.ONEDNN}={int(best)} before TensorFlow is imported, or take engine local")
        self.state.onednn = begun if begun is not None else asked if asked is not None else best
        if self.state.cpu not in (None, str(this_cpu())):
            self.progress.note(f"the search began on another kind of CPU, {self.state.cpu}; this one is {this_cpu()}: "
                               "results are equal to the bit on one kind only")
        self.state.cpu = self.state.cpu or str(this_cpu())

    @property
    def state(self) -> SearchState:
        """The search as it stands: steps, candidates, decisions, path."""
        return self.oracle.search

    @property
    def logs(self) -> str:
        """Folder that TensorBoard reads."""
        return self.folder.logs

    # What Keras Tuner asks a tuner

    def save(self):
        write_trace(self.folder.path, self.state)

    def reload(self):
        """Takes up the search in the folder, with the budget of this tuner's settings.

        Raises:
            InputError: the search there is damaged, or was made with other settings than those that say when it ends.
        """
        search = read_trace(self.folder.path, **self._means)
        self._budget_changed = continue_search(search, self._settings, self._made_with(), self.folder.path)
        self.oracle.show(search)

    def _get_tuner_fname(self):
        return ""  # Keras Tuner looks for a state of its own there; trace.json has all

    def get_trial_dir(self, trial_id) -> str:
        return self.folder.trial(trial_id).path

    def load_model(self, trial) -> X3D:
        """The trained model of a trial."""
        return load_model(self.folder.trial(trial.trial_id).model)

    # Trials

    def _job(self, step: Step, candidate: CandidateState) -> TrialJob:
        recipe, race = self.recipe.at(step.number), self.state.settings.race
        rung = next_rung(self.state.settings, step, candidate)
        spent = {name: value for name, value in candidate.metrics.items() if name.endswith("seconds")}
        pause = {} if rung is None else {
            "rung": rung, "until": rung_of(race.rungs[rung], candidate.spec, recipe, self.data.videos("train"))}
        views = self.clips.views if rung is None else min(race.views, self.clips.views)
        return TrialJob(
            data=absolute(self.data.path), folds=self._folds, step=step.number, kind=step.kind, axis=candidate.axis,
            spec=candidate.spec.as_dict(), recipe=recipe, clips=self.clips.model_copy(update={"views": views}),
            seed=self.seed + candidate.repeat, **pause, spent=spent, parent=self._parent_model(step),
            logs=os.path.join(absolute(self.folder.logs), summaries.run_name(step, candidate.axis, candidate.repeat)))

    def _parent_model(self, step: Step) -> str | None:
        """What a warm start begins with: the file of the network that the step's candidates grow from."""
        parent = self.state.parent(step)
        if parent is None:
            return absolute(self.folder.start) if self._source else None
        if not self.state.settings.warm_start:
            return None
        return absolute(self.folder.trial(parent.trial_id).model)

    def _forecast(self, search: SearchState, step: int, macs) -> float | None:
        return step_seconds(search, self.recipe, self._videos, step, macs)

    @property
    def _videos(self) -> int:
        """That an epoch of a candidate's trainings passes over."""
        return self._settings.videos_seen({split: self.data.videos(split) for split in self.data.splits})[0]
