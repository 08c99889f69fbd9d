"""The whole pipeline on real MP4 files: every component once, then the cache, the trace, and a pushed model that answers."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from expansion.data.dataset import VideoDataset
from expansion.search.trace import read_trace
from pipeline.config import Config, parse_settings
from pipeline.runs.folder import RunFolder

pytestmark = pytest.mark.slow

COMPONENTS = {"VideoExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "ExpansionSearch", "Trainer",
              "Evaluator", "Pusher"}


@pytest.fixture(scope="module")
def config(demo_labels):
    return parse_settings(Config, {
        "name": "tiny",
        "ingest": {"videos": str(demo_labels.parent), "labels": str(demo_labels), "short_side": 32},
        "search": {"start": {"stride": 8, "size": 24, "width": 0.5, "depth": 0.2}, "steps": 1, "axes": ["fast", "bottleneck"],
                   "without_gain": "continue"},
        "recipe": {"epochs": 1, "batch": 8, "rate": 0.05, "rate_batch": 8, "warmup_epochs": 0},
        "final": {"epochs": 2},
        "clips": {"flip": False, "views": 2},
        "thresholds": {"accuracy": 0.01},
    }, "test")


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """Runs twice: (folder, result, second result, executions by component and state)."""
    from pipeline.local_runner import run_pipeline

    folder = RunFolder(str(tmp_path_factory.mktemp("runs") / config.name))
    first = run_pipeline(config, folder)
    after_first = executions(folder)
    return folder, first, run_pipeline(config, folder), after_first, executions(folder)


def executions(folder):
    """How many executions each component has in each state."""
    from ml_metadata.proto import metadata_store_pb2
    from tfx import v1 as tfx
    from tfx.orchestration import metadata

    states = metadata_store_pb2.Execution.State.Name
    counts = {}
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(folder.metadata)
    with metadata.Metadata(connection) as handle:
        kinds = {kind.id: kind.name.rsplit(".", 1)[-1] for kind in handle.store.get_execution_types()}
        for execution in handle.store.get_executions():
            key = kinds[execution.type_id], states(execution.last_known_state)
            counts[key] = counts.get(key, 0) + 1
    return counts


def test_every_component_ran_once_then_came_from_the_cache(finished):
    _, _, _, first, second = finished
    assert {name: first.get((name, "COMPLETE")) for name in COMPONENTS} == dict.fromkeys(COMPONENTS, 1)
    assert not any(state == "CACHED" for _, state in first)
    assert {name: second.get((name, "COMPLETE")) for name in COMPONENTS} == dict.fromkeys(COMPONENTS, 1)
    assert {name: second.get((name, "CACHED")) for name in COMPONENTS} == dict.fromkeys(COMPONENTS, 1)


def test_the_trace_tells_every_candidate_and_decision(finished):
    _, result, again, *_ = finished
    trace = read_trace(result.search_folder)
    assert trace.as_dict() == result.search.as_dict() == again.search.as_dict()
    assert [step.kind for step in trace.steps] == ["seed", "expansion"] and trace.stopped_by == "steps"
    assert {c.axis for c in trace.steps[1].candidates} == {"fast", "bottleneck"}
    for step in trace.steps:
        assert all(c.status == "completed" and 0 <= c.accuracy <= 1 and len(c.evidence) == 24 for c in step.candidates)
        assert step.kind == "seed" or step.winner.gain == max(c.gain for c in step.candidates)
    assert os.path.getsize(os.path.join(result.search_folder, "path.png")) > 1000


def test_the_records_keep_the_splits(finished):
    data = VideoDataset.open(finished[1].examples)
    assert {split: data.videos(split) for split in data.splits} == {"train": 48, "val": 24, "test": 24}


def test_evaluation_is_over_the_test_split_and_per_class(finished):
    result = finished[1]
    assert result.metrics["example_count"] == 24 and len(result.per_class) == 8
    assert all(metrics["example_count"] == 3 for metrics in result.per_class.values())
    mean = np.mean([metrics["sparse_categorical_accuracy"] for metrics in result.per_class.values()])
    assert result.metrics["sparse_categorical_accuracy"] == pytest.approx(mean)
    assert result.metrics["sparse_categorical_accuracy"] <= result.metrics["top5"]


def test_the_threshold_holds_over_all_videos_and_not_for_each_class(finished):
    """After three epochs some class is never right; the network is pushed all the same."""
    result = finished[1]
    assert min(metrics["sparse_categorical_accuracy"] for metrics in result.per_class.values()) < 0.01
    assert result.metrics["sparse_categorical_accuracy"] >= 0.01 and result.pushed


def test_the_pushed_model_answers_as_the_keras_model_does(finished, config):
    import tensorflow as tf

    from expansion.data.videos import read
    from expansion.data.views import evaluation_views
    from expansion.evaluation.evaluate import evaluate
    from expansion.network.saving import load_model

    result = finished[1]
    pushed, model, data = tf.saved_model.load(result.pushed), load_model(result.keras_model), VideoDataset.open(result.examples)
    assert model.spec == result.search.path[-1].spec
    clips, _ = next(iter(evaluation_views(data, "test", model.spec, config.clips, 4)))
    answer = pushed.signatures["clips"](clips=clips)["probabilities"]
    np.testing.assert_allclose(answer, tf.nn.softmax(model(clips, training=False)), atol=1e-5)

    records = tf.stack(list(read(data, "test")))
    of_videos = pushed.signatures["serving_default"](examples=records)["probabilities"]
    evaluation = evaluate(model, data, "test", config.clips)
    np.testing.assert_allclose(of_videos, evaluation.probabilities, atol=1e-5)
    assert evaluation.accuracy == pytest.approx(result.metrics["sparse_categorical_accuracy"])


def test_the_hyperparameters_are_a_standard_artifact(finished):
    folder, result, *_ = finished
    (path,) = [os.path.join(root, name) for root, _, names in os.walk(folder.artifacts) for name in names
               if name == "best_hyperparameters.txt"]
    with open(path, encoding="utf-8") as file:
        values = json.load(file)["values"]
    assert {key: values[key] for key in result.search.path[-1].spec.as_dict()} == result.search.path[-1].spec.as_dict()


def test_a_larger_budget_extends_the_search_and_trains_no_candidate_again(finished, config):
    """The last test here: it changes the run."""
    from pipeline.local_runner import run_pipeline

    folder, first, *_, before = finished
    trained = {path: path.stat().st_mtime_ns for path in Path(first.search_folder).glob("trial_*/model.keras")}
    larger = config.model_copy(update={"search": config.search.model_copy(update={"steps": 2})})
    result, after = run_pipeline(larger, folder), executions(folder)
    assert len(trained) == 3 and all(path.stat().st_mtime_ns == time for path, time in trained.items())
    assert len(result.search.steps) == 3 and result.search.stopped_by == "steps"
    assert result.search.as_dict()["steps"][:2] == first.search.as_dict()["steps"]
    again = {name for name in COMPONENTS if after[name, "COMPLETE"] > before[name, "COMPLETE"]}
    assert "ExpansionSearch" in again and "VideoExampleGen" not in again
