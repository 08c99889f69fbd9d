"""The pipeline compiled for Kubeflow and Vertex: its specification, and its own components run by their containers' entry."""

import argparse
import json

import pytest

from expansion.data.dataset import VideoDataset
from expansion.foundation.errors import InputError
from expansion.search.trace import read_trace
from pipeline.config import Config, parse_settings

pytestmark = pytest.mark.slow

IMAGE = "registry.example/x3d:1"


@pytest.fixture(scope="module")
def config(demo_labels):
    return parse_settings(Config, {
        "name": "tiny",
        "ingest": {"videos": str(demo_labels.parent), "labels": str(demo_labels), "short_side": 32},
        "search": {"start": {"stride": 8, "size": 24, "width": 0.5, "depth": 0.2}, "steps": 1, "axes": ["fast"]},
        "recipe": {"epochs": 1, "batch": 8, "rate": 0.05, "rate_batch": 8, "warmup_epochs": 0},
        "clips": {"flip": False, "views": 2},
        "beam": ["--direct_num_workers=1"],
    }, "test")


@pytest.fixture(scope="module")
def compiled(config, tmp_path_factory):
    """The specification, and the folder that it names as its root."""
    from pipeline.kubeflow_runner import compile_pipeline

    folder = tmp_path_factory.mktemp("kubeflow")
    path = compile_pipeline(config, str(folder / "tiny.json"), image=IMAGE, root=str(folder),
                            accelerator="NVIDIA_TESLA_T4:2")
    return json.loads(open(path, encoding="utf-8").read())["pipelineSpec"], folder


def container(spec, component):
    return spec["deploymentSpec"]["executors"][f"{component}_executor"]["container"]


def parameters(spec, component):
    """The constants that the specification hands to a component."""
    given = spec["root"]["dag"]["tasks"][component]["inputs"]["parameters"]
    return {name: entry["runtimeValue"]["constant"] for name, entry in given.items()}


def test_a_yaml_file_is_the_specification_alone(config, compiled, tmp_path):
    import yaml

    from pipeline.kubeflow_runner import compile_pipeline

    path = compile_pipeline(config, str(tmp_path / "tiny.yaml"), image=IMAGE, root="gs://bucket/x3d/")
    spec = yaml.safe_load(open(path, encoding="utf-8"))
    assert spec["schemaVersion"] == "2.1.0" and set(spec["root"]["dag"]["tasks"]) == set(compiled[0]["root"]["dag"]["tasks"])
    assert parameters(spec, "ExpansionSearch")["search_folder"] == "gs://bucket/x3d/search"


def test_every_component_is_there_in_its_order(compiled):
    spec, _ = compiled
    tasks = spec["root"]["dag"]["tasks"]
    own = {"VideoExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "ExpansionSearch", "Trainer", "Evaluator",
           "Pusher"}
    assert own <= set(tasks)
    assert {"VideoExampleGen", "ExampleValidator"} <= set(tasks["ExpansionSearch"]["dependentTasks"])
    assert {"ExpansionSearch", "VideoExampleGen"} <= set(tasks["Trainer"]["dependentTasks"])
    for name in own:
        assert container(spec, name)["image"] == IMAGE
    assert container(spec, "ExpansionSearch")["args"][1] == "components.expansion_search.executor.Executor"
    outputs = spec["components"]["ExpansionSearch"]["outputDefinitions"]["artifacts"]
    assert set(outputs) == {"best_hyperparameters", "model", "trace"}
    assert "components.ExpansionTrace" in outputs["trace"]["artifactType"]["instanceSchema"]


def test_what_trains_gets_the_accelerator(compiled):
    spec, _ = compiled
    for name in ("ExpansionSearch", "Trainer"):
        assert container(spec, name)["resources"]["accelerator"] == {"type": "NVIDIA_TESLA_T4", "count": "2"}
    assert "resources" not in container(spec, "StatisticsGen")


def test_beams_arguments_reach_the_components_that_use_beam(compiled):
    spec, _ = compiled
    for name in ("VideoExampleGen", "StatisticsGen", "Evaluator"):
        assert "--direct_num_workers=1" in container(spec, name)["args"]


def run_container(spec, component, inputs, outputs, folder):
    """Runs a component as its container would, with what the platform would hand it."""
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor as entry

    declared = spec["components"][component]

    def artifacts(uris, definitions):
        return {name: {"artifacts": [{"name": f"artifacts/{number}", "uri": uri, "metadata": metadata,
                                      "type": definitions["artifacts"][name]["artifactType"]}]}
                for number, (name, (uri, metadata)) in enumerate(uris.items(), start=1)}

    executor_args = {
        "inputs": {"parameterValues": parameters(spec, component),
                   "artifacts": artifacts(inputs, declared.get("inputDefinitions", {}))},
        "outputs": {"artifacts": artifacts(outputs, declared["outputDefinitions"]),
                    "outputFile": str(folder / component / "executor_output.json")},
    }
    args = container(spec, component)["args"]
    given = dict(zip(args[::2], args[1::2]))
    entry._run_executor(argparse.Namespace(
        executor_class_path=given["--executor_class_path"], json_serialized_invocation_args=json.dumps(executor_args),
        json_serialized_inputs_spec_args=given["--json_serialized_inputs_spec_args"]), [])
    return json.loads((folder / component / "executor_output.json").read_text())["artifacts"]


def test_its_own_components_run_in_their_containers_entry(compiled):
    spec, folder = compiled
    records = str(folder / "examples")
    made = run_container(spec, "VideoExampleGen", {}, {"examples": (records, {})}, folder)
    metadata = made["examples"]["artifacts"][0]["metadata"]
    assert json.loads(metadata["split_names"]) == ["train", "val", "test"]
    assert VideoDataset.open(records).videos("train") == 48

    outputs = {name: (str(folder / name), {}) for name in ("best_hyperparameters", "model", "trace")}
    run_container(spec, "ExpansionSearch", {"examples": (records, metadata)}, outputs, folder)
    assert [step.winner.axis for step in read_trace(str(folder / "trace")).steps] == ["seed", "fast"]
    assert (folder / "model" / "model.keras").exists()


@pytest.mark.parametrize("wrong, message", [
    ({"accelerator": "T4"}, "accelerator 'T4': TYPE:COUNT is expected"),
    ({"output": "x.txt"}, ".txt: .yaml .Kubeflow Pipelines. or .json"),
    ({"name": "Big_Run"}, "name 'Big_Run': Kubeflow takes small letters"),
])
def test_what_the_platform_would_refuse_is_an_error_at_once(config, tmp_path, wrong, message):
    from pipeline.kubeflow_runner import compile_pipeline

    named = config.model_copy(update={"name": wrong.get("name", "tiny")})
    with pytest.raises(InputError, match=message):
        compile_pipeline(named, str(tmp_path / wrong.get("output", "x.json")), image=IMAGE, root="gs://bucket",
                         accelerator=wrong.get("accelerator"))
