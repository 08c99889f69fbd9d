"""x3d remove, and the sizes that x3d runs shows: what is removed is a run, all of it, and nothing else."""

import io
import json
import os
import shutil
from unittest import mock

import pytest
import typer

from expansion.training import checkpoint
from pipeline.runs import size
from pipeline.runs.folder import RunFolder
from pipeline.runs.size import size_of_run
from pipeline.runs.state import is_worked_on
from tests.commands import x3d
from tests.expansion.searches import finished
from tests.pipeline.folders import make_run

KB = 1000


@pytest.fixture
def runs(tmp_path):
    """Runs `one` and `two`, and beside them what is no run's."""
    root = tmp_path / "runs"
    for name in ("one", "two"):
        folder = make_run(root / name, finished())
        for path, kilobytes in {folder.artifacts + "/VideoExampleGen/examples/1/part-0": 400,
                                folder.searches + "/a/trial_0001/model.keras": 300,
                                folder.searches + "/a/trial_0001/checkpoint/state.npz": 200,
                                folder.checkpoint + "/state.npz": 100}.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(bytes(kilobytes * KB))
    (root / "demo-videos").mkdir()
    (root / "demo-videos" / "a.mp4").write_bytes(b"v")
    return root


class Terminal(io.StringIO):
    def isatty(self):
        return True


def everything(folder) -> set[str]:
    return {os.path.relpath(os.path.join(root, name), folder) for root, folders, names in os.walk(folder)
            for name in (*folders, *names)}


def test_the_state_of_a_training_has_the_name_that_is_looked_for():
    assert size.STATE == checkpoint.STATE


def test_sizes_are_told_by_what_they_are_for(runs):
    (runs / "one" / "link").symlink_to(runs / "demo-videos")
    found = size_of_run(RunFolder(str(runs / "one")))
    assert found.checkpoints == 300 * KB and 400 * KB < found.records < 402 * KB and 300 * KB < found.searches < 350 * KB
    (row, _) = json.loads(x3d("runs", "--json", "--runs", str(runs)).stdout)
    assert row["bytes"] in ({"records": found.records, "searches": found.searches, "checkpoints": found.checkpoints,
                             "rest": found.rest}, vars(size_of_run(RunFolder(row["folder"]))))
    shown = x3d("runs", "--runs", str(runs)).stdout
    assert "on the disk" in shown and "all runs" in shown and shown.count("300 kB") == 2 and "600 kB" in shown


def test_a_run_is_removed_and_nothing_else(runs):
    others = everything(runs) - {path for path in everything(runs) if path.split(os.sep)[0] == "one"}
    done = x3d("remove", "one", "--yes", "--runs", str(runs))
    assert done.returncode == 0 and done.stdout.startswith(f"removed {runs}/one\n") and "MB freed" in done.stdout
    assert everything(runs) == others


def test_its_checkpoints_alone(runs):
    before = everything(runs)
    done = x3d("remove", "one", str(runs / "two"), "--checkpoints", "--yes", "--runs", str(runs))
    assert done.returncode == 0 and "600 kB freed" in done.stdout
    places = [f"{run}/{place}" for run in ("one", "two") for place in ("checkpoint", "search/a/trial_0001/checkpoint")]
    assert before - everything(runs) == {*places, *(f"{place}/state.npz" for place in places)}


def test_it_asks_and_takes_no_for_an_answer(runs, monkeypatch):
    before = everything(runs)
    for answer, code in (("n\n", 1), ("\n", 1), ("y\n", 0)):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        with mock.patch("typer.confirm", side_effect=typer.confirm) as asked:
            done = x3d("remove", "one", "--runs", str(runs))
        assert done.returncode == code and "Remove 1.0" in asked.call_args[0][0] and str(runs / "one") in done.stdout
        assert (everything(runs) == before) == bool(code)


@pytest.mark.parametrize("args, complaint", [
    (["one"], "there is no terminal to ask at: --yes removes without asking"),
    (["one", "three", "--yes"], "no run 'three'"),
    (["demo-videos", "--yes"], "no run 'demo-videos'"),
    (["*", "--yes"], "no run '*'"),
    (["o?e", "--yes"], "no run 'o?e'"),
    ([".", "--yes"], "no run '.'"),
    (["linked", "--yes"], "is a link to"),
])
def test_what_it_refuses_it_refuses_before_anything_is_removed(runs, args, complaint):
    (runs / "linked").symlink_to(runs / "two")
    before = everything(runs)
    done = x3d("remove", *args, "--runs", str(runs), cwd=runs)
    assert done.returncode == 2 and complaint in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert everything(runs) == before


def test_a_name_with_a_patterns_letters_is_that_run(runs):
    shutil.copytree(runs / "two", runs / "o?e")
    assert x3d("remove", "o?e", "--yes", "--runs", str(runs)).returncode == 0
    assert (runs / "one").exists() and not (runs / "o?e").exists()


def test_a_run_that_is_worked_on_stays(runs):
    with mock.patch("pipeline.runs.size.is_worked_on", lambda folder: folder.name == "two"):
        done = x3d("remove", "one", "two", "--yes", "--runs", str(runs))
    assert done.returncode == 2 and "run two is being worked on" in done.stderr and (runs / "one").exists()
    assert not is_worked_on(RunFolder(str(runs / "two")))


def test_links_are_removed_and_what_they_point_to_stays(runs, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "state.npz").write_bytes(b"mine")
    (runs / "one" / "videos").symlink_to(outside)
    (runs / "one" / "checkpoint" / "state.npz").unlink()
    (runs / "one" / "checkpoint" / "state.npz").symlink_to(outside / "state.npz")
    for args in (["--checkpoints"], []):
        assert x3d("remove", "one", "--yes", *args, "--runs", str(runs)).returncode == 0
        assert (outside / "state.npz").read_bytes() == b"mine"
    assert not (runs / "one").exists()


def test_stopped_halfway_it_can_be_given_again(runs):
    with mock.patch("shutil.rmtree", side_effect=KeyboardInterrupt):
        assert x3d("remove", "one", "--yes", "--runs", str(runs)).returncode == 130
    assert x3d("remove", "one", "--yes", "--runs", str(runs)).returncode == 0 and not (runs / "one").exists()
