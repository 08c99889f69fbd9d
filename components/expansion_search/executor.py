"""Executor of ExpansionSearch: runs the search and writes its outputs."""

from __future__ import annotations

import os

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from expansion.data.dataset import VideoDataset
from expansion.foundation import files
from expansion.search.trace import write_trace
from expansion.tuning.jobs import SearchJob

# The names that TFX's own Tuner uses; its Trainer reads the first.
HYPERPARAMETERS = "best_hyperparameters.txt"


class Executor(base_executor.BaseExecutor):
    """Runs the search on the examples' data set."""

    def Do(self, input_dict, output_dict, exec_properties):
        from expansion.display.lettering import if_drawn
        from expansion.display.path_figure import save_figure
        from expansion.evaluation.export import export_saved_model
        from expansion.tuning.tuner import ExpansionTuner  # brings TensorFlow with it

        data = VideoDataset.open(artifact_utils.get_single_uri(input_dict["examples"]))
        job = SearchJob.model_validate_json(exec_properties["job"])
        tuner = ExpansionTuner.from_job(job, data, exec_properties["search_folder"])
        tuner.search()

        uri = artifact_utils.get_single_uri(output_dict["best_hyperparameters"])
        files.write_json(os.path.join(uri, HYPERPARAMETERS), tuner.get_best_hyperparameters()[0].get_config())

        trace = artifact_utils.get_single_uri(output_dict["trace"])
        write_trace(trace, tuner.state)
        if_drawn("path.png", lambda: save_figure(tuner.state, os.path.join(trace, "path.png")))
        files.write_text(os.path.join(trace, "search_folder.txt"), tuner.project_dir)

        model = tuner.get_best_models()[0]
        uri = artifact_utils.get_single_uri(output_dict["model"])
        export_saved_model(model, path_utils.serving_model_dir(uri), job.clips)
        model.save(os.path.join(uri, files.KERAS_MODEL))
