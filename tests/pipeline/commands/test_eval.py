"""`x3d eval` and `x3d export`: what they print and write, and errors of use in one line."""

import csv
import json
import os

import numpy as np
import pytest

from expansion.complexity import complexity
from expansion.evaluation.evaluate import Evaluation
from expansion.foundation.errors import InputError
from expansion.foundation.files import KERAS_MODEL
from expansion.network.preprocessing import Preprocessing
from expansion.network.saving import load_keras
from expansion.spec import NAMED, Spec
from expansion.tasks.single_label import Baseline
from expansion.video.settings import VideoSettings
from pipeline.commands import eval_tables
from pipeline.commands.eval import evaluate
from pipeline.commands.export import export
from pipeline.runs.models import find_model
from tests.expansion.networks import opinionated

SPEC = Spec(frames=2, stride=3, size=24, width=0.34, depth=0.2, bottleneck=1.5)


@pytest.fixture(scope="module")
def keras_file(demo_records, tmp_path_factory):
    model = opinionated(SPEC, demo_records.classes)
    path = str(tmp_path_factory.mktemp("models") / "m.keras")
    model.save(path)
    return path


def shown(capsys):
    return json.loads(capsys.readouterr().out)


def run(keras_file, data, tmp_path, names=None, **options):
    options = {"views": 2, "crops": 1, "timing": False, "output": str(tmp_path / "out")} | options
    evaluate(names or [keras_file], data.path, "val", **options)
    return str(tmp_path / "out")


@pytest.mark.slow
def test_all_that_is_written_agrees(keras_file, demo_records, tmp_path, capsys):
    out = run(keras_file, demo_records, tmp_path, as_json=True, timing=True)
    (row,) = shown(capsys)
    assert row == json.loads(open(os.path.join(out, "results.json"), encoding="utf-8").read())[0]
    with open(os.path.join(out, "m.keras", "predictions.jsonl"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert len(lines) == row["videos"] == 24
    assert sum(line["correct"] for line in lines) / 24 == row["top1"] == np.trace(row["confusion"]) / 24
    assert sum(line["label"] in [name for name, _ in line["top"]] for line in lines) / 24 == row["top5"]
    assert row["top1_interval"][0] <= row["top1"] <= row["top1_interval"][1]
    with open(os.path.join(out, "m.keras", "confusion.csv"), encoding="utf-8", newline="") as file:
        head, *counts = csv.reader(file)
    assert head[1:] == list(demo_records.classes)
    assert [[int(count) for count in line[1:]] for line in counts] == row["confusion"]
    assert [entry["right"] for entry in row["per_class"]] == np.diag(row["confusion"]).tolist()
    with open(os.path.join(out, "m.keras", "confusion.png"), "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    assert (row["macs_view"], row["params"]) == (complexity(SPEC, 8).macs, complexity(SPEC, 8).params)
    assert row["macs_video"] == 2 * row["macs_view"]
    assert row["largest_class"] == {"class": demo_records.classes[0], "share": 0.125}
    assert row["balanced_accuracy"] == pytest.approx(row["top1"])  # as many videos of each class
    named = {line["prediction"] for line in lines}
    assert row["never_named"] == [name for name in demo_records.classes if name not in named] and row["picture"] == ""
    assert row["latency_ms"] > 0 and row["clips_per_second"] > 0 and row["device"]


@pytest.mark.slow
def test_three_crops_count_at_the_larger_input(keras_file, demo_records, tmp_path, capsys):
    out = run(keras_file, demo_records, tmp_path, crops=3)
    text = capsys.readouterr().out
    macs = complexity(SPEC, 8, 27).macs
    assert macs > complexity(SPEC, 8).macs
    with open(os.path.join(out, "results.md"), encoding="utf-8") as file:
        table = file.read()
    assert "| 27 |" in table and f"{macs / 1e9:.3g} x 6" in table and "24 videos of split 'val'" in table
    for name in demo_records.classes:
        assert name in text
    assert "largest class" in table and "12.5 %" in table and "mean over classes" in table and "12.5 %" in text


def evaluated(confusion, classes, **row) -> dict:
    """A row as `evaluate` makes it, of a confusion matrix."""
    found, total = Baseline.of(confusion), int(np.sum(confusion))
    labels, predictions = (np.repeat(axis.ravel(), np.ravel(confusion)) for axis in np.indices(np.shape(confusion)))
    evaluation = Evaluation(np.eye(len(classes))[predictions], labels, tuple(map(str, range(total))))
    return {
        "model": "m", "path": "m.keras", "form": "keras", "spec": SPEC.as_dict(), "split": "val", "records": "rec",
        "videos": total, "classes": classes, "size": 24, "views": 1, "crops": 1, "top1": found.accuracy,
        "top1_interval": (0.1, 0.9), "top5": 1.0, "top5_interval": (0.1, 0.9), "macs_view": 10**9,
        "params": 10**6, "peak_memory": 1,
        "largest_class": {"class": classes[found.largest], "share": found.share}, "balanced_accuracy": found.balanced,
        "never_named": [classes[number] for number in found.never],
        "per_class": eval_tables.per_class(evaluation, classes), "confusion": np.array(confusion).tolist()} | row, evaluation


def test_a_network_that_always_says_the_largest_class_is_named(tmp_path, capsys):
    row, evaluation = evaluated([[3, 0], [1, 0]], ["normal", "fall"])
    eval_tables.write_model(str(tmp_path), "m", row, evaluation)
    eval_tables.write_table(str(tmp_path), [row])
    eval_tables.show([row], str(tmp_path))
    for text in (capsys.readouterr().out, (tmp_path / "results.md").read_text()):
        assert "m: no better than always saying 'normal' (75.0 %, 75.0 %)" in text and "m: never named: fall" in text
        assert "50.0 %" in text  # the mean over the classes
    better, evaluation = evaluated([[3, 0], [0, 1]], ["normal", "fall"])
    eval_tables.show([better], str(tmp_path))
    assert "no better" not in capsys.readouterr().out


NAMES = ["cash $$", "sit [/] stand", "跑步", "مشي", "a|b*c_", "<b>x</b>"]


def test_names_are_data_in_all_that_is_written(tmp_path, capsys):
    row, evaluation = evaluated(np.eye(6, dtype=int) + np.eye(6, k=1, dtype=int), NAMES)
    eval_tables.write_model(str(tmp_path), "m", row, evaluation)
    eval_tables.write_table(str(tmp_path), [row])
    eval_tables.show([row], str(tmp_path))
    text = capsys.readouterr().out
    assert all(name in text for name in NAMES)
    with open(tmp_path / "m" / "confusion.csv", encoding="utf-8", newline="") as file:
        assert next(csv.reader(file))[1:] == NAMES
    assert (tmp_path / "m" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    if row["picture"]:  # a machine without Chinese letters
        assert "2 跑步" in text and "2 跑步" in (tmp_path / "results.md").read_text()


def test_a_picture_that_cannot_be_drawn_costs_nothing_else(tmp_path, capsys, monkeypatch):
    from expansion.display import path_figure

    def broken(*args):
        raise ValueError("no such font")

    monkeypatch.setattr(path_figure, "confusion_figure", broken)
    row, evaluation = evaluated([[3, 0], [0, 1]], ["a", "b"])
    eval_tables.write_model(str(tmp_path), "m", row, evaluation)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["classes.csv", "confusion.csv", "predictions.jsonl"]
    eval_tables.show([row], str(tmp_path))
    assert "confusion.png: cannot be drawn; the log says why" in capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
def test_an_evaluation_fits_the_screen(tmp_path, capsys, monkeypatch, width):
    monkeypatch.setattr("expansion.display.console.PLAIN_WIDTH", width)
    classes = [f"a long name of a class, number {number}" for number in range(3)]
    row, _ = evaluated(np.eye(3, dtype=int) * 1000, classes, model="a_model_with_a_long_name_of_its_own.keras", latency_ms=12.3,
                       clips_per_second=81.4, device="GPU", picture="")
    eval_tables.show([row], str(tmp_path))
    table = capsys.readouterr().out.partition("device:")[0]
    assert "…" not in table and max(map(len, table.splitlines())) <= width
    assert all(figure in table for figure in ("100.0 %", "10.0 to 90.0", "1 G x 1", "1.00 M", "12.3 ms", "81.4"))


@pytest.mark.slow
def test_a_model_that_cannot_be_used_costs_no_other_its_figures(keras_file, demo_records, tmp_path, capsys):
    (tmp_path / "bad.keras").write_bytes(b"nothing")
    with pytest.raises(InputError, match="1 of 2 models: .*bad.keras: not a network that Keras can read"):
        run(keras_file, demo_records, tmp_path, names=[str(tmp_path / "bad.keras"), keras_file], as_json=True)
    (row,) = shown(capsys)
    assert row == json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))[0]


@pytest.mark.slow
def test_records_of_another_rate_are_said(keras_file, demo_records, tmp_path, capfd):
    known = Preprocessing(video=VideoSettings(fps=4.0, short_side=32))
    model = load_keras(keras_file)
    model.preprocessing = known
    model.save(tmp_path / "other.keras")
    run(str(tmp_path / "other.keras"), demo_records, tmp_path, names=[str(tmp_path / "other.keras")], as_json=True)
    out, said = capfd.readouterr()
    note = f"trained on 4 frames a second; {demo_records.path} holds each video's own frame rate, which may cost accuracy"
    assert json.loads(out)[0]["note"] == note and f"other.keras: {note}" in said


@pytest.mark.slow
def test_one_row_per_model(keras_file, demo_records, tmp_path, capsys):
    run(keras_file, demo_records, tmp_path, names=[keras_file, keras_file], as_json=True)
    first, second = shown(capsys)
    assert (first.pop("model"), second.pop("model")) == ("m.keras", "m.keras-2")
    first.pop("peak_memory"), second.pop("peak_memory")
    assert first == second


@pytest.mark.parametrize("name, size, macs", [
    ("XS", 160, 605_256_512), ("M", 224, 4_732_468_736), ("L", 312, 18_367_710_176)])
def test_macs_at_the_training_crop_are_the_papers(name, size, macs):
    assert complexity(NAMED[name], 400, size).macs == complexity(NAMED[name]).macs == macs


def test_macs_at_the_test_crop_count_every_place():
    small, large = complexity(NAMED["S"]), complexity(NAMED["S"], 400, 182)
    assert (large.params, large.bn_params) == (small.params, small.bn_params)
    # Maps of 91, 46, 23, 12 and 6 pixels in place of 80, 40, 20, 10 and 5; four places in the head.
    assert large.macs - complexity(NAMED["S"], 399, 182).macs == 4 * 2048
    assert (91 / 80) ** 2 < large.macs / small.macs < (6 / 5) ** 2


@pytest.mark.parametrize("options, complaint", [
    ({"crops": 2}, "eval: crops is 2: input should be 1 or 3"),
    ({"views": 0}, "eval: views is 0"),
    ({"scale": 0.5}, "eval: eval_scale is 0.5"),
    ({"size": 8}, "size is 8; at least 16"),
    ({"batch": 0}, "batch is 0; at least 1"),
    ({"names": ["nowhere.keras"]}, "nowhere.keras: no such file"),
    ({"names": ["nowhere"]}, "no run 'nowhere'"),
])
def test_errors_of_use(keras_file, demo_records, tmp_path, options, complaint):
    with pytest.raises(InputError) as error:
        run(keras_file, demo_records, tmp_path, **options)
    assert complaint in str(error.value) and "\n" not in str(error.value)


def test_a_split_that_is_not_there(keras_file, demo_records):
    with pytest.raises(InputError, match="split 'tset' has no records; there are train, val, test"):
        evaluate([keras_file], demo_records.path, "tset", views=1, crops=1)
    with pytest.raises(InputError, match="name some with --records"):
        evaluate([keras_file], None, "test", views=1, crops=1)


def test_names_are_told_apart():
    assert eval_tables.distinct(["a", "b", "a", "a"]) == ["a", "b", "a-2", "a-3"]


def test_a_run_is_found_by_its_name(keras_file, tmp_path):
    trained = tmp_path / "runs" / "mine" / "pipeline" / "Trainer" / "model" / "7"
    trained.mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "search").mkdir()
    with pytest.raises(InputError, match="no trained network there yet"):
        find_model("mine", str(tmp_path / "runs"))
    (trained / KERAS_MODEL).write_bytes(b"")
    (tmp_path / "runs" / "mine" / "config.yaml").write_text("clips: {eval_scale: 1.1}")
    found = find_model("mine", str(tmp_path / "runs"))
    assert (found.path, found.name, found.preprocessing.clips.eval_scale) == (str(trained / KERAS_MODEL), "mine", 1.1)


def test_a_training_is_found_with_its_records(demo_records, tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / KERAS_MODEL).write_bytes(b"")
    assert find_model("t", str(tmp_path)).records is None
    (tmp_path / "t" / "config.yaml").write_text("train: {records: elsewhere, spec: XS}")
    assert find_model(str(tmp_path / "t")).records == "elsewhere"
    (tmp_path / "t" / "config.yaml").write_text("clips: {views: 3}")
    (tmp_path / "t" / "records").mkdir()
    manifest = demo_records.manifest.model_copy(update={"settings": demo_records.manifest.settings | {"fps": 7.5}})
    manifest.write(str(tmp_path / "t" / "records"))
    found = find_model("t", str(tmp_path))
    assert found.records == str(tmp_path / "t" / "records")
    video = found.preprocessing.video
    assert (video.fps, video.short_side) == (7.5, manifest.settings["short_side"])  # not those of the configuration


@pytest.mark.slow
def test_tflite_is_exported_checked_and_evaluates_alike(keras_file, demo_records, tmp_path, capsys):
    path = str(tmp_path / "m.tflite")
    export(keras_file, "tflite", output=path, records=demo_records.path, crops=3, as_json=True)
    found = shown(capsys)
    assert found["difference"] < 1e-4 and found["same_top1"] == 1 and found["checked_clips"] == 24
    assert found["size"] == 27 and found["bytes"] == os.path.getsize(path)
    run(keras_file, demo_records, tmp_path, names=[keras_file, path], crops=3, as_json=True)
    keras, lite = shown(capsys)
    assert (keras["form"], lite["form"]) == ("keras", "tflite")
    assert keras["confusion"] == lite["confusion"] and lite["loss"] == pytest.approx(keras["loss"], abs=1e-4)


@pytest.mark.parametrize("form, options, complaint", [
    ("onnx", {}, "--format 'onnx' is not known; allowed are keras, saved_model, tflite"),
    ("keras", {"int8": True}, "--int8 is for --format tflite"),
    ("tflite", {"int8": True}, "--int8 needs clips of training videos"),
    ("tflite", {"output": "m.bin"}, "a name that ends with .tflite is needed"),
    ("tflite", {"crops": 2}, "export: crops is 2"),
])
def test_errors_of_use_of_export(keras_file, form, options, complaint):
    with pytest.raises(InputError) as error:
        export(keras_file, form, **options)
    assert complaint in str(error.value) and "\n" not in str(error.value)


def test_the_model_itself_is_not_overwritten(keras_file):
    with pytest.raises(InputError, match="the model itself"):
        export(keras_file, "keras", output=keras_file)
