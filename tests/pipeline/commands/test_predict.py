"""`x3d predict`: a table or JSON, and errors of use in one line."""

import csv
import json
import shutil

import numpy as np
import pytest

from expansion import InputError, Prediction, build
from expansion.network.preprocessing import Preprocessing
from expansion.video.settings import VideoSettings
from pipeline.commands.predict import _on_rates, predict
from tests.expansion.network.test_model import awake

SPEC = "frames=2,stride=3,size=24,width=0.34,depth=0.4,bottleneck=1.5"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("model") / "m.keras")
    awake(build(SPEC, class_names=("a", "b", "c"))).save(path)
    return path


@pytest.mark.slow
def test_json_and_table_agree(stored, demo_labels, capsys):
    videos = [str(path) for path in sorted(demo_labels.parent.glob("left/*.mp4"))[:2]]
    predict(stored, videos, top=2, views=2, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [entry["video"] for entry in found] == videos and all(len(entry["top"]) == 2 for entry in found)
    assert found[0]["top"][0][0] == found[0]["label"] and found[0]["views"] == 2
    predict(stored, videos, top=2, views=2)
    printed = capsys.readouterr().out
    for entry in found:
        for label, share in entry["top"]:
            assert f"{label} " in printed and f"{100 * share:.1f} %" in printed


@pytest.fixture
def mixed(demo_labels, tmp_path):
    """A folder with two videos, a file that is none but is named so, and a list."""
    folder = tmp_path / "walk [1], 跑步"
    folder.mkdir()
    for number, path in enumerate(sorted(demo_labels.parent.glob("left/*.mp4"))[:2]):
        shutil.copy(path, folder / f"{number}.mp4")
    (folder / "a bad, one.mp4").write_bytes(b"no video")
    (folder / "list.txt").write_text("0.mp4 left")
    return folder


def test_what_can_be_answered_is_and_the_rest_is_named(stored, mixed, tmp_path, capsys):
    output = tmp_path / "new" / "answers.csv"
    with pytest.raises(InputError) as error:
        predict(stored, [str(mixed), str(tmp_path / "none.mp4")], top=2, views=1, output=str(output), as_json=True)
    assert str(error.value).startswith("2 of 4 videos have no answer: ") and "\n" not in str(error.value)
    assert "a bad, one.mp4: unreadable: not a video" in str(error.value) and "none.mp4: missing" in str(error.value)
    out, said = capsys.readouterr()
    assert "not videos, so left out: " in said and "list.txt" in said and f"written: {output}" in said
    printed = json.loads(out)
    assert [row["video"] for row in printed] == [
        str(mixed / "0.mp4"), str(mixed / "1.mp4"), str(mixed / "a bad, one.mp4"), str(tmp_path / "none.mp4")]
    assert [row["error"] is None for row in printed] == [True, True, False, False] and printed[2]["label"] is None
    with open(output, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["video", "error", "views", "fps", "label_1", "probability_1", "label_2", "probability_2"]
    assert [(row["video"], row["label_1"]) for row in rows] == [(row["video"], row["label"] or "") for row in printed]
    assert float(rows[0]["probability_2"]) == pytest.approx(printed[0]["top"][1][1], abs=1e-5)


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_answers_as_json(stored, mixed, tmp_path, capsys, ending):
    output = tmp_path / f"answers.{ending}"
    with pytest.raises(InputError, match="1 of 3 videos have no answer"):
        predict(stored, [str(mixed)], views=1, output=str(output), as_json=True)
    text = output.read_text(encoding="utf-8")
    rows = json.loads(text) if ending == "json" else [json.loads(line) for line in text.splitlines()]
    assert rows == json.loads(capsys.readouterr().out) and "跑步" in text


def test_answers_are_kept_when_it_is_stopped(stored, mixed, tmp_path, capsys, monkeypatch):
    def stopped(*args, **kwargs):
        yield next(real(*args, **kwargs))
        raise KeyboardInterrupt

    from expansion.evaluation import predict as module

    real = module.predictions
    monkeypatch.setattr(module, "predictions", stopped)
    with pytest.raises(KeyboardInterrupt):
        predict(stored, [str(mixed)], views=1, output=str(tmp_path / "a.json"))
    assert "0.mp4, 1 views" in " ".join(capsys.readouterr().out.split())
    assert len(json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))) == 1


@pytest.mark.slow
def test_a_network_that_does_not_know_its_frame_rate_is_called_so(stored, demo_labels, capsys):
    video = str(next(demo_labels.parent.glob("left/*.mp4")))
    predict(stored, [video], views=1)
    assert "m.keras does not say at which frame rate it was trained" in capsys.readouterr().err
    predict(stored, [video], views=1, fps=3)
    assert "does not say" not in capsys.readouterr().err


def test_a_video_of_another_rate_than_the_training_is_said():
    def looked(fps):
        return Prediction(f"at{fps}.mp4", ("a", "b"), np.array([0.4, 0.6]), 3, fps)

    own, five = (Preprocessing(video=VideoSettings(fps=fps), fps=30.0) for fps in (None, 5.0))
    found = [looked(29.97), looked(60.0), looked(15.0)]
    assert _on_rates("m", own, found) == (
        "m was trained on videos of about 30 frames a second; at60.0.mp4 has 60, at15.0.mp4 has 15: --fps 30 looks at them as "
        "the training did")
    assert _on_rates("m", own, found[:1]) is None and _on_rates("m", five, found) is None


def test_many_videos_share_a_table(stored, demo_labels, tmp_path, capsys):
    videos = [str(path) for path in sorted(demo_labels.parent.glob("left/*.mp4"))[:4]]
    predict(stored, videos, views=1)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["4", "videos"] and [line[-1] for line in lines[-4:]] == ["1"] * 4


def test_without_an_answer_a_file_keeps_what_it_holds(tmp_path, demo_labels):
    (tmp_path / "m.keras").write_bytes(b"no network")
    (tmp_path / "a.csv").write_text("earlier answers")
    with pytest.raises(InputError, match="m.keras: not a network"):
        predict(str(tmp_path / "m.keras"), [str(next(demo_labels.parent.glob("left/*.mp4")))], output=str(tmp_path / "a.csv"))
    assert (tmp_path / "a.csv").read_text() == "earlier answers"


def test_errors_of_use(stored, tmp_path):
    with pytest.raises(InputError, match="--output a.txt: a name that ends with .csv, .json or .jsonl is needed"):
        predict(stored, ["a.mp4"], output="a.txt")
    with pytest.raises(InputError, match="none.mp4: no such file"):
        predict(stored, [str(tmp_path / "none.mp4")])
    with pytest.raises(InputError, match="--top is 0; at least 1"):
        predict(stored, ["a.mp4"], top=0)
    with pytest.raises(InputError, match="m2.keras: no such file"):
        predict("m2.keras", ["a.mp4"])
