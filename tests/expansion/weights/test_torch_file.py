"""PyTorch's files are read without PyTorch, nothing in them is run, and what is broken is one clear line."""

import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expansion.foundation.errors import InputError
from expansion.weights.torch_file import _LEGACY_MAGIC, read_torch_file, write_torch_file

FILES = Path(__file__).parent / "files"  # made by scripts/parity_torch.py
BASE = np.arange(24, dtype="f4").reshape(4, 6)
EXPECTED = {
    "plain": BASE, "half": (BASE / 8).astype("f2"), "brain": BASE / 8, "double": BASE.astype("f8") / 3,
    "whole": np.asarray(7), "strided": BASE.T, "part": BASE[1:, 2:5:2], "parameter": BASE[0], "empty": np.zeros((0, 3), "f4"),
}


@pytest.mark.parametrize("name", ["torch_zip.pth", "torch_legacy.pth"])
def test_what_torch_saved_is_read(name):
    content = read_torch_file(str(FILES / name))
    assert (content["epoch"], content["cfg"]) == (3, "DATA: {}\n")
    assert list(content["model_state"]) == list(EXPECTED)
    for key, tensor in content["model_state"].items():
        array = tensor.read()
        assert (tensor.shape, array.dtype) == (EXPECTED[key].shape, EXPECTED[key].dtype), key
        np.testing.assert_array_equal(array, EXPECTED[key])
        array[...] = 1  # a copy of its own, in the machine's byte order
    assert content["optimizer_state"]["param_groups"][0]["lr"] == 0.1


def test_what_is_written_is_read(tmp_path):
    state = {"a": BASE.T, "b": np.asarray(3), "c": np.zeros((2, 1, 0), "f4")}
    path = str(tmp_path / "x.pyth")
    write_torch_file(path, state, {"cfg": "é"})
    content = read_torch_file(path)
    assert content["cfg"] == "é"
    for name, array in state.items():
        np.testing.assert_array_equal(content["model_state"][name].read(), array)
    first = Path(path).read_bytes()
    write_torch_file(path, state, {"cfg": "é"})
    assert Path(path).read_bytes() == first


def zipped(content: bytes, path, compression=zipfile.ZIP_STORED, **entries: bytes) -> str:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", content)
        for name, raw in entries.items():
            archive.writestr(f"x/data/{name.removeprefix('s')}", raw)
    return str(path)


def legacy(content: bytes, path) -> str:
    head = b"".join(pickle.dumps(part, 2) for part in (_LEGACY_MAGIC, 1001, {"little_endian": True}))
    Path(path).write_bytes(head + content + pickle.dumps([], 2))
    return str(path)


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


ATTACKS = {  # what to pickle, and the name that the refusal has to say
    "system": (lambda mark: Calls(os.system, f"touch {mark}"), f"{os.system.__module__}.system"),
    "eval": (lambda mark: Calls(eval, f"open({str(mark)!r}, 'w')"), "eval"),
    "open": (lambda mark: Calls(open, str(mark), "w"), "io.open"),
    "numpy": (lambda mark: Calls(np.save, str(mark), 1), "save"),
    "class": (lambda mark: Path("x"), "pathlib"),
}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("pack", [zipped, legacy])
@pytest.mark.parametrize("where", ["alone", "model_state", "optimizer_state"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_is_run(tmp_path, attack, where, pack, protocol):
    mark = tmp_path / "mark"
    make, name = ATTACKS[attack]
    evil = make(mark)
    content = evil if where == "alone" else {"model_state": {}, where: {"state": [evil]}, "cfg": ""}
    path = pack(pickle.dumps(content, protocol), tmp_path / "evil.pyth")
    with pytest.raises(InputError, match="evil.pyth: not read: ") as error:
        read_torch_file(path)
    assert not mark.exists() and "\n" not in str(error.value)
    if protocol:  # 0 is refused for its opcodes already
        assert name in str(error.value)


def test_a_refused_name_is_in_the_message(tmp_path):
    path = zipped(pickle.dumps({"model_state": {}, "optimizer_state": [Calls(os.system, "true")]}, 2), tmp_path / "e.pyth")
    with pytest.raises(InputError, match=rf"e.pyth: not read: it asks for '{os.system.__module__}.system', which no "):
        read_torch_file(path)


def tensor(storage=b"torch\nFloatStorage", count=6, offset=0, shape=(2, 3), strides=(3, 1), key="0") -> bytes:
    """The pickle of {"model_state": {"a": tensor}}."""
    def simple(value):
        return pickle.dumps(value, 2)[2:-1]

    return (b"\x80\x02}" + simple("model_state") + b"}" + simple("a") + b"ctorch._utils\n_rebuild_tensor_v2\n(("
            + simple("storage") + b"c" + storage + b"\n" + simple(key) + simple("cpu") + simple(count) + b"tQ"
            + simple(offset) + simple(shape) + simple(strides) + b"\x89}tRss.")


NUMBERS = np.arange(6, dtype="f4").tobytes()


def test_the_tensor_of_the_next_tests_is_read(tmp_path):
    found = read_torch_file(zipped(tensor(), tmp_path / "x.pth", s0=NUMBERS))["model_state"]["a"].read()
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("changes, complaint", [
    ({"offset": 1}, "outside its storage of 6"),
    ({"strides": (4, 1)}, "outside its storage"),
    ({"strides": (-3, 1)}, "impossible shape"),
    ({"offset": -1}, "impossible shape"),
    ({"shape": (2, 3, 1)}, "impossible shape"),
    ({"shape": (2, True)}, "impossible shape"),
    ({"shape": (10**9, 10**9), "strides": (0, 0)}, "outside its storage"),  # no expansion of one number to many
    ({"shape": (1,) * 40, "strides": (1,) * 40}, "impossible shape"),
    ({"count": 10**15}, "24 bytes that should be 1000000000000000"),
    ({"count": 7}, "24 bytes that should be 7"),
    ({"key": "1"}, "no entry 'data/1'"),
    ({"key": "../data.pkl"}, "no entry"),
    ({"storage": b"torch\nQInt8Storage"}, "'torch.QInt8Storage'"),
    ({"storage": b"torch\nfloat32"}, "a storage of unknown form"),
])
def test_impossible_tensors_are_refused(tmp_path, changes, complaint):
    path = zipped(tensor(**changes), tmp_path / "x.pth", s0=NUMBERS)
    with pytest.raises(InputError, match="not read: ") as error:
        read_torch_file(path)
    assert complaint in str(error.value)


@pytest.mark.parametrize("content, complaint", [
    (b"r\xff\xff\xff\xff.", "broken"),  # a memo of 2**32 places
    (b"\x80\x02]r\xff\xff\xff\xff0.", "POP"),
    (b"\x80\x02" + b"]" * 600_000 + b".", "more than 500000 opcodes"),
    (b"\x80\x02}(" + b"(" * 50 + b"t" * 50 + b"Nu.", "a key of type tuple"),
    (b"\x80\x02N", "broken"),
    (b"t.", "broken"),
    (b"", "broken"),
    (b"\x80\x02ctorch\nSize\nK\x01R.", "call"),
    (b"\x80\x02ccollections\nOrderedDict\n(Nt\x81.", "call of collections.OrderedDict with unknown arguments"),
    (b"\x80\x02ccollections\nOrderedDict\n}b.", "state of something"),
    (b"\x80\x02]K\x01K\x02s.", "no dictionary"),
    (b"\x80\x02}K\x01a.", "no list"),
    (b"\x80\x02K\x01Q.", "no storage"),
    (b"\x82\x01.", "broken|EXT1"),
    (b"I1\n.", "INT"),
])
def test_broken_pickles_are_refused(tmp_path, content, complaint):
    with pytest.raises(InputError, match=complaint):
        read_torch_file(zipped(content, tmp_path / "x.pth"))


def test_a_dictionary_that_holds_itself_is_no_trouble(tmp_path):
    content = read_torch_file(zipped(b"\x80\x02}q\x00(K\x01h\x00K\x02h\x00u.", tmp_path / "x.pth"))
    assert content[1] is content


def test_archives_that_unpack_to_more_are_refused(tmp_path):
    path = zipped(tensor(count=2**24), tmp_path / "x.pth", zipfile.ZIP_DEFLATED, s0=bytes(2**26))
    with pytest.raises(InputError, match="a compressed entry"):
        read_torch_file(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(100), b"hello world", b"\x80\x02K\x01.",
                                     b"\x89HDF\r\n\x1a\n"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(InputError, match="x.pth: not read: "):
        read_torch_file(str(tmp_path / "x.pth"))


def test_missing_and_huge_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_torch_file(str(tmp_path / "x.pth"))
    with open(tmp_path / "x.pth", "wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(InputError, match="3221225472 bytes; at most 2147483648"):
        read_torch_file(str(tmp_path / "x.pth"))


def test_a_cut_off_legacy_file_is_refused(tmp_path):
    whole = (FILES / "torch_legacy.pth").read_bytes()
    for length in range(0, len(whole), 61):
        (tmp_path / "x.pth").write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_torch_file(str(tmp_path / "x.pth"))


def test_legacy_storages_of_another_size_are_refused(tmp_path):
    whole = (FILES / "torch_legacy.pth").read_bytes()
    for change in (struct.pack("<q", 2**62), struct.pack("<q", -1), struct.pack("<q", 23)):
        assert whole.count(struct.pack("<q", 24)) >= 1
        (tmp_path / "x.pth").write_bytes(whole.replace(struct.pack("<q", 24), change))
        with pytest.raises(InputError, match="cut off or has not the size"):
            read_torch_file(str(tmp_path / "x.pth"))


@settings(max_examples=300)
@given(st.sampled_from(["torch_zip.pth", "torch_legacy.pth"]), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)),
                                                                      min_size=1, max_size=8), st.booleans())
def test_a_damaged_file_is_read_or_refused(name, changes, in_front):
    """Whatever bytes change, the only error is ours."""
    import tempfile

    whole = bytearray((FILES / name).read_bytes())
    for position, value in changes:
        whole[position % (1200 if in_front else len(whole))] = value
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.pth")
        Path(path).write_bytes(whole)
        try:
            content = read_torch_file(path)
            for value in (content.get("model_state") or {}).values() if isinstance(content, dict) else ():
                if hasattr(value, "read"):
                    value.read()
        except InputError:
            pass
