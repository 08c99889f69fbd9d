"""Public checkpoints become Keras networks that compute the same, and back; what does not fit is an error."""

import struct
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from expansion.complexity import complexity
from expansion.foundation.errors import InputError
from expansion.network.model import X3D, build_model
from expansion.network.preprocessing import Preprocessing
from expansion.spec import NAMED, Spec
from expansion.video.settings import VideoSettings
from expansion.weights.checkpoints import WeightsFile, load_weights, open_weights, save_weights, state_dict
from expansion.weights.naming import DIALECTS, entries, find_factors
from expansion.weights.torch_file import Tensor, read_torch_file, write_torch_file
from tests.expansion import networks

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

import parity  # noqa: E402

SMALL = Spec(frames=3, stride=2, size=32, width=0.5, depth=1.4, bottleneck=1.5)
FILES = Path(__file__).parent / "files"
BOTH = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))


def small_state(dialect, **changes) -> dict[str, np.ndarray]:
    return parity.random_state(SMALL, dialect) | changes


@pytest.fixture
def write(tmp_path):
    def write_file(state, **texts) -> str:
        write_torch_file(str(tmp_path / "x.pyth"), state, texts)
        return str(tmp_path / "x.pyth")

    return write_file


@pytest.fixture(scope="module")
def awake() -> X3D:
    """A small network in which every weight matters."""
    return networks.awake(build_model(SMALL, 5, class_names=tuple("abcde")))


def clip(spec=SMALL):
    return np.random.default_rng(1).uniform(0, 255, (2, spec.frames, spec.size, spec.size, 3)).astype("float32")


# PyTorchVideo's: sum(p.numel() for p in create_x3d(...).parameters()), of its release 0.1.5.
@pytest.mark.parametrize("name, pyslowfast, pytorchvideo", [
    ("XS", 3_794_322, 3_794_274), ("S", 3_794_322, 3_794_274), ("M", 3_794_322, 3_794_274), ("L", 6_153_432, 6_153_384),
    ("XL", 11_095_904, 11_095_840),
])
def test_the_dialects_parameters(name, pyslowfast, pytorchvideo):
    """PyTorchVideo's res2 shortcut lacks a batch norm: 48 parameters fewer at 24 channels."""
    for dialect, expected in zip(DIALECTS.values(), (pyslowfast, pytorchvideo)):
        found = sum(np.prod(entry.shape) for entry in entries(NAMED[name], 400, dialect) if entry.trained)
        assert found == expected
    assert pyslowfast == complexity(NAMED[name]).params


@BOTH
@pytest.mark.parametrize("name", NAMED)
def test_the_factors_follow_from_the_shapes(name, dialect):
    shapes = {entry.name: entry.shape for entry in entries(NAMED[name], 10, dialect)}
    factors = find_factors(shapes, dialect)
    assert factors.items() <= NAMED[name].as_dict().items()


def test_odd_factors_follow_as_far_as_the_shapes_go():
    for spec in (Spec(width=1.37, depth=0.4, bottleneck=2.75), Spec(width=0.3, depth=3.7, bottleneck=1.11)):
        shapes = {entry.name: entry.shape for entry in entries(spec, 10, DIALECTS["pyslowfast"])}
        found = spec.replace(**find_factors(shapes, DIALECTS["pyslowfast"]))
        assert found.blocks() == spec.blocks()


def opened(spec, config=None, dialect=DIALECTS["pyslowfast"]) -> WeightsFile:
    tensors = {entry.name: Tensor(entry.shape, "f4", None) for entry in entries(spec, 400, dialect)}
    return WeightsFile("x.pyth", dialect, tensors, config or {})


def test_the_clip_comes_from_the_files_configuration_or_the_only_named_network():
    assert opened(NAMED["L"]).spec() == NAMED["L"]
    assert opened(NAMED["S"], {"DATA": {"NUM_FRAMES": 13, "SAMPLING_RATE": 6, "TRAIN_CROP_SIZE": 160}}).spec() == NAMED["S"]
    for config in ({}, {"DATA": 3}, {"DATA": {"NUM_FRAMES": 13}}, {"DATA": {
            "NUM_FRAMES": "13", "SAMPLING_RATE": 6, "TRAIN_CROP_SIZE": 160}}):
        with pytest.raises(InputError, match="--spec XS or S or M or frames=16,stride=5,size=224,width=1,depth=2.2"):
            opened(NAMED["S"], config).spec()


def test_shapes_of_no_network_are_named():
    checkpoint = opened(NAMED["M"])
    tensors = dict(checkpoint.tensors)
    tensors["s4.pathway0_res0.branch2.c.weight"] = Tensor((100, 216, 1, 1, 1), "f4", None)
    with pytest.raises(InputError, match=r"x.pyth: its stages have \[24, 48, 100, 192\] channels, which no width"):
        replace(checkpoint, tensors=tensors).spec()
    with pytest.raises(InputError, match="x.pyth: no blocks of stage res3"):
        replace(checkpoint, tensors={n: t for n, t in tensors.items() if not n.startswith("s3.pathway0_res0")}).spec()


@pytest.mark.slow
@BOTH
def test_what_is_saved_is_loaded(dialect, awake, tmp_path):
    path = str(tmp_path / "x.pyth")
    save_weights(awake, path, dialect.name)
    again = load_weights(None, path)
    assert (again.spec, again.classes, open_weights(path).dialect) == (SMALL, 5, dialect)
    networks.assert_equal_but_for_rounding(again(clip()), awake(clip()))
    if dialect.bare_shortcuts:  # that batch norm was folded into the convolution before it, so it must be one that counts
        assert np.ptp(np.asarray(awake.get_layer("stage2_block0").shortcut_bn.gamma)) > 0.1
    else:
        for weight, other in zip(awake.get_weights(), again.get_weights()):
            np.testing.assert_array_equal(weight, other)


@pytest.mark.slow
@BOTH
def test_what_is_loaded_is_saved_to_the_bit(dialect, write):
    state = small_state(dialect)
    model = load_weights(SMALL, write(state))
    saved = state_dict(model, dialect)
    assert {name for name in saved if not name.endswith("num_batches_tracked")} == set(state)
    assert sum(name.endswith("num_batches_tracked") for name in saved) == sum(name.endswith("running_var") for name in saved)
    for name, array in state.items():
        np.testing.assert_array_equal(saved[name], array)


def test_the_stem_of_pytorchvideo_is_swapped():
    names = {entry.layer: (entry.name, entry.shape) for entry in entries(NAMED["M"], 400, DIALECTS["pytorchvideo"])}
    assert names["stem_space"] == ("blocks.0.conv.conv_t.weight", (24, 3, 1, 3, 3))
    assert names["stem_time"] == ("blocks.0.conv.conv_xy.weight", (24, 1, 5, 1, 1))


@pytest.mark.slow
def test_a_network_that_is_given_is_filled_at_any_size(write):
    path = write(small_state(DIALECTS["pyslowfast"]))
    model = X3D(SMALL, parity.CLASSES, size=64)
    assert load_weights(model, path) is model
    np.testing.assert_array_equal(model.get_layer("stem_space").kernel,
                                  load_weights(SMALL, path, dropout=0.0).get_layer("stem_space").kernel)


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.model."])
def test_wrapped_state_dictionaries_are_read(prefix, tmp_path):
    state = small_state(DIALECTS["pytorchvideo"])
    path = str(tmp_path / "x.pth")
    write_torch_file(path, {prefix + name: array for name, array in state.items()})
    assert set(open_weights(path).tensors) == set(state)


@pytest.mark.slow
def test_a_new_classifier(write):
    state = small_state(DIALECTS["pyslowfast"])
    path = write(state)
    model = build_model(SMALL, 7)
    before = model.get_layer("logits").kernel.numpy()
    load_weights(model, path, new_classes=7)
    np.testing.assert_array_equal(model.get_layer("logits").kernel, before)
    np.testing.assert_array_equal(model.get_layer("stem_bn").beta, state["s1.pathway0_stem.bn.bias"])
    assert load_weights(SMALL, path, new_classes=3).classes == 3
    with pytest.raises(InputError, match="400 classes, the network has 7; new_classes=7 keeps"):
        load_weights(model, path)
    path = write({name: array for name, array in state.items() if "projection" not in name})
    assert load_weights(SMALL, path, new_classes=3).classes == 3
    with pytest.raises(InputError, match=r"no classifier \(head.projection.weight\)"):
        load_weights(SMALL, path)


@pytest.mark.slow
def test_what_does_not_fit_is_listed_and_nothing_is_changed(write):
    state = small_state(DIALECTS["pyslowfast"], **{"head.lin_5_bn.weight": np.ones(2048, "f4")})
    del state["s1.pathway0_stem.bn.bias"]
    state["s2.pathway0_res0.branch2.b.weight"] = np.zeros((24, 1, 1, 3, 3), "f4")
    path = write(state)
    model = build_model(SMALL, parity.CLASSES)
    before = model.get_weights()
    with pytest.raises(InputError) as error:
        load_weights(model, path)
    inner = SMALL.blocks()[0].inner
    assert str(error.value).splitlines() == [
        f"{path} does not fit {SMALL}: of {len(state)} keys 1 missing, 1 unexpected, 1 of another shape",
        "  missing: s1.pathway0_stem.bn.bias",
        "  unexpected: head.lin_5_bn.weight",
        f"  of another shape: s2.pathway0_res0.branch2.b.weight (24, 1, 1, 3, 3), expected ({inner}, 1, 3, 3, 3)",
    ]
    for weight, now in zip(before, model.get_weights()):
        np.testing.assert_array_equal(weight, now)


def test_a_wrong_spec_is_suspected(write):
    path = write(small_state(DIALECTS["pyslowfast"]))
    with pytest.raises(InputError) as error:
        load_weights(SMALL.replace(depth=3.0), path)
    first, missing, hint = str(error.value).splitlines()
    assert missing.count(", ") == 9 and missing.endswith(" more")
    assert hint == "  the file's own shapes are those of width 0.5, depth 1.4, bottleneck 1.5: is --spec right?"


def test_a_bare_state_dictionary_is_read():
    """As torch.save(model.state_dict()) writes it; this one has only a stem."""
    checkpoint = open_weights(str(FILES / "torch_bare.pth"))
    assert checkpoint.shapes == {"blocks.0.conv.conv_t.weight": (2, 3, 1, 3, 3)}


@pytest.mark.parametrize("content, complaint", [
    ({"conv1.weight": np.zeros(3, "f4")}, "neither PySlowFast's nor PyTorchVideo's X3D; its keys are conv1.weight"),
    ({}, "neither a state dictionary of tensors nor a dictionary with one"),
])
def test_other_networks_are_refused(content, complaint, write):
    with pytest.raises(InputError, match=complaint):
        open_weights(write(content))


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system [exit]", "a: [", "- 1", "[" * 5000, "x" * 2**21])
def test_a_configuration_that_is_none_is_left_alone(text, write):
    assert open_weights(write(small_state(DIALECTS["pyslowfast"]), cfg=text)).config == {}


def test_an_unknown_dialect_is_an_error(awake, tmp_path):
    with pytest.raises(InputError, match="'caffe2' is not known; allowed are pyslowfast, pytorchvideo"):
        save_weights(awake, str(tmp_path / "x.pyth"), "caffe2")


def test_a_saved_checkpoint_holds_the_clip(awake, tmp_path):
    save_weights(awake, str(tmp_path / "x.pyth"))
    content = read_torch_file(str(tmp_path / "x.pyth"))
    assert list(content) == ["model_state", "cfg", "x3d"]
    assert yaml.safe_load(content["cfg"]) == {"DATA": {"NUM_FRAMES": 3, "SAMPLING_RATE": 2, "TRAIN_CROP_SIZE": 32}}


def renamed(path: str, key: str) -> str:
    """A copy of a checkpoint whose state dictionary stands under another key, as a trainer writes it."""
    other = f"{path}.ckpt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                before, after = (struct.pack("<I", len(name)) + name.encode() for name in ("model_state", key))
                assert content.count(before) == 1
                content = content.replace(before, after)
            new.writestr(entry.filename, content)
    return other


@pytest.mark.parametrize("key, prefix", [
    ("state_dict", "model."), ("state_dict", "model.module."), ("model_state_dict", ""), ("model", "_orig_mod."),
    ("net", "module.model.")])
@BOTH
def test_a_trainers_checkpoint_is_read_whatever_it_is_wrapped_in(write, dialect, key, prefix):
    state = small_state(dialect)
    found = open_weights(renamed(write({f"{prefix}{name}": array for name, array in state.items()}, epoch="3"), key))
    assert found.dialect == dialect and found.shapes == open_weights(write(state)).shapes
    assert found.classes == parity.CLASSES


def test_wrappings_within_wrappings_and_what_stands_beside_the_network(write, monkeypatch):
    dialect = DIALECTS["pytorchvideo"]
    tensors = read_torch_file(write(small_state(dialect)))["model_state"]
    beside = {"criterion.weight": next(iter(tensors.values())), **{f"model.{name}": tensor for name, tensor in tensors.items()}}
    content = {"epoch": 3, "state": 1, "model": {"state_dict": beside}, "optimizer": {"state": {}}}
    monkeypatch.setattr("expansion.weights.weights_file.read_torch_file", lambda path: content)
    assert set(open_weights("x.ckpt").tensors) == {name for name in tensors if not name.endswith("num_batches_tracked")}
    content["model"] = {"weights": beside}
    with pytest.raises(InputError, match="x.ckpt: neither a state dictionary of tensors nor a dictionary with one as "
                                         "'model_state', .*; its keys are epoch, state, model, optimizer"):
        open_weights("x.ckpt")


def test_names_and_preprocessing_go_there_and_back(awake, tmp_path):
    path, known = str(tmp_path / "m.pyth"), Preprocessing(video=VideoSettings(fps=5.0))
    named = X3D.from_config(awake.get_config() | {"preprocessing": known.as_dict()})
    save_weights(named, path, "pytorchvideo")
    back = load_weights(None, path)
    assert back.class_names == tuple("abcde") and back.preprocessing == known
    other = load_weights(None, path, new_classes=3)
    assert other.class_names == () and other.preprocessing == known
    assert load_weights(None, path, class_names=tuple("vwxyz")).class_names == tuple("vwxyz")
