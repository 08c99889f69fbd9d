"""The TFX component ExpansionSearch: examples in; the winner's hyperparameters, its model and the trace out."""

from __future__ import annotations

import json

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, component_spec, standard_artifacts

from components.expansion_search.artifacts import ExpansionTrace
from components.expansion_search.executor import Executor

CODE_VERSION = 4  # part of the cache key: raise it when the same inputs would give another search


class ExpansionSearchSpec(component_spec.ComponentSpec):
    """Inputs, outputs and parameters of ExpansionSearch."""

    INPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {
        "best_hyperparameters": component_spec.ChannelParameter(type=standard_artifacts.HyperParameters),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "trace": component_spec.ChannelParameter(type=ExpansionTrace),
    }
    PARAMETERS = {
        "settings": component_spec.ExecutionParameter(type=str),
        "search_folder": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=int),
    }


class ExpansionSearch(base_component.BaseComponent):
    """Grows a network on the examples.

    Args:
        examples: from VideoExampleGen.
        settings: {"search", "recipe", "clips", "seed", "retries", "isolate"} and, where they are not the default,
            "workers", "wandb" and "proxy": those of SearchSettings, Recipe and ClipSettings, and of ExpansionTuner.
        search_folder: where the search keeps its state. It outlives a run of the pipeline, so that a search that was
            stopped, or whose budget was raised, goes on.
    """

    SPEC_CLASS = ExpansionSearchSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, examples: types.BaseChannel, settings: dict, search_folder: str):
        super().__init__(ExpansionSearchSpec(
            examples=examples,
            settings=json.dumps(settings, sort_keys=True),
            search_folder=search_folder,
            code_version=CODE_VERSION,
            best_hyperparameters=channel.Channel(type=standard_artifacts.HyperParameters),
            model=channel.Channel(type=standard_artifacts.Model),
            trace=channel.Channel(type=ExpansionTrace),
        ))
