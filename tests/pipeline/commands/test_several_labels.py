"""Several labels on the command line: eval writes tables and official files, predict draws timelines, errors are one line."""

import json
import shutil

import numpy as np
import pytest

from components.mean_average_precision import _Combiner
from expansion.data.videos import labelled_videos
from expansion.network.model import build_model
from expansion.network.saving import save_model
from expansion.spec import Spec
from expansion.tasks.multi_label import MULTI_LABEL
from pipeline.commands.submission import classification_lines, localization_lines, read_submission
from tests.commands import x3d
from tests.expansion.networks import awake

SPEC = Spec(frames=2, stride=3, size=24, width=0.34, depth=0.2, bottleneck=1.5)


@pytest.fixture(scope="module")
def networks(segment_records, tmp_path_factory) -> dict[str, str]:
    """A .keras file of each task."""
    folder, paths = tmp_path_factory.mktemp("networks"), {}
    for task in ("multi-label", "localization"):
        paths[task] = str(folder / f"{task}.keras")
        save_model(awake(build_model(SPEC, 8, task=task, class_names=segment_records.classes)), paths[task])
    return paths


def test_a_submission_is_read_back():
    rng = np.random.default_rng(0)
    scores = rng.random((3, 25, 4)).astype(np.float32)
    lines = list(localization_lines(["b", "a", "c"], scores))
    assert lines[0].split()[:2] == ["b", "1"] and lines[25].split()[:2] == ["a", "1"] and len(lines) == 75
    ids, found = read_submission(lines, 25)
    assert ids == ["b", "a", "c"] and (found.astype(np.float32) == scores).all()
    counted = [line.replace(f" {int(line.split()[1])} ", f" {int(line.split()[1]) - 1} ", 1) for line in lines]
    assert (read_submission(counted, 25)[1] == found).all()  # the script adds 1 where it finds a 0
    ids, found = read_submission(list(classification_lines(["x", "y"], scores[0, :2])))
    assert ids == ["x", "y"] and (found.astype(np.float32) == scores[0, :2]).all()
    assert read_submission(lines[1:], 25)[1][0, 0].tolist() == [-np.inf] * 4  # what is missing is ranked last


def test_eval_writes_tables_and_official_files(networks, segment_records, tmp_path):
    done = x3d("eval", *networks.values(), "--records", segment_records.path, "--split", "val", "--views", "2", "--no-timing",
               "--output", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    classify, localize = json.loads(done.stdout)
    assert (classify["task"], localize["task"]) == ("multi-label", "localization")
    assert {"map", "map_sklearn", "wap", "loss"} == set(classify["metrics"]) == set(localize["metrics"])
    assert classify["interval"][0] <= classify["metrics"]["map"] <= classify["interval"][1]
    videos = labelled_videos(segment_records, "val")
    ids, scores = read_submission((tmp_path / "out" / "multi-label.keras" / "classify.txt").read_text().splitlines())
    labels = np.array([np.isin(np.arange(8), video.segments.numbers) for video in videos])
    assert ids == [video.video_id for video in videos]
    assert MULTI_LABEL.metrics(scores, labels)["map"] == pytest.approx(classify["metrics"]["map"], abs=1e-6)
    ids, scores = read_submission((tmp_path / "out" / "localization.keras" / "localize.txt").read_text().splitlines(), 25)
    assert scores.shape == (5, 25, 8)
    for folder, names in (("multi-label.keras", ("classes.csv", "classes.png", "predictions.jsonl")),
                          ("localization.keras", ("classes.csv", "timelines.png"))):
        assert all((tmp_path / "out" / folder / name).stat().st_size for name in names)
    table = (tmp_path / "out" / "results.md").read_text()
    assert "| mAP | mAP (sklearn) | wAP | loss |" in table and "5 videos of split 'val'" in table


def test_a_classifier_slides_over_the_points(networks, segment_records, tmp_path):
    done = x3d("eval", networks["multi-label"], "--records", segment_records.path, "--split", "val", "--points", "--no-timing",
               "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "mAP" in done.stdout and (tmp_path / "multi-label.keras" / "localize.txt").exists()


def test_predict_prints_and_draws_what_holds_when(networks, segment_labels, tmp_path):
    video = str(segment_labels.parent / "val_0000.mp4")
    done = x3d("predict", networks["localization"], video, "--timeline", str(tmp_path), "--every", "0.25", "--threshold", "0.3",
               "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert len(found["times"]) == 8 and np.shape(found["probabilities"]) == (8, 8)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".json", ".csv", ".vtt"}
    done = x3d("predict", networks["multi-label"], video, "--json")
    assert done.returncode == 0 and len(json.loads(done.stdout)[0]["top"]) == 5


def test_a_video_without_a_timeline_costs_the_others_nothing(networks, segment_labels, tmp_path, monkeypatch):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a_broken.mp4").write_bytes(b"no video at all")
    shutil.copy(segment_labels.parent / "val_0000.mp4", folder / "b.mp4")
    (folder / "notes.txt").write_text("notes")
    monkeypatch.setattr("pipeline.commands.timeline_files._png", lambda found: 1 / 0)
    done = x3d("predict", networks["localization"], str(folder), "--timeline", str(tmp_path / "out"))
    assert done.returncode == 2 and "1 of 2 videos have no timeline: " in done.stderr and "a_broken.mp4: " in done.stderr
    assert "notes.txt" in done.stderr and "b.mp4" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b.json", "b.csv", "b.vtt"}


@pytest.mark.parametrize("words, message", [
    (("predict", "NET", "VIDEO", "--timeline", "t", "--views", "3"), "--views goes without --timeline"),
    (("predict", "NET", "VIDEO", "--timeline", "t", "--every", "0"), "--every is 0; seconds above 0 are needed"),
    (("predict", "NET", "VIDEO", "--timeline", "t", "--threshold", "2"), "--threshold is 2; a probability from 0 to 1"),
    (("predict", "NET", "none.mp4", "--timeline", "t"), "none.mp4: no such file"),
    (("predict", "NET", "VIDEO", "VIDEO", "--timeline", "t"), "two videos are named 'val_0000'"),
])
def test_one_line_for_errors_of_use(networks, segment_labels, tmp_path, words, message):
    places = {"NET": networks["localization"], "VIDEO": str(segment_labels.parent / "val_0000.mp4")}
    done = x3d(*(places.get(word, word) for word in words), cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_a_network_for_another_task_is_one_line(networks, demo_records, tmp_path):
    done = x3d("eval", networks["localization"], "--records", demo_records.path, "--split", "val", "--no-timing", "--output",
               str(tmp_path))
    assert done.returncode == 2 and "its labels are for single-label, but the network is for localization" in done.stderr


def test_the_evaluators_metric_is_the_tasks():
    rng = np.random.default_rng(1)
    labels, answers = rng.random((20, 3)) < 0.4, rng.random((20, 3))
    combiner = _Combiner("key", None, "", "")
    rows = [(label.astype(float), answer) for label, answer in zip(labels, answers)]
    merged = combiner.merge_accumulators([rows[:7], [], rows[7:]])
    assert combiner.extract_output(merged) == {"key": MULTI_LABEL.metrics(answers, labels)["map"]}
