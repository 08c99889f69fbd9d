"""What a path names: a file system and a name on it. A path is never read as a pattern, and nothing in it is replaced."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence

import fsspec
from fsspec.implementations.local import LocalFileSystem

from expansion.foundation.errors import InputError

PATTERNS = "*?["  # what fsspec reads as a pattern in addresses, when it moves or removes

_LOCAL = fsspec.filesystem("file")


def file_system(path: str):
    """The file system of a path, and the path's name there; absolute on this machine.

    Raises:
        InputError: an address of a kind that is not known, or whose library is not installed.
    """
    path = os.fspath(path).removeprefix("file://")
    if "://" not in path:
        return _LOCAL, os.path.abspath(path)
    try:
        return fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise InputError(f"{path}: {error}".splitlines()[0]) from None


def is_local(system) -> bool:
    """Whether a file system is this machine's own."""
    return isinstance(system, LocalFileSystem)


def to_change(path: str):
    """As file_system, of what is written, moved or removed.

    Raises:
        InputError: an address that fsspec would read as a pattern.
    """
    system, name = file_system(path)
    if not is_local(system):
        refuse_patterns(path, "fsspec")
    return system, name


def refuse_patterns(path: str, by: str, characters: str = PATTERNS) -> None:
    """Raises InputError where a library would read a path as a pattern.

    Args:
        by: who would.
        characters: that it takes for a pattern's.
    """
    found = [character for character in characters if character in os.fspath(path)]
    if found:
        raise InputError(f"{path}: choose a path without {' '.join(found)}, which {by} would read as a pattern")


@contextlib.contextmanager
def plain_name(path: str) -> Iterator[str]:
    """A path to a folder for TensorFlow to load from: itself, or a link to it where TensorFlow would read it as a pattern."""
    if "://" in path or not any(character in path for character in f"{PATTERNS}\\"):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = os.path.join(folder, "link")
        os.symlink(os.path.abspath(path), link, target_is_directory=True)
        yield link


def in_tensorflow(path: str) -> bool:
    """Whether TensorFlow itself reads and writes there; it knows this machine's files and Google's."""
    return "://" not in os.fspath(path) or path.startswith(("gs://", "file://"))


def local_copies(paths: Sequence[str]) -> list[str]:
    """Paths of files for TensorFlow: themselves, or copies on this machine, made again where the originals changed."""
    if not paths or all(map(in_tensorflow, paths)):
        return list(paths)
    kept = os.path.join(tempfile.gettempdir(), f"x3d-files-{os.getuid()}")
    system = fsspec.filesystem("filecache", fs=file_system(paths[0])[0], cache_storage=kept, check_files=True,
                               same_names=False)
    # fsspec.open_local would read the paths as patterns.
    wanted = [fsspec.core.OpenFile(system, file_system(path)[1]) for path in paths]
    with fsspec.core.OpenFiles(wanted, fs=system) as copies:
        return [copy.name for copy in copies]
