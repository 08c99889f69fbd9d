"""Weights on the command line: what commands make of a file, and one line for what does not fit."""

import json
import zipfile

import pytest

from expansion.foundation.errors import InputError
from expansion.spec import NAMED, Spec
from expansion.weights.source import open_source
from pipeline.commands.plan import make_plan
from pipeline.commands.search import _check_head, run_search
from pipeline.commands.train import settings
from pipeline.options import Given
from tests.commands import x3d

SPEC = Spec(frames=2, stride=4, size=24, width=0.34, depth=0.2)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A .keras file as far as it is looked at before TensorFlow is there: a network of 3 classes."""
    path = tmp_path_factory.mktemp("weights") / "w.keras"
    config = {"class_name": "X3D", "config": {"spec": SPEC.as_dict(), "classes": 3, "class_names": ["a", "b", "c"]}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return str(path)


@pytest.fixture
def videos(tmp_path):
    for name in ("fall/a.mp4", "fall/b.mp4", "walk/c.mp4", "walk/d.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(name.encode())
    return str(tmp_path / "videos")


def test_a_search_starts_with_the_files_network_unless_a_start_is_given(file):
    config = Given(values={"search.weights": file, "search.new_head": True}).load(need_videos=False)
    assert config.search.start == SPEC and config.search.warm_start and config.search_job().search.start == SPEC
    larger = SPEC.replace(depth=1.0)
    values = {"search.weights": file, "search.start": larger.as_dict()}
    assert Given(values=values).load(need_videos=False).search.start == larger
    unreachable = Given(values=values | {"search.start": SPEC.replace(width=0.1).as_dict()}).load(need_videos=False)
    for command in (lambda: make_plan(unreachable, "runs"), lambda: run_search(unreachable, "runs")):
        with pytest.raises(InputError, match="cannot be reached from .*: width 0.1 is less than the file's 0.34"):
            command()


def test_a_plan_begins_with_the_files_network(file, videos, tmp_path):
    given = {"search.weights": file, "ingest.videos": videos, "name": "p"}
    plan = make_plan(Given(values=given | {"search.new_head": True}).load(), str(tmp_path / "runs"))
    assert plan.parent == SPEC and plan.step == 1
    with pytest.raises(InputError, match="3 classes, and the data have 2; --new-head replaces the last layer"):
        make_plan(Given(values=given).load(), str(tmp_path / "runs"))
    shown = x3d("plan", "--weights", file, "--new-head", "--videos", videos, "--runs", str(tmp_path / "runs"))
    assert shown.returncode == 0 and "whose features a linear classifier judges first" in " ".join(shown.stdout.split())


@pytest.mark.parametrize("words, message", [
    (("search", "--weights", "none.pyth"), "none.pyth: no such file"),
    (("search", "--weights", "FILE", "--from-scratch"), "warm_start is false: from weights, candidates begin with their"),
    (("search", "--weights", "FILE", "--freeze", "stage9"), "recipe.freeze is 'stage9': input should be False, 'stem', 'stage"),
    (("search", "--new-head"), "new_head is true: it is for a search from weights, and none are named"),
    (("train", "--weights", "FILE", "--backbone-rate", "0"), "recipe.stage_rates.backbone is 0"),
    (("train", "--weights", "FILE", "--spec", "frames=2,width=0.1"), "width 0.1 is less than the file's 0.34; a network"),
    (("train", "--spec", "XS", "--new-head"), "train.new_head is true: it is for a training that starts from weights"),
])
def test_what_does_not_fit_is_one_line(file, videos, tmp_path, words, message):
    words = [file if word == "FILE" else word for word in words]
    done = x3d(*words, "--videos", videos, "--runs", str(tmp_path / "runs"))
    line = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2 and message in line and "Traceback" not in done.stderr


def test_a_training_is_of_the_files_network_or_of_one_that_grows_from_it(file, tmp_path):
    values = {"train.weights": file, "train.records": "r", "train.new_head": True, "final.freeze": "stage3"}
    config = settings(Given(values=values), None, str(tmp_path))
    assert config.train.spec == SPEC and config.recipe.freeze == "stage3"
    config = settings(Given(values=values | {"train.spec": "XS"}), None, str(tmp_path))
    assert config.train.spec == NAMED["XS"] and open_source(file).grows_to(NAMED["XS"]) == "weights"


def test_the_classes_are_compared_before_anything_is_ingested(file, videos):
    from components.ingestion.ingest import make_plan as plan_of_videos

    config = Given(values={"search.weights": file, "ingest.videos": videos}).load()
    with pytest.raises(InputError, match="3 classes, and the data have 2"):
        _check_head(config, plan_of_videos(config.ingest))
