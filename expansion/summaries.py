"""What TensorBoard shows: a run for each candidate, and a summary run of the search.

What belongs to a search step has that step as its x axis and a tag in `search/`, in the candidates' runs and in the
summary run alike: one chart shows the candidates as points and the path as the line of the run `summary`. Training
curves are in `training/`, over epochs. TensorBoard sorts by name: the tags of the whole search come first in it.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence

import keras
import tensorflow as tf
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

from expansion.axes import AXES
from expansion.evaluation import Evaluation
from expansion.events import Run, event_files
from expansion.figure import confusion_figure, pixels, search_figure
from expansion.recipe import Recipe
from expansion.search import CandidateState, Search, Step
from expansion.tables import SPEC_COLUMNS, cost, percent, points, spec_cells, verdict

SUMMARY = "summary"
CURVES = ("loss", "accuracy", "learning_rate", "clips_per_second")
RESULTS = ("val_accuracy", "val_top5", "val_loss", "seconds")
TIMES = ("build_seconds", "train_seconds", "evaluate_seconds")


def run_name(step: Step, axis: str) -> str:
    """A candidate's run below the logs' folder: step02/spatial, step00/seed, step04/contraction."""
    return f"step{step.step:02d}/{axis if step.kind == 'expansion' else step.kind}"


class Curves(keras.callbacks.Callback):
    """Writes loss, accuracy, learning rate and clips a second of every epoch, as they come.

    No point is there twice: what another attempt left is removed when a training begins, and kept when it goes on.
    """

    def __init__(self, run_dir: str):
        super().__init__()
        self.run_dir = run_dir
        self._run: Run | None = None

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 0:
            for path in event_files(self.run_dir):
                tf.io.gfile.remove(path)
        if self._run is None:
            self._run = Run(self.run_dir)

    def on_epoch_end(self, epoch, logs=None):
        for name in CURVES:
            if name in (logs or {}):
                self._run.scalar(f"training/{name}", logs[name], epoch + 1)
        self._run.flush()

    def on_train_end(self, logs=None):
        self._run.close()
        self._run = None


def write_candidate(run_dir: str, step: Step, candidate: CandidateState, metrics: dict[str, float],
                    evaluation: Evaluation, recipe: Recipe, classes: Sequence[str] = ()) -> None:
    """Writes what a candidate is and what it reached: an HParams entry, scalars, its recipe, the confusion matrix.

    Args:
        metrics: as the tuner reports them; times in seconds.
        classes: names for the confusion matrix.
    """
    with Run(run_dir) as run:
        run.raw(metadata.SESSION_START_INFO_TAG, 0, hp.hparams_pb(
            _hyperparameters(step, candidate), trial_id=_trial_id(run_dir, step, candidate),
            start_time_secs=time.time() - metrics.get("seconds", 0.0)))
        for name in RESULTS:
            run.scalar(f"search/{name}", metrics.get(name), step.step)
        for name in TIMES:
            run.scalar(f"seconds/{name.removesuffix('_seconds')}", metrics.get(name), step.step)
        _write_cost(run, step, candidate)
        run.text("recipe", _candidate_text(step, candidate, recipe), step.step)
        run.image("confusion", lambda: pixels(confusion_figure(evaluation.confusion(), classes)), step.step)
        run.raw(metadata.SESSION_END_INFO_TAG, 0, _session_end())


def write_search(logs_dir: str, search: Search) -> None:
    """Writes what is decided and not written yet: each step in the run `summary`, the gains in the candidates' runs.

    May be called at any time and any number of times: nothing is written twice, and what an interrupted process left
    out is made up for.
    """
    with Run(logs_dir) as run:
        run.raw(metadata.EXPERIMENT_TAG, 0, _experiment())
        run.raw("custom_scalars__config__", 0, custom_scalar.pb(_layout()))
    decided = [step for step in search.steps if step.decision]
    with Run(os.path.join(logs_dir, SUMMARY)) as summary:
        for step in decided:
            if summary.has("search/val_accuracy", step.step):
                continue
            for candidate in step.candidates:
                if candidate.gain is not None:
                    with Run(os.path.join(logs_dir, run_name(step, candidate.axis))) as run:
                        run.scalar("search/gain", candidate.gain, step.step)
            _write_step(summary, search, step)


def _write_step(run: Run, search: Search, step: Step) -> None:
    winner, decision, number = step.winner, step.decision, step.step
    run.text("path/overview", _path_text(search, number), number)
    run.text(f"path/step {number:02d}", _step_text(step), number)
    run.image("accuracy_over_cost", lambda: pixels(search_figure(search, until=number, size=(6.4, 4.4))), number)
    _write_cost(run, step, winner)
    for name in RESULTS[1:]:
        run.scalar(f"search/{name}", winner.metrics.get(name), number)
    run.scalar("search/gain", winner.gain, number)
    run.scalar("search/margin", decision.margin, number)
    run.scalar("search/p_value", decision.p_value, number)
    run.scalar("seconds/step", sum(c.metrics.get("seconds", 0.0) for c in step.candidates), number)
    # The last one: it says that the step is whole.
    run.scalar("search/val_accuracy", winner.accuracy, number)


def _write_cost(run: Run, step: Step, candidate: CandidateState) -> None:
    run.scalar("search/gmacs", candidate.macs / 1e9, step.step)
    run.scalar("search/params", candidate.params, step.step)


# HParams and the custom scalars


def _hyperparameters(step: Step, candidate: CandidateState) -> dict[str, str | int | float]:
    return {
        "axis": candidate.axis if step.kind == "expansion" else step.kind,
        "step": step.step,
        **candidate.spec.as_dict(),
        "GMACs": float(f"{candidate.macs / 1e9:.4g}"),
        "params": candidate.params,
    }


def _trial_id(run_dir: str, step: Step, candidate: CandidateState) -> str:
    """The run's name and a sign of its place: TensorBoard takes trials of one id, also of two searches, for repeats."""
    return f"{run_name(step, candidate.axis)} {zlib.crc32(os.path.abspath(run_dir).encode()):08x}"


def _experiment():
    numbers = ("step", "frames", "stride", "size", "width", "depth", "bottleneck", "GMACs", "params")
    hparams = [hp.HParam("axis", hp.Discrete(["seed", *AXES, "contraction"]))]
    hparams += [hp.HParam(name, hp.RealInterval(0.0, 1e12)) for name in numbers]
    metrics = [hp.Metric(f"search/{name}", display_name=name) for name in ("val_accuracy", "gain", *RESULTS[1:])]
    return hp.hparams_config_pb(hparams, metrics)


def _session_end():
    info = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    summary = summary_pb2.Summary()
    summary.value.add(tag=metadata.SESSION_END_INFO_TAG, metadata=metadata.create_summary_metadata(data),
                      tensor=metadata.NULL_TENSOR)
    return summary


def _layout() -> layout_pb2.Layout:
    def category(title, tags):
        return layout_pb2.Category(title=title, chart=[
            layout_pb2.Chart(title=name, multiline=layout_pb2.MultilineChartContent(tag=[tag])) for name, tag in tags])

    return layout_pb2.Layout(category=[
        category("Search, over steps (the run summary is the path)", [
            ("accuracy on validation videos", "^search/val_accuracy$"),
            ("gain: accuracy won per doubling of the cost", "^search/gain$"),
            ("margin of the winner over the runner-up", "^search/margin$"),
            ("p-value of the margin (chance above 0.05)", "^search/p_value$"),
            ("cost of a clip, GMACs", "^search/gmacs$"),
            ("time of a candidate, seconds", "^search/seconds$"),
        ]),
        category("Training, over epochs", [(name.replace("_", " "), f"^training/{name}$") for name in CURVES]),
    ])


# Text, in Markdown


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _candidate_text(step: Step, candidate: CandidateState, recipe: Recipe) -> str:
    settings = recipe.model_dump(exclude={"by_step"})
    title = (f"**{run_name(step, candidate.axis)}**: {candidate.spec}, {cost(candidate.macs)}MACs, "
             f"{candidate.params:,} parameters")
    return f"{title}\n\n" + _table(("recipe", "value"), [(name, f"{value}") for name, value in settings.items()])


def _result(candidate: CandidateState) -> str:
    if candidate.status != "failed":
        return percent(candidate.accuracy)
    lines = (candidate.message or "no reason given").strip().splitlines()
    return f"failed: {lines[-1][:100]}"


def _step_text(step: Step) -> str:
    rows = []
    for candidate in step.candidates:
        axis = " = ".join((candidate.axis, *candidate.merged))
        seconds = candidate.metrics.get("seconds")
        rows.append((f"**{axis}**" if candidate is step.winner else axis, *spec_cells(candidate.spec),
                     cost(candidate.macs), f"{candidate.params:,}", _result(candidate), points(candidate.gain),
                     "-" if seconds is None else f"{seconds:.0f}"))
    header = ("axis", *SPEC_COLUMNS, "MACs", "parameters", "accuracy", "gain", "seconds")
    notes = [f"{verdict(step)}."] if step.kind == "expansion" else []
    notes += [f"{saturated.axis} cannot move: {saturated.reason}." for saturated in step.saturated]
    return "\n\n".join([_table(header, rows), *notes])


def _path_text(search: Search, until: int) -> str:
    rows = []
    for step in search.steps[:until + 1]:
        winner, decision = step.winner, step.decision
        rows.append((step.step, winner.axis if step.kind == "expansion" else step.kind, *spec_cells(winner.spec),
                     cost(winner.macs), f"{winner.params:,}", percent(winner.accuracy), points(winner.gain),
                     points(decision.margin), "-" if decision.p_value is None else f"{decision.p_value:.2g}",
                     decision.verdict))
    header = ("step", "axis", *SPEC_COLUMNS, "MACs", "parameters", "accuracy", "gain", "margin", "p", "verdict")
    ended = search.finished and until == len(search.steps) - 1
    return _table(header, rows) + (f"\n\nThe search has ended: {search.stopped_by}." if ended else "")
