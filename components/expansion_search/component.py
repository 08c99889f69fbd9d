"""The TFX component ExpansionSearch: examples in; the winner's hyperparameters, its model and the trace out."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, component_spec, standard_artifacts

from components.expansion_search.artifacts import ExpansionTrace
from components.expansion_search.executor import Executor
from expansion.tuning.jobs import SearchJob
from expansion.weights.search import source_of

CODE_VERSION = 5  # part of the cache key: raise it when the same inputs would give another search


class ExpansionSearchSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of ExpansionSearch."""

    INPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {
        "best_hyperparameters": component_spec.ChannelParameter(type=standard_artifacts.HyperParameters),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "trace": component_spec.ChannelParameter(type=ExpansionTrace),
    }
    PARAMETERS = {
        "job": component_spec.ExecutionParameter(type=str),
        "search_folder": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=int),
        "weights": component_spec.ExecutionParameter(type=str),
    }


class ExpansionSearch(base_component.BaseComponent):
    """Grows a network on the examples.

    Args:
        examples: from VideoExampleGen.
        job: what to search for, and how.
        search_folder: where the search keeps its state. It outlives a run of the pipeline, so that a search that was
            stopped, or whose budget was raised, is resumed.
    """

    SPEC_CLASS = ExpansionSearchSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, examples: types.BaseChannel, job: SearchJob, search_folder: str):
        super().__init__(ExpansionSearchSpec(
            examples=examples,
            job=job.model_dump_json(exclude_defaults=True),
            search_folder=search_folder,
            code_version=CODE_VERSION,
            weights=source.sha256 if (source := source_of(job.search)) else "",  # a changed file is another search
            best_hyperparameters=channel.Channel(type=standard_artifacts.HyperParameters),
            model=channel.Channel(type=standard_artifacts.Model),
            trace=channel.Channel(type=ExpansionTrace),
        ))
