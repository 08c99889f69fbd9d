"""Commands in folders whose names are patterns to TensorFlow, TFX and Beam: they work, or say so before they begin."""

import json
import os

import pytest

from expansion.foundation.errors import InputError
from pipeline.config import load_config, shipped
from tests.commands import x3d
from tests.components.ingestion.videos import class_folders

TINY = "frames=1,stride=1,size=32,width=0.34,depth=0.2"


@pytest.mark.slow
@pytest.mark.parametrize("character", "*?[\\")
def test_a_search_that_tfx_could_not_run_is_one_line(tmp_path, character):
    folder = tmp_path / f"my {character}copy]"
    (folder / "other").mkdir(parents=True)
    videos = class_folders(tmp_path / "videos")
    here = [(folder, "runs"), (folder / "other", "runs")] if character != "\\" else []  # that one is none to TFX itself
    for place, runs in (*here, (tmp_path, f"runs{character}")):
        done = x3d("search", "--config", shipped("small.yaml"), "--videos", str(videos), "--runs", runs, cwd=place)
        assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("x3d: ")
        assert f"choose a path without {character}, which TFX would read as a pattern" in done.stderr
        begun = os.listdir(place / runs) if os.path.exists(place / runs) else []
        assert not any(os.path.exists(place / runs / run / "pipeline") for run in begun), "nothing was ingested"


@pytest.mark.slow
def test_a_pipeline_for_a_cluster_is_checked_as_well():
    from pipeline.create_pipeline import create_pipeline

    config = load_config(shipped("demo.yaml"), **{"ingest.videos": "videos"})
    with pytest.raises(InputError, match=r"gs://bucket/\[1\]/serving: choose a path without \["):
        create_pipeline(config, pipeline_name="x", pipeline_root="r", search_folder="s", serving_root="gs://bucket/[1]/serving")


@pytest.mark.slow
def test_ingest_train_eval_export_and_predict(tmp_path):
    folder = tmp_path / r"my [copy] a?*{b} $HOME ~ back\slash"
    folder.mkdir()
    class_folders(folder / "videos [1]", each=6)

    def ran(*args):
        done = x3d(*args, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    ran("ingest", "rec [1]", "--videos", "videos [1]", "--short-side", "32", "--beam=--direct_running_mode=in_memory")
    ran("train", "--spec", TINY, "--records", "rec [1]", "--epochs", "1", "--name", "t")
    models = ["t", str(folder / "out [1]"), "out?.tflite"]
    for form, output in zip(("saved_model", "tflite"), models[1:]):
        ran("export", "t", "--format", form, "--output", output)
    rows = json.loads(ran("eval", *models, "--records", "rec [1]", "--split", "val", "--no-timing", "--json"))
    assert len(rows) == 3 and len({row["top1"] for row in rows}) == 1
    for model in models:
        assert json.loads(ran("predict", model, "videos [1]/run/0.mp4", "--json"))
