"""Small files on any file system that fsspec reaches; a file appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence

import fsspec

from expansion.foundation.errors import InputError

KERAS_MODEL = "model.keras"  # a network's file, in whatever folder holds one
CREATED = ".created"  # see create_folder

_LOCAL = fsspec.filesystem("file")


def _file_system(path: str):
    path = os.fspath(path)
    if "://" not in path and "::" not in path:  # what fsspec comes to as well, in a hundred steps
        return _LOCAL, os.path.abspath(path)
    return fsspec.core.url_to_fs(path)


def in_tensorflow(path: str) -> bool:
    """Whether TensorFlow itself reads and writes there; it knows this machine's files and Google's."""
    return "://" not in os.fspath(path) or path.startswith(("gs://", "file://"))


def local_copies(paths: Sequence[str]) -> list[str]:
    """Paths of files for TensorFlow: themselves, or copies on this machine, made anew where the originals changed."""
    if not paths or all(map(in_tensorflow, paths)):
        return list(paths)
    kept = os.path.join(tempfile.gettempdir(), f"x3d-files-{os.getuid()}")
    return fsspec.open_local([f"filecache::{path}" for path in paths],
                             filecache={"cache_storage": kept, "check_files": True, "same_names": False})


@contextlib.contextmanager
def written_whole(path: str) -> Iterator[str]:
    """A path on this machine to write a file to, which then appears under its name as a whole."""
    ending = os.path.splitext(path)[1]
    if "://" not in os.fspath(path):
        partial = f"{path.removesuffix(ending)}.partial{ending}"
        yield partial
        os.replace(partial, path)
        return
    with tempfile.TemporaryDirectory() as folder:
        partial = os.path.join(folder, f"file{ending}")
        yield partial
        with open(partial, "rb") as file:
            write_bytes(path, file.read())


def absolute(path: str) -> str:
    """A path that holds in any folder; an address stays as it is."""
    path = os.fspath(path)
    return path if "://" in path else os.path.abspath(path)


def folder(path: str) -> str:
    """The path of a folder, which is made where it is not there."""
    system, name = _file_system(path)
    system.makedirs(name, exist_ok=True)
    return path


def names(path: str) -> list[str]:
    """Names of what a folder holds, sorted; [] where there is no such folder."""
    system, name = _file_system(path)
    return sorted(os.path.basename(entry.rstrip("/")) for entry in system.ls(name, detail=False)) if system.isdir(name) else []


def create_folder(path: str) -> bool:
    """Makes a folder that is not there yet; False, and nothing is changed, where there is one. Of several who try, one does.

    Object stores have no folders: there the file CREATED in it stands for it.
    """
    system, name = _file_system(path)
    try:
        if _is_local(system):
            system.makedirs(os.path.dirname(name), exist_ok=True)
            os.mkdir(name)
        else:
            system.pipe_file(f"{name}/{CREATED}", b"", mode="create")
    except FileExistsError:
        return False
    return True


def exists(path: str) -> bool:
    system, name = _file_system(path)
    return system.exists(name)


def read_bytes(path: str) -> bytes:
    system, name = _file_system(path)
    with open(name, "rb") if system is _LOCAL else system.open(name, "rb") as file:
        return file.read()


def read_input(path: str, limit: int) -> bytes:
    """The whole of a file that a person named.

    Raises:
        InputError: there is no such file, or it has more than `limit` bytes.
    """
    system, name = _file_system(path)
    if not system.isfile(name):
        raise InputError(f"{path}: no such file")
    size = system.size(name)
    if size > limit:
        raise InputError(f"{path}: {size} bytes; at most {limit} are allowed")
    return read_bytes(path)


def read_text(path: str) -> str:
    return read_bytes(path).decode("utf-8")


def _is_local(system) -> bool:
    return "file" in system.protocol or "local" in system.protocol


def write_bytes(path: str, content: bytes, lasting: bool = True) -> None:
    """Writes beside the target and renames, so that a reader never sees half a file.

    Args:
        lasting: wait until it is on the disk.
    """
    system, name = _file_system(path)
    system.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    partial = f"{name}.partial"
    local = _is_local(system)
    with system.open(partial, "wb") as file:
        file.write(content)
        if local and lasting:  # else a power cut could leave the new name with none of its content
            file.flush()
            os.fsync(file.fileno())
    if local:
        os.replace(partial, name)
    else:
        system.mv(partial, name)


def create_json(path: str, content) -> bool:
    """Writes a file that is not there yet; False, and nothing is changed, where there is one. Of several who try, one does.

    A link makes it appear whole, also over NFS; object stores are asked to create, which theirs do in one step.
    """
    system, name = _file_system(path)
    written = json.dumps(content, indent=1).encode("utf-8")
    if not _is_local(system):
        try:
            system.pipe_file(name, written, mode="create")
        except FileExistsError:
            return False
        return True
    system.makedirs(os.path.dirname(name), exist_ok=True)
    own = f"{name}.{uuid.uuid4().hex}.partial"
    with open(own, "xb") as file:
        file.write(written)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(own, name)
    except FileExistsError:
        return False
    finally:
        os.remove(own)
    return True


def write_text(path: str, text: str) -> None:
    """As write_bytes, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def move_aside(path: str) -> str | None:
    """Renames a folder to the first of path.1, path.2, ... that is free, and returns that; None where there is none."""
    if not exists(path):
        return None
    free = next(f"{path}.{number}" for number in itertools.count(1) if not exists(f"{path}.{number}"))
    system, name = _file_system(path)
    system.mv(name, _file_system(free)[1], recursive=True)
    return free


def remove_file(path: str) -> None:
    system, name = _file_system(path)
    system.rm_file(name)


def remove_folder(path: str) -> None:
    """Removes a folder and what is in it; nothing where there is none."""
    system, name = _file_system(path)
    if system.exists(name):
        system.rm(name, recursive=True)


def copy_folder(path: str, target: str) -> None:
    """Copies a folder of files; what cannot be copied whole does not appear."""
    system, name = _file_system(path)
    for file in system.find(name):
        write_bytes(os.path.join(target, os.path.relpath(file, name)), system.cat_file(file))


def move_into(path: str, target: str, last: str, leave: Sequence[str] = ()) -> None:
    """Moves what a folder holds into another, over what is there under these names; the entry `last` comes last.

    Stopped in the middle, it can be done again. Entries named in `leave` stay.
    """
    system, name = _file_system(path)
    goal = _file_system(folder(target))[1]
    if not system.exists(name):
        return
    entries = [os.path.basename(entry) for entry in system.ls(name, detail=False)]
    for entry in sorted(set(entries) - set(leave), key=lambda entry: (entry == last, entry)):
        old, new = os.path.join(name, entry), os.path.join(goal, entry)
        if system.isdir(old):
            remove_folder(os.path.join(target, entry))
            system.mv(old, new, recursive=True)
        elif _is_local(system):
            os.replace(old, new)
        else:
            system.mv(old, new)


def read_json(path: str):
    return json.loads(read_text(path))


def write_json(path: str, content, lasting: bool = True) -> None:
    """As write_bytes."""
    write_bytes(path, json.dumps(content, indent=1).encode("utf-8"), lasting)


def matching(pattern: str) -> list[str]:
    """Full paths that match a glob pattern, sorted."""
    system, name = _file_system(pattern)
    found = sorted(system.glob(name))
    return found if "://" not in pattern else [system.unstrip_protocol(path) for path in found]
