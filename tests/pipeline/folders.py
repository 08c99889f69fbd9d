"""Folders of runs for tests, as the pipeline leaves them, without training."""

import math

from expansion.foundation import files
from expansion.search.state import SearchState
from expansion.search.trace import write_trace
from expansion.tuning.folders import SearchFolder
from pipeline.config import load_config, save_config, shipped
from pipeline.runs.folder import RunFolder
from pipeline.runs.held_out import HeldOutResult
from pipeline.runs.state import environment
from tests.expansion.manifests import manifest_of

CLASSES = ["fall", "jump", "run | walk", "<sit>"]
CONFUSION = [[9, 1, 0, 0], [0, 10, 0, 0], [2, 2, 6, 0], [0, 0, 0, 5]]


def make_run(path, search: SearchState, ended: bool = True) -> RunFolder:
    """A run with this search, its trials' curves and its records; with what it reached on test videos if it `ended`."""
    folder = RunFolder(str(path))
    save_config(load_config(shipped("demo.yaml"), **{"ingest.videos": "videos", "seed": 7, "name": folder.name}),
                folder.config)
    searched = folder.searches + "/a"
    write_trace(searched, search)
    for step in search.steps:
        for candidate in step.candidates:
            if candidate.status == "completed":
                history = {"accuracy": [candidate.accuracy * (1 - math.exp(-epoch)) for epoch in range(1, 6)],
                           "loss": [2.0, 1.5, 1.2, 1.1, 1.0]}
                files.write_json(SearchFolder(searched).trial(candidate.trial_id).result(), {"history": history, "metrics": {}})
    records = f"{folder.artifacts}/VideoExampleGen/examples/1"
    manifest_of(CLASSES, dict.fromkeys(("train", "val", "test"), 40), frames=48, short_side=72, rejected=2,
                reject_reasons={"cannot be decoded": 2}, fingerprint="0123456789abcdef").write(records)
    files.write_json(folder.environment, environment() | {"command": "x3d search --videos videos"})
    if ended:
        files.write_json(folder.result, HeldOutResult(
            split="test", classes=CLASSES, confusion=CONFUSION, top5=1.0, seed_accuracy=0.25, keras_model="model.keras",
            serving=None, examples=records, search=searched, ended="2026-01-01T00:00:00+00:00").model_dump(mode="json"))
    return folder
