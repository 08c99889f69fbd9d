"""Files and folders on any file system that fsspec reaches. A path is a name, never a pattern.

A file appears under its name only when it is whole. What cannot be written is a WriteFailed of one line.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from expansion.foundation.errors import InputError
from expansion.foundation.paths import file_system, is_local, to_change

KERAS_MODEL = "model.keras"  # a network's file, in whatever folder holds one
CREATED = ".created"  # see create_folder

_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}  # of fsync, on file systems that have none


class WriteFailed(OSError):
    """A file could not be written: a full disk, a folder without the right to write. One line."""


def _failed(path: str, error: OSError) -> WriteFailed:
    return WriteFailed(f"cannot write {path}: {error.strerror or error}".splitlines()[0])


@contextlib.contextmanager
def writes(path: str) -> Iterator[None]:
    """Makes errors of the system a WriteFailed."""
    try:
        yield
    except WriteFailed:
        raise
    except OSError as error:
        raise _failed(path, error) from error


def absolute(path: str) -> str:
    """A path that holds in any folder; an address stays as it is."""
    path = os.fspath(path)
    return path if "://" in path else os.path.abspath(path)


def exists(path: str) -> bool:
    """Whether there is a file or folder of that name."""
    system, name = file_system(path)
    return os.path.exists(name) if is_local(system) else system.exists(name)


def size(path: str) -> int | None:
    """Bytes of a file; None where there is none."""
    system, name = file_system(path)
    try:
        return os.path.getsize(name) if is_local(system) else system.size(name)
    except OSError:
        return None


def names(path: str) -> list[str]:
    """Names of what a folder holds, sorted; none where there is no such folder."""
    system, name = file_system(path)
    try:
        if is_local(system):
            return sorted(os.listdir(name))
        system.invalidate_cache(name)  # others write there too
        entries = [entry.strip("/") for entry in system.ls(name, detail=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(os.path.basename(entry) for entry in entries if entry != name.strip("/"))


def listed(path: str, prefix: str = "", suffix: str = "") -> list[str]:
    """Full paths of what a folder holds under names that begin and end so, sorted."""
    return [os.path.join(absolute(path), name) for name in names(path) if name.startswith(prefix) and name.endswith(suffix)]


def inside_each(path: str, file: str, prefix: str = "") -> list[str]:
    """Full paths of the files of one name in the folders of a folder, sorted.

    Args:
        file: their name.
        prefix: what the folders' names begin with.
    """
    return [found for folder in listed(path, prefix) if exists(found := os.path.join(folder, file))]


def open_read(path: str) -> BinaryIO:
    """The bytes of a file as they lie there."""
    system, name = file_system(path)
    return open(name, "rb") if is_local(system) else system.open(name, "rb")


def read_bytes(path: str) -> bytes:
    with open_read(path) as file:
        return file.read()


def read_input(path: str, limit: int) -> bytes:
    """The whole of a file that a person named.

    Raises:
        InputError: there is no such file, or it has more than `limit` bytes.
    """
    system, name = file_system(path)
    if not system.isfile(name):
        raise InputError(f"{path}: no such file")
    if (length := system.size(name)) > limit:
        raise InputError(f"{path}: {length} bytes; at most {limit} are allowed")
    return read_bytes(path)


def read_text(path: str) -> str:
    return read_bytes(path).decode("utf-8")


def read_json(path: str):
    return json.loads(read_text(path))


def folder(path: str) -> str:
    """The path of a folder, which is made where it is not there."""
    system, name = to_change(path)
    with writes(path):
        system.makedirs(name, exist_ok=True)
    return path


def _sync(file) -> None:
    """Waits until a file of this machine is on the disk: else a power cut could leave its name with none of its content."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _move(system, old: str, new: str) -> None:
    """Renames a file over what is there, or a folder."""
    if is_local(system):
        os.replace(old, new)
    else:
        system.mv(old, new, recursive=True)


@contextlib.contextmanager
def writing(path: str, scratch: str | None = None, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file to write; it takes its name when the block ends well, and is gone when it does not.

    Args:
        path: the name in the end. An older file of that name is replaced in one step.
        scratch: folder of the unfinished file, on the same file system; beside `path` if None.
        lasting: wait until it is on the disk.

    Raises:
        WriteFailed: there is no room, or no right to write.
    """
    system, name = to_change(path)
    base = name if scratch is None else os.path.join(to_change(scratch)[1], os.path.basename(name))
    unfinished = f"{base}.{uuid.uuid4().hex[:8]}.unfinished"
    try:
        with writes(path):
            for parent in {os.path.dirname(name), os.path.dirname(base)}:
                system.makedirs(parent, exist_ok=True)
            with open(unfinished, "wb") if is_local(system) else system.open(unfinished, "wb") as file:
                yield file
                if lasting and is_local(system):
                    _sync(file)
            _move(system, unfinished, name)
    except BaseException:
        with contextlib.suppress(OSError):
            system.rm_file(unfinished)
        raise


@contextlib.contextmanager
def written_whole(path: str) -> Iterator[str]:
    """A path on this machine for a library to write a file to, which then appears under its name as a whole.

    Raises:
        WriteFailed: as writing.
    """
    system, name = to_change(path)
    ending = os.path.splitext(name)[1]
    if not is_local(system):
        with tempfile.TemporaryDirectory() as temporary:
            partial = os.path.join(temporary, f"file{ending}")
            yield partial
            with open(partial, "rb") as file:
                write_bytes(path, file.read())
        return
    partial = f"{name.removesuffix(ending)}.{uuid.uuid4().hex[:8]}.unfinished{ending}"
    try:
        with writes(path):
            yield partial
            os.replace(partial, name)
    finally:
        with contextlib.suppress(OSError):
            os.remove(partial)


def write_bytes(path: str, content: bytes, lasting: bool = True) -> None:
    """As writing."""
    with writing(path, lasting=lasting) as file:
        file.write(content)


def write_text(path: str, text: str) -> None:
    """As writing, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str, content, lasting: bool = True) -> None:
    """As writing."""
    write_bytes(path, json.dumps(content, indent=1).encode("utf-8"), lasting)


def create_folder(path: str) -> bool:
    """Makes a folder that is not there yet; False, and nothing is changed, where there is one. Of several who try, one does.

    Object stores have no folders: there the file CREATED in it stands for it.
    """
    system, name = to_change(path)
    if is_local(system):
        folder(os.path.dirname(name))
    try:
        if is_local(system):
            os.mkdir(name)
        else:
            system.pipe_file(f"{name}/{CREATED}", b"", mode="create")
    except FileExistsError:
        return False
    except OSError as error:
        raise _failed(path, error) from error
    return True


def move_aside(path: str) -> str | None:
    """Renames a folder to the first of path.1, path.2, ... that is free, and returns that; None where there is none."""
    if not exists(path):
        return None
    free = next(f"{path}.{number}" for number in itertools.count(1) if not exists(f"{path}.{number}"))
    system, name = to_change(path)
    _move(system, name, to_change(free)[1])
    return free


def remove_file(path: str) -> None:
    """Removes a file; nothing where there is none."""
    system, name = to_change(path)
    with contextlib.suppress(FileNotFoundError):
        system.rm_file(name)


def remove_folder(path: str) -> None:
    """Removes a folder and what is in it; nothing where there is none."""
    system, name = to_change(path)
    if is_local(system):
        if os.path.isdir(name):
            shutil.rmtree(name)
    elif system.exists(name):
        system.rm(name, recursive=True)


def copy_folder(path: str, target: str) -> None:
    """Copies a folder of files; what cannot be copied whole does not appear."""
    system, name = file_system(path)
    for file in system.find(name):
        write_bytes(os.path.join(target, os.path.relpath(file, name)), system.cat_file(file))


def move_into(path: str, target: str, last: str, leave: Sequence[str] = ()) -> None:
    """Moves what a folder holds into another, over what is there under these names; the entry `last` comes last.

    Stopped in the middle, it can be done again. Entries named in `leave` stay.
    """
    system, name = to_change(path)
    goal = to_change(folder(target))[1]
    entries = {os.path.basename(entry) for entry in listed(path)} - set(leave)
    for entry in sorted(entries, key=lambda entry: (entry == last, entry)):
        old, new = os.path.join(name, entry), os.path.join(goal, entry)
        if system.isdir(old):
            remove_folder(os.path.join(target, entry))
        _move(system, old, new)
