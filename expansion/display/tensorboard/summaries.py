"""What TensorBoard shows: a run for each candidate, and a summary run of the search.

What belongs to a search step has that step as its x axis and a tag in `search/`, in the candidates' runs and in the
summary run alike: one chart shows the candidates as points and the path as the line of the run `summary`. Training
curves are in `training/`, over epochs. TensorBoard sorts by name: the tags of the whole search come first in it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence

import keras
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams import metadata

from expansion.display.charts import gains_figure, time_figure
from expansion.display.ending import ended
from expansion.display.path_figure import pixels, search_figure
from expansion.display.tables import Table, in_markdown, path_rows, step_rows, to_markdown
from expansion.display.tensorboard.events import Run, event_files
from expansion.display.tensorboard.layout import (
    CURVES,
    STEP_CURVES,
    experiment,
    hyperparameters,
    layout,
    results,
    session_end,
    trial_id,
)
from expansion.display.tensorboard.task_pictures import PICTURES
from expansion.evaluation.evaluate import Evaluation
from expansion.evaluation.samples import Sample
from expansion.foundation import files
from expansion.recipe import Recipe
from expansion.recipe.schedule import Schedule
from expansion.search.costs import in_macs
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState, Step
from expansion.tasks.registry import task_named

SUMMARY = "summary"
TIMES = ("build_seconds", "start_seconds", "train_seconds", "input_wait_seconds", "evaluate_seconds")


def run_name(step: Step, axis: str, seed: int = 0) -> str:
    """A candidate's run below the logs' folder: step02/spatial, step00/seed, step04/contraction, step02/spatial-seed1."""
    name = f"step{step.number:02d}/{axis if step.kind == 'expansion' else step.kind}"
    return f"{name}-seed{seed}" if seed else name


class Curves(keras.callbacks.Callback):
    """Writes loss, accuracy, learning rate and clips per second of every epoch, as they come.

    Of a training that has a schedule it writes for every step its frames, size, batch and learning rate as well, over steps.
    No point is there twice: what another attempt left is removed when a training begins, and kept when it is resumed.
    """

    def __init__(self, run_dir: str, schedule: Schedule | None = None):
        super().__init__()
        self.run_dir, self.schedule = run_dir, schedule
        self._run: Run | None = None

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            for path in event_files(self.run_dir):
                files.remove_file(path)
        if self._run is None:
            self._run = Run(self.run_dir)

    def on_epoch_end(self, epoch, logs=None):
        for name in CURVES:
            if name in (logs or {}):
                self._run.scalar(f"training/{name}", logs[name], epoch + 1)
        if self.schedule:
            self._write_steps(self.schedule, epoch)
        self._run.flush()

    def _write_steps(self, schedule: Schedule, number: int) -> None:
        epoch = schedule.epochs[number]
        for step in range(epoch.steps):
            shape, place = epoch.shape(step), epoch.first + step
            values = (shape.frames, shape.size, shape.factor * schedule.recipe.batch, schedule.rate(place))
            for name, value in zip(STEP_CURVES, values, strict=True):
                self._run.scalar(f"schedule/{name}", value, place)

    def on_train_end(self, logs=None):
        self._run.close()
        self._run = None


def write_candidate(run_dir: str, step: Step, candidate: CandidateState, metrics: dict[str, float],
                    evaluation: Evaluation, recipe: Recipe, classes: Sequence[str] = (),
                    samples: Callable[[], Sequence[Sample]] | None = None) -> None:
    """Writes what a candidate is and what it reached: an HParams entry, scalars, its recipe, the pictures of its task.

    Args:
        metrics: as the tuner reports them; times in seconds.
        classes: names for the pictures.
        samples: gets clips with what the network says of them; called once, if at all.
    """
    with Run(run_dir) as run:
        run.raw(metadata.SESSION_START_INFO_TAG, 0, hp.hparams_pb(
            hyperparameters(step, candidate), trial_id=trial_id(run_dir, run_name(step, candidate.axis)),
            start_time_secs=time.time() - metrics.get("seconds", 0.0)))
        for name in results(evaluation.task):
            run.scalar(f"search/{name}", metrics.get(name), step.number)
        for name in TIMES:
            run.scalar(f"seconds/{name.removesuffix('_seconds')}", metrics.get(name), step.number)
        _write_cost(run, step, candidate)
        run.text("recipe", _candidate_text(step, candidate, recipe), step.number)
        PICTURES[evaluation.task.labels](run, evaluation, classes, samples, step.number)
        run.raw(metadata.SESSION_END_INFO_TAG, 0, session_end())


def forget_search(logs_dir: str) -> None:
    """Removes the run `summary`, which says how the search ended; write_search makes it again."""
    for path in event_files(os.path.join(logs_dir, SUMMARY)):
        files.remove_file(path)


def write_search(logs_dir: str, search: SearchState) -> None:
    """Writes what is decided and not written yet: each step in the run `summary`, the gains in the candidates' runs.

    May be called at any time and any number of times: nothing is written twice, and what an interrupted process left
    out is written then.
    """
    task = task_named(search.settings.task)
    with Run(logs_dir) as run:
        run.raw(metadata.EXPERIMENT_TAG, 0, experiment(task))
        run.raw("custom_scalars__config__", 0, custom_scalar.pb(layout(task)))
    decided = [step for step in search.steps if step.decision]
    with Run(os.path.join(logs_dir, SUMMARY)) as summary:
        for step in decided:
            if summary.has(f"search/val_{task.score}", step.number):
                continue
            for candidate in step.candidates:
                if candidate.gain is not None:
                    with Run(os.path.join(logs_dir, run_name(step, candidate.axis))) as run:
                        run.scalar("search/gain", candidate.gain, step.number)
            _write_step(summary, search, step)


def _write_step(run: Run, search: SearchState, step: Step) -> None:
    winner, decision, number = step.winner, step.decision, step.number
    run.text("path/overview", _path_text(search, number), number)
    run.text(f"path/step {number:02d}", _step_text(step), number)
    run.image("accuracy_over_cost", lambda: pixels(search_figure(search, until=number, size=(6.4, 4.4))), number)
    if step.kind == "expansion":
        run.image("gains", lambda: pixels(gains_figure(search, until=number)), number)
    run.image("time", lambda: pixels(time_figure(search, until=number)), number)
    _write_cost(run, step, winner)
    _write_wins(run, search, number)
    score, *others = results(task_named(search.settings.task))
    for name in others:
        run.scalar(f"search/{name}", winner.metrics.get(name), number)
    run.scalar("search/gain", winner.gain, number)
    run.scalar("search/margin", decision.margin, number)
    run.scalar("search/p_value", decision.p_value, number)
    run.scalar("seconds/step", sum(c.metrics.get("seconds", 0.0) for c in step.trainings), number)
    # The last one: it says that the step is whole.
    run.scalar(f"search/{score}", winner.accuracy, number)


def _write_wins(run: Run, search: SearchState, number: int) -> None:
    """How many steps each axis has won so far, and the interval of the winner's accuracy."""
    won = Counter(step.winner.axis for step in search.steps[:number + 1] if step.kind == "expansion")
    for axis, steps in won.items():  # not those that have not won: a chart of zeros hides the others
        run.scalar(f"wins/{axis}", steps, number)
    winner = search.steps[number].winner
    if winner.interval:
        low, high = winner.interval
        for name, share in (("accuracy", winner.accuracy), ("low", low), ("high", high)):
            run.scalar(f"interval/{name}", share, number)


def _write_cost(run: Run, step: Step, candidate: CandidateState) -> None:
    run.scalar("search/gmacs", candidate.macs / 1e9, step.number)
    run.scalar("search/params", candidate.params, step.number)


# Text, in Markdown


def _candidate_text(step: Step, candidate: CandidateState, recipe: Recipe) -> str:
    settings = recipe.model_dump(exclude={"by_step"})
    title = (f"**{run_name(step, candidate.axis)}**: {candidate.spec}, {in_macs(candidate.macs)}, "
             f"{candidate.params:,} parameters")
    return f"{title}\n\n" + to_markdown(Table(("recipe", "value"), [(name, f"{value}") for name, value in settings.items()]))


def _step_text(step: Step) -> str:
    table = step_rows(step, wide=True)
    return "\n\n".join([to_markdown(table), *(f"{in_markdown(note)}." for note in table.notes)])


def _path_text(search: SearchState, until: int) -> str:
    last = search.finished and until == len(search.steps) - 1
    return to_markdown(path_rows(search, until, wide=True)) + (
        f"\n\n{ended(search)}" if last else "")
