"""Reads and writes PyTorch's files (.pyth, .pt, .pth) without PyTorch; nothing that a file carries is run.

Two formats: a zip archive of a pickle and one raw entry a storage (PyTorch 1.6 and later), and before that a row of
pickles followed by the storages.
"""

from __future__ import annotations

import io
import math
import os
import struct
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.weights.torch_pickle import Refused, Storage, View, unpickle

MAX_FILE = 2 * 2**30  # bytes
# What zipfile and struct raise on damaged files; NotImplementedError and UnicodeDecodeError are among them.
_BROKEN = (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, struct.error)
_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file; its numbers are read when `read` is called.

    Args:
        shape: as in the file.
        dtype: of the file's numbers, numpy's short name or "bfloat16".
        read: gives them as an array, bfloat16 as float32. Raises Refused where they are broken.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


def _numbers(raw: bytes | memoryview, view: View, order: str) -> np.ndarray:
    """The view's numbers as an array of their own; bfloat16 comes as float32."""
    brain = view.storage.dtype == "bfloat16"
    kind = np.dtype("u2" if brain else view.storage.dtype)
    if 0 in view.shape:
        return np.zeros(view.shape, "f4" if brain else kind)
    flat = np.frombuffer(raw, kind.newbyteorder(order))
    strides = tuple(stride * kind.itemsize for stride in view.strides)
    array = np.lib.stride_tricks.as_strided(flat[view.offset:], view.shape, strides, writeable=False).astype(kind)
    return (array.astype("u4") << 16).view("f4") if brain else array


def _bytes_of(storage: Storage) -> int:
    return storage.count * (2 if storage.dtype == "bfloat16" else np.dtype(storage.dtype).itemsize)


def _read_zip(data: bytes):
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = {entry.filename: entry for entry in archive.infolist()}
    names = [name for name in entries if name.endswith("/data.pkl")]
    if len(names) != 1:
        raise Refused("a zip archive that is none of PyTorch's")
    folder = names[0].removesuffix("data.pkl")

    def entry(name: str) -> zipfile.ZipInfo:
        """PyTorch stores without compression, so that no entry is larger than the file."""
        found = entries.get(folder + name)
        if found is None:
            raise Refused(f"no entry {name!r}")
        if found.compress_type != zipfile.ZIP_STORED or not found.file_size == found.compress_size <= len(data):
            raise Refused(f"a compressed entry {name!r}")
        return found

    big = folder + "byteorder" in entries and archive.read(entry("byteorder")) == b"big"

    def tensor(view: View) -> Tensor:
        source = entry(f"data/{view.storage.key}")
        if source.file_size != _bytes_of(view.storage):
            raise Refused(f"a storage of {source.file_size} bytes that should be {view.storage.count} "
                          f"of {view.storage.dtype}")

        def read() -> np.ndarray:
            try:
                return _numbers(archive.read(source), view, ">" if big else "<")
            except _BROKEN as error:
                raise Refused(f"broken ({error})") from None

        return Tensor(view.shape, view.storage.dtype, read)

    return unpickle(io.BytesIO(archive.read(entry("data.pkl"))), tensor)


def _read_legacy(data: bytes):
    file = io.BytesIO(data)
    if unpickle(file) != _LEGACY_MAGIC or unpickle(file) != _LEGACY_PROTOCOL:
        raise Refused("none of PyTorch's files")
    system = unpickle(file)
    order = "<" if not isinstance(system, dict) or system.get("little_endian", True) else ">"
    storages: dict[str, Storage] = {}
    starts: dict[str, int] = {}

    def tensor(view: View) -> Tensor:
        storage = view.storage
        if storages.setdefault(storage.key, storage) != storage:
            raise Refused(f"storage {storage.key!r} twice, with different sizes")

        def read() -> np.ndarray:
            start = starts[storage.key]
            return _numbers(memoryview(data)[start:start + _bytes_of(storage)], view, order)

        return Tensor(view.shape, storage.dtype, read)

    content, keys = unpickle(file, tensor), unpickle(file)
    if not isinstance(keys, list) or set(keys) != set(storages):
        raise Refused("a list of storages that are not those of its tensors")
    position = file.tell()
    for key in keys:
        count, = struct.unpack_from(f"{order}q", data, position)
        starts[key] = position + 8
        position += 8 + _bytes_of(storages[key])
        if count != storages[key].count or position > len(data):
            raise Refused(f"storage {key!r}, which is cut off or has not the size that its tensors say")
    return content


def read_torch_file(path: str):
    """What torch.save wrote: dictionaries, numbers and text, with a Tensor for each tensor.

    Raises:
        InputError: there is no such file, it is none of PyTorch's, it is broken, or its pickle asks for a function or
            class that weights do not need (which is named; nothing is imported or called).
    """
    data = files.read_input(path, MAX_FILE)
    try:
        return _read_zip(data) if data[:2] == b"PK" else _read_legacy(data)
    except Refused as error:
        raise InputError(f"{path}: not read: {error}") from None
    except _BROKEN as error:
        raise InputError(f"{path}: not read: broken ({error})") from None


def _pickle_text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _pickle_whole(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def _pickle_tuple(items: list[bytes]) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _pickle_tensor(array: np.ndarray, key: str) -> bytes:
    """A contiguous tensor that fills a storage of its own."""
    kind = {"float32": b"FloatStorage", "int64": b"LongStorage"}[array.dtype.name]
    storage = _pickle_tuple([_pickle_text("storage"), b"ctorch\n" + kind + b"\n", _pickle_text(key),
                             _pickle_text("cpu"), _pickle_whole(array.size)]) + b"Q"
    strides = [math.prod(array.shape[axis + 1:]) for axis in range(array.ndim)]
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + _pickle_tuple([
        storage, _pickle_whole(0), _pickle_tuple([_pickle_whole(size) for size in array.shape]),
        _pickle_tuple([_pickle_whole(stride) for stride in strides]), b"\x89", b"ccollections\nOrderedDict\n)R",
    ]) + b"R"


def write_torch_file(path: str, state: Mapping[str, np.ndarray], texts: Mapping[str, str] = {}) -> None:
    """Writes {"model_state": state, **texts} as torch.load reads it, also with weights_only=True.

    Args:
        state: arrays of float32 or int64 by name.
        texts: further entries of the dictionary.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in state.items()}
    pickled = [b"\x80\x02}(", _pickle_text("model_state"), b"}("]
    for number, (name, array) in enumerate(arrays.items()):
        pickled += [_pickle_text(name), _pickle_tensor(array, str(number))]
    pickled.append(b"u")
    for name, text in texts.items():
        pickled += [_pickle_text(name), _pickle_text(text)]
    pickled.append(b"u.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        folder = os.path.splitext(os.path.basename(path))[0] or "archive"

        def add(name: str, content: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}"), content)  # without a date: equal files for equal content

        add("data.pkl", b"".join(pickled))
        add("byteorder", sys.byteorder.encode())
        for number, array in enumerate(arrays.values()):
            add(f"data/{number}", array.tobytes())
        add("version", b"3\n")
    files.write_bytes(path, buffer.getvalue())
