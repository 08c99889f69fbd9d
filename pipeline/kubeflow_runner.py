"""Compiles the pipeline to a specification that Kubeflow Pipelines and Vertex AI run; `x3d compile`."""

from __future__ import annotations

import os
import re

from kfp.pipeline_spec import pipeline_spec_pb2
from tfx import v1 as tfx

from expansion.foundation.errors import InputError
from pipeline.config import Config
from pipeline.create_pipeline import create_pipeline

HEAVY = ("ExpansionSearch", "Trainer")  # the components that train; they get the accelerator


def compile_pipeline(config: Config, output: str, *, image: str, root: str, evaluate_on: str = "test",
                     accelerator: str | None = None) -> str:
    """Writes the compiled pipeline, of schema 2.1, and returns its path.

    Args:
        config: what to run; its videos and labels have to be in a folder that is mounted in every container.
        output: file to write: .yaml for Kubeflow Pipelines, .json (a PipelineJob) for Vertex AI.
        image: container image with this project in it (see the Dockerfile).
        root: folder, as the cluster sees it, for artifacts, the search's state and pushed networks.
        accelerator: for the components that train: a type and a count, such as "NVIDIA_TESLA_T4:1".

    Raises:
        InputError: the accelerator is not of that form, or the name or the ending of the file is none that is known.
    """
    if not output.endswith((".yaml", ".json")):
        raise InputError(f"{output}: .yaml (Kubeflow Pipelines) or .json (Vertex AI) is expected")
    if not re.fullmatch(r"[a-z][a-z0-9-]*", config.name):
        raise InputError(f"name {config.name!r}: Kubeflow takes small letters, digits and hyphens, a letter first")
    root = root.rstrip("/")
    pipeline = create_pipeline(
        config, pipeline_name=config.name, pipeline_root=f"{root}/pipeline", search_folder=f"{root}/search",
        serving_root=f"{root}/serving", ingest_work=f"{root}/ingest", evaluate_on=evaluate_on,
        own_resolver=False)
    if accelerator:
        resources = _resources(accelerator)
        for component in pipeline.components:
            if component.id in HEAVY:
                component.with_platform_config(resources)
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
        config=tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
            default_image=image, use_pipeline_spec_2_1=True),
        output_dir=os.path.dirname(os.path.abspath(output)), output_filename=os.path.basename(output))
    runner.run(pipeline)
    return output


def _resources(accelerator: str):
    found = re.fullmatch(r"([A-Za-z0-9_-]+):([1-9][0-9]*)", accelerator)
    if not found:
        raise InputError(f"accelerator {accelerator!r}: TYPE:COUNT is expected, such as NVIDIA_TESLA_T4:1")
    resources = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec()
    resources.accelerator.type, resources.accelerator.count = found[1], int(found[2])
    return resources
