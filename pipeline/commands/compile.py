"""`x3d compile`: the pipeline as a specification that Kubeflow Pipelines and Vertex AI run."""

from __future__ import annotations

import os
import tempfile
from typing import Annotated

import typer

from expansion.display.console import make_console, noise_to
from expansion.display.progress import waiting
from pipeline.options import Given, configured_by
from pipeline.tfx_import import import_tfx


@configured_by("videos", "labels", "name", "beam")
def compile_pipeline(output: Annotated[str, typer.Argument(help="File to write: .yaml for Kubeflow Pipelines, .json for Vertex "
                                                                "AI.")],
                     given: Given,
                     image: Annotated[str, typer.Option(help="Container image with this project in it (see the Dockerfile).")],
                     root: Annotated[str, typer.Option(help="Folder for all that the pipeline writes, as the cluster sees it.")],
                     evaluate_on: Annotated[str, typer.Option(help="Split of the last evaluation: test or val.")] = "test",
                     accelerator: Annotated[str | None, typer.Option(
                         help="TYPE:COUNT for the components that train, such as NVIDIA_TESLA_T4:1.")] = None) -> None:
    """Compile the pipeline for Kubeflow Pipelines or Vertex AI.

    Raises:
        InputError: an error of use.
        ModuleNotFoundError: kfp or TFX is not installed.
    """
    config = given.load()
    import kfp.pipeline_spec  # noqa: F401  # before half a minute of TFX, which would miss it at the end
    with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt")) as console:
        with waiting(console, "starting TFX (about half a minute)"):
            import_tfx()
            from pipeline import kubeflow_runner
        kubeflow_runner.compile_pipeline(config, output, image=image, root=root, evaluate_on=evaluate_on,
                                         accelerator=accelerator)
    make_console().print(f"written: {output}", soft_wrap=True, markup=False)
