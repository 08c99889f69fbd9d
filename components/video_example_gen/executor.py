"""The executor of VideoExampleGen: the plain ingestion, with TFX's Beam pipeline, into TFX's artifact."""

from __future__ import annotations

import json
from typing import Any

from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.ingestion.ingest import ingest
from components.ingestion.settings import IngestSettings
from expansion.data.records import SPLITS
from expansion.display.progress import task_progress
from expansion.foundation.settings import parse_settings


class Executor(base_beam_executor.BaseBeamExecutor):
    """Fills the Examples artifact; its splits are those that hold videos."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Ingests as the `settings` execution property says.

        Raises:
            InputError: an error of use, or too much was rejected.
        """
        settings = parse_settings(IngestSettings, json.loads(exec_properties["settings"]), "ingest")
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        with task_progress("ingesting") as progress:
            manifest = ingest(settings, examples.uri, self._make_beam_pipeline, exec_properties.get("work_dir") or None,
                              progress=progress)
        examples.split_names = artifact_utils.encode_split_names([split for split in SPLITS if split in manifest.splits])
        examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
