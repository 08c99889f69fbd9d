"""VideoExampleGen, the TFX component: labelled videos to an Examples artifact."""

from __future__ import annotations

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import Channel, component_spec, standard_artifacts, standard_component_specs

from components.ingestion.settings import RECORD_VERSION, IngestSettings
from components.video_example_gen.driver import VideoDriver
from components.video_example_gen.executor import Executor

# What TFX's own driver fingerprints where a runner (Kubeflow, Vertex) brings it in place of ours.
_PATTERNS = {"top": "*", "class": "*/*", "split": "*/*/*"}


class VideoExampleGenSpec(component_spec.ComponentSpec):
    """FileBasedExampleGen's parameters, the ingestion's settings, and the version of the records."""

    PARAMETERS = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        "settings": component_spec.ExecutionParameter(type=str),
        "record_version": component_spec.ExecutionParameter(type=int),
        "work_dir": component_spec.ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {}
    OUTPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}


class VideoExampleGen(FileBasedExampleGen):
    """Ingests labelled videos: `outputs['examples']`, splits train, val and test as far as they hold videos.

    Beside the Split-* folders lie manifest.json and videos.jsonl. A changed label file, video, setting or version of
    the records runs it again; anything else is served from the cache.

    Args:
        settings: what to ingest and how.
        work_dir: folder for unfinished work that outlives a run, so that a killed one resumes where it was. None keeps
            it in the artifact's folder, which is new in each run.
    """

    SPEC_CLASS = VideoExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = VideoDriver

    def __init__(self, settings: IngestSettings, work_dir: str | None = None):
        splits = [example_gen_pb2.Input.Split(name=name, pattern=pattern) for name, pattern in _PATTERNS.items()]
        spec = VideoExampleGenSpec(
            input_base=settings.videos,
            input_config=example_gen_pb2.Input(splits=splits),
            output_config=example_gen_pb2.Output(),
            output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
            output_file_format=example_gen_pb2.FILE_FORMAT_UNSPECIFIED,
            settings=settings.model_dump_json(),
            record_version=RECORD_VERSION,
            work_dir=work_dir,
            examples=Channel(type=standard_artifacts.Examples),
        )
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
