"""x3d convert as a person meets it: what was read is printed, errors are one line, options fit the files."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest

from expansion.foundation.errors import InputError
from expansion.network.saving import load_model
from expansion.spec import NAMED, Spec
from expansion.weights.naming import DIALECTS, entries
from expansion.weights.torch_file import write_torch_file
from pipeline.commands.convert import convert, read_class_names

SMALL = Spec(frames=2, stride=2, size=32, width=0.5)
TEXT = "frames=2,stride=2,size=32,width=0.5"


def write_checkpoint(path, spec=SMALL, classes=3, dialect="pytorchvideo", value=0.5) -> str:
    write_torch_file(str(path), {entry.name: np.full(entry.shape, value, "f4")
                                 for entry in entries(spec, classes, DIALECTS[dialect])})
    return str(path)


@pytest.mark.slow
def test_there_and_back(tmp_path, capsys):
    source = write_checkpoint(tmp_path / "in.pyth")
    keras, back = str(tmp_path / "m.keras"), str(tmp_path / "deep" / "out.pyth")
    (tmp_path / "names.txt").write_text("fall\nsit\nwalk\n")
    convert(source, keras, TEXT, class_names=str(tmp_path / "names.txt"))
    printed = capsys.readouterr().out
    for part in (f"read     {source} (pytorchvideo)", f"network  {SMALL}", "classes  3, fall to walk",
                 "as pytorchvideo, ", f"written  {keras} (keras)"):
        assert part in printed
    model = load_model(keras)
    assert (model.spec, model.class_names) == (SMALL, ("fall", "sit", "walk"))

    convert(keras, back, to="pytorchvideo")
    assert f"written  {back} (pytorchvideo)" in capsys.readouterr().out
    convert(back, str(tmp_path / "again.keras"))  # the clip is in the file
    again = load_model(str(tmp_path / "again.keras"))
    for weight, other in zip(model.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(weight, other)

    convert(source, str(tmp_path / "slow.pth"), TEXT, new_classes=4)
    printed = capsys.readouterr().out
    assert "classes  4, without names, the classifier is new and untrained" in printed and "(pyslowfast)" in printed


@pytest.mark.slow
def test_the_papers_parameters_are_printed(tmp_path, capsys):
    convert(write_checkpoint(tmp_path / "m.pyth", NAMED["M"], 400), str(tmp_path / "m.keras"), "M")
    printed = capsys.readouterr().out
    assert "network  M: 16x5 224px" in printed
    assert "params   3,794,274 as pytorchvideo, 3,794,322 as keras" in printed


@pytest.mark.parametrize("source, target, options, complaint", [
    ("a.keras", "b.keras", {}, "one of IN and OUT has to be a checkpoint"),
    ("a.pyth", "b.keras", {"to": "pyslowfast"}, "--to pyslowfast is for a checkpoint"),
    ("a.pyth", "b.pyth", {"to": "caffe2"}, "--to is 'caffe2'; allowed are pyslowfast, pytorchvideo"),
    ("a.keras", "b.pyth", {"spec": "M"}, "--spec is for reading a checkpoint"),
    ("a.keras", "b.pyth", {"new_classes": 3}, "--new-classes is for reading a checkpoint"),
    ("a.pyth", "b.keras", {"new_classes": 1}, "--new-classes is 1; at least 2"),
    ("nowhere.pyth", "b.keras", {}, "nowhere.pyth: no such file"),
    ("nowhere.keras", "b.pyth", {}, "nowhere.keras: no such file"),
    ("in.pyth", "b.keras", {"spec": "Q"}, "'Q' is not known"),
    ("in.pyth", "b.keras", {}, "its shapes do not tell the frames"),
    ("in.pyth", "b.keras", {"spec": TEXT, "class_names": "two.txt"}, "two.txt: 2 class names; the network has 3"),
    ("broken.keras", "b.pyth", {}, "broken.keras: not a network that Keras can read"),
])
def test_errors_of_use(tmp_path, monkeypatch, source, target, options, complaint):
    monkeypatch.chdir(tmp_path)
    write_checkpoint(tmp_path / "in.pyth")
    (tmp_path / "two.txt").write_text("a\nb\n")
    (tmp_path / "broken.keras").write_bytes(b"PK nothing")
    with pytest.raises(InputError) as error:
        convert(source, target, **options)
    assert complaint in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / target).exists()


def test_a_keras_model_of_another_kind_is_refused(tmp_path):
    import keras

    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    with pytest.raises(InputError, match="other.keras: a Sequential, not an X3D network"):
        convert(str(tmp_path / "other.keras"), str(tmp_path / "x.pyth"))


def test_a_malicious_checkpoint_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/mark",)

    with zipfile.ZipFile(tmp_path / "evil.pyth", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"model_state": {}, "optimizer_state": Evil()}, 2))
    with pytest.raises(InputError, match="evil.pyth: not read: it asks for '(posix|nt).system'"):
        convert(str(tmp_path / "evil.pyth"), str(tmp_path / "x.keras"))
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name, content, expected", [
    ("a.txt", "fall\nsit down\n\n", ("fall", "sit down")),
    ("a.json", json.dumps(["fall", "sit down"]), ("fall", "sit down")),
    ("a.json", json.dumps({'"sit down"': 1, "fall": 0}), ("fall", "sit down")),
])
def test_class_names(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content)
    assert read_class_names(str(tmp_path / name), 2) == expected


@pytest.mark.parametrize("content", ["{", "3", "[1, 2]", '{"a": 0, "b": 2}', '{"a": 0, "b": "1"}', '{"a": [], "b": 1}', "[]"])
def test_class_names_that_are_none(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match="a.json: "):
        read_class_names(str(tmp_path / "a.json"), 2)
