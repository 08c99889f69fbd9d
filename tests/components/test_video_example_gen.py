"""The TFX component: what it puts out, and when the cache serves it."""

import os
import time

import pytest

from tests.components.ingestion.videos import class_folders, write_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_pipeline(tmp_path_factory):
    """Runs VideoExampleGen and StatisticsGen; returns (state of the ingestion, folder of the examples, statistics)."""
    pytest.importorskip("tfx")
    from ml_metadata import MetadataStore
    from tfx import v1 as tfx

    from components.video_example_gen.component import VideoExampleGen

    base = tmp_path_factory.mktemp("pipeline")
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(base / "metadata.sqlite"))

    def run(settings):
        ingest = VideoExampleGen(settings)
        statistics = tfx.components.StatisticsGen(examples=ingest.outputs["examples"])
        pipeline = tfx.dsl.Pipeline(
            pipeline_name="ingest",
            pipeline_root=str(base / "root"),
            components=[ingest, statistics],
            enable_cache=True,
            metadata_connection_config=connection,
        )
        tfx.orchestration.LocalDagRunner().run(pipeline)
        store = MetadataStore(connection)
        execution = max(store.get_executions_by_type(ingest.type), key=lambda one: one.id)
        examples = max(store.get_artifacts_by_type("Examples"), key=lambda one: one.id)
        shown = max(store.get_artifacts_by_type("ExampleStatistics"), key=lambda one: one.id)
        return execution, examples, shown

    return run


def test_output_and_cache(run_pipeline, tmp_path):
    from ml_metadata.proto.metadata_store_pb2 import Execution

    from components.ingestion.settings import IngestSettings
    from expansion.data.manifest import read_manifest

    root = class_folders(tmp_path / "videos")
    labels = tmp_path / "labels.csv"
    rows = [f"{c}/{n}.mp4,{c},{s}" for c in ("jump", "run") for n, s in enumerate(("train", "train", "val", "test"))]
    labels.write_text("path,label,split\n" + "\n".join(rows) + "\n")
    settings = IngestSettings(videos=str(root), labels=str(labels), short_side=32)

    execution, examples, shown = run_pipeline(settings)
    assert execution.last_known_state == Execution.COMPLETE
    assert read_manifest(examples.uri).accepted == 8
    assert examples.properties["split_names"].string_value == '["train", "val", "test"]'
    assert examples.custom_properties["payload_format"].string_value == "FORMAT_TF_EXAMPLE"
    assert sorted(os.listdir(examples.uri)) == [
        "Split-test", "Split-train", "Split-val", "index", "manifest.json", "videos.jsonl"]
    assert _counted(shown.uri, "train") == 4  # StatisticsGen reads the uncompressed shards

    again, same, _ = run_pipeline(settings)
    assert again.last_known_state == Execution.CACHED and same.id == examples.id

    os.utime(labels, (time.time() + 5, time.time() + 5))
    again, same, _ = run_pipeline(settings)
    assert again.last_known_state == Execution.CACHED, "the same content is the same input"

    labels.write_text(labels.read_text().replace("jump/1.mp4,jump,train", "jump/1.mp4,jump,test"))
    again, changed, _ = run_pipeline(settings)
    assert again.last_known_state == Execution.COMPLETE and changed.id != examples.id
    assert read_manifest(changed.uri).splits["train"].videos == 3

    write_video(root / "run" / "0.mp4", 9)
    again, newest, _ = run_pipeline(settings)
    assert again.last_known_state == Execution.COMPLETE and newest.id != changed.id


def test_error_of_use_stops_the_pipeline(run_pipeline, tmp_path):
    from components.ingestion.settings import IngestSettings
    from expansion.foundation.errors import InputError

    with pytest.raises(InputError, match="does not exist"):
        run_pipeline(IngestSettings(videos=str(tmp_path / "nowhere")))


def _counted(uri: str, split: str) -> int:
    import tensorflow_data_validation as tfdv

    return tfdv.load_stats_binary(os.path.join(uri, f"Split-{split}", "FeatureStats.pb")).datasets[0].num_examples
