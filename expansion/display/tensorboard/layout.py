"""TensorBoard's messages about a search: HParams of its candidates, and which charts the custom scalars show."""

from __future__ import annotations

import os
import time
import zlib

from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api as hp
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

from expansion.search.axes import AXES
from expansion.search.steps import CandidateState, Step
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task

CURVES = ("loss", "accuracy", "learning_rate", "clips_per_second")
STEP_CURVES = ("frames", "size", "batch", "learning_rate")  # of trainings whose batches change their shape


def results(task: Task) -> tuple[str, ...]:
    """What a candidate reached, the score first: the tags behind "search/"."""
    return (*(f"val_{name}" for name in task.titles), "seconds", "latency_ms")


def hyperparameters(step: Step, candidate: CandidateState) -> dict[str, str | int | float]:
    return {
        "axis": candidate.axis if step.kind == "expansion" else step.kind,
        "step": step.number,
        **candidate.spec.as_dict(),
        "GMACs": float(f"{candidate.macs / 1e9:.4g}"),
        "params": candidate.params,
    }


def trial_id(run_dir: str, name: str) -> str:
    """The run's name and a sign of its place: TensorBoard takes trials of one id, also of two searches, for repeats."""
    return f"{name} {zlib.crc32(os.path.abspath(run_dir).encode()):08x}"


def experiment(task: Task = SINGLE_LABEL):
    numbers = ("step", "frames", "stride", "size", "width", "depth", "bottleneck", "GMACs", "params")
    hparams = [hp.HParam("axis", hp.Discrete(["seed", *AXES, "contraction"]))]
    hparams += [hp.HParam(name, hp.RealInterval(0.0, 1e12)) for name in numbers]
    # TensorBoard's table opens with the first five.
    score, *others = (f"val_{name}" for name in task.titles)
    names = (score, "gain", "latency_ms", "seconds", *others)
    metrics = [hp.Metric(f"search/{name}", display_name=name) for name in names]
    return hp.hparams_config_pb(hparams, metrics)


def session_end():
    info = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
    summary = summary_pb2.Summary()
    summary.value.add(tag=metadata.SESSION_END_INFO_TAG, metadata=metadata.create_summary_metadata(data),
                      tensor=metadata.NULL_TENSOR)
    return summary


def layout(task: Task = SINGLE_LABEL) -> layout_pb2.Layout:
    """Charts by question; a chart shows a tag of every run, and the run `summary` is the path."""
    def lines(title, *tags):
        return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=[f"^{tag}$" for tag in tags]))

    def margins(title, value, low, high):
        series = layout_pb2.MarginChartContent.Series(value=value, lower=low, upper=high)
        return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series]))

    score = task.noun
    return layout_pb2.Layout(category=[
        layout_pb2.Category(title="The path, over steps", chart=[
            margins(f"{score} of the winner, with its 95 % interval", "interval/accuracy",
                    "interval/low", "interval/high"),
            lines("steps that each axis has won", *(f"wins/{axis}" for axis in AXES)),
            lines("margin of the winner over the runner-up", "search/margin"),
            lines("p-value of the margin (chance above 0.05)", "search/p_value"),
        ]),
        layout_pb2.Category(title="All candidates, over steps", chart=[
            lines(f"{score} on validation videos", f"search/val_{task.score}"),
            lines(f"gain: {score} won per doubling of the cost", "search/gain"),
            lines("cost per clip, GMACs", "search/gmacs"),
            lines("latency per clip, milliseconds", "search/latency_ms"),
            lines("time of a candidate, seconds", "search/seconds"),
        ]),
        layout_pb2.Category(title="Training, over epochs", chart=[
            lines(name.replace("_", " "), f"training/{name}") for name in CURVES]),
        layout_pb2.Category(title="Multigrid training, over steps", chart=[
            lines(name.replace("_", " "), f"schedule/{name}") for name in STEP_CURVES]),
    ])
