"""Executor of ExpansionSearch: runs the search and writes its outputs."""

from __future__ import annotations

import json
import os

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.expansion_search.run import run_search
from expansion.data.dataset import VideoDataset
from expansion.foundation import files
from expansion.recipe import ClipSettings
from expansion.search.trace import write_trace

# The names that TFX's own Tuner uses; its Trainer reads the first.
HYPERPARAMETERS = "best_hyperparameters.txt"


class Executor(base_executor.BaseExecutor):
    """Runs the search on the examples' data set."""

    def Do(self, input_dict, output_dict, exec_properties):
        from expansion.display.path_figure import save_figure
        from expansion.evaluation.export import export_saved_model  # brings TensorFlow with it

        data = VideoDataset.open(artifact_utils.get_single_uri(input_dict["examples"]))
        settings = json.loads(exec_properties["settings"])
        tuner = run_search(data, settings, exec_properties["search_folder"])

        uri = artifact_utils.get_single_uri(output_dict["best_hyperparameters"])
        files.write_json(os.path.join(uri, HYPERPARAMETERS), tuner.get_best_hyperparameters()[0].get_config())

        trace = artifact_utils.get_single_uri(output_dict["trace"])
        write_trace(trace, tuner.trace)
        save_figure(tuner.trace, os.path.join(trace, "path.png"))
        files.write_text(os.path.join(trace, "search_folder.txt"), tuner.project_dir)

        model = tuner.get_best_models()[0]
        uri = artifact_utils.get_single_uri(output_dict["model"])
        export_saved_model(model, path_utils.serving_model_dir(uri), ClipSettings(**settings["clips"]))
        model.save(os.path.join(uri, files.KERAS_MODEL))
