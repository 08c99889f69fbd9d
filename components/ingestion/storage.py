"""Files wherever Beam's file systems reach; a file appears under its name only when it is whole."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

join = FileSystems.join


class WriteFailed(OSError):
    """A file could not be written: a full disk, a folder without the right to write. One line."""

    def __init__(self, path: str, error: Exception):
        super().__init__(f"cannot write {path}: {getattr(error, 'strerror', None) or error}".splitlines()[0])


def write_failure(error: BaseException) -> str | None:
    """The line of the WriteFailed that is behind an error; None if none is. Beam hands a worker's errors on as text."""
    found = re.search(rf"^(?:.*\b)?{WriteFailed.__name__}: (.+?)(?: \[while running .*)?$", str(error), re.MULTILINE)
    return str(error) if isinstance(error, WriteFailed) else found and found[1]


def exists(path: str) -> bool:
    """Whether there is a file or folder of that name."""
    return FileSystems.exists(path)


def size(path: str) -> int | None:
    """Bytes of a file; None where there is none."""
    try:
        return FileSystems.match([path])[0].metadata_list[0].size_in_bytes
    except (BeamIOError, IndexError):
        return None


def names(pattern: str) -> list[str]:
    """Paths that match a pattern, sorted."""
    return sorted(found.path for found in FileSystems.match([pattern])[0].metadata_list)


def open_read(path: str) -> BinaryIO:
    """The bytes of a file as they lie there."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def read(path: str) -> bytes:
    """All bytes of a file."""
    with open_read(path) as file:
        return file.read()


@contextlib.contextmanager
def writing(path: str, scratch: str | None = None) -> Iterator[BinaryIO]:
    """A file to write; it takes its name when the block ends well, and is gone when it does not.

    Args:
        path: the name in the end. An older file of that name is replaced in one step.
        scratch: folder of the unfinished file, on the same file system; beside `path` if None.

    Raises:
        WriteFailed: there is no room, or no right to write.
    """
    base = path if scratch is None else join(scratch, path.replace("\\", "/").rsplit("/", 1)[-1])
    unfinished = f"{base}.{uuid.uuid4().hex[:8]}.unfinished"
    try:
        for folder in {path, base}:
            make_folder(folder.rsplit("/", 1)[0])
        with FileSystems.create(unfinished, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            yield file
            if hasattr(file, "fileno"):
                file.flush()
                os.fsync(file.fileno())
        FileSystems.rename([unfinished], [path])
    except (OSError, BeamIOError) as error:
        remove(unfinished)
        raise WriteFailed(path, error) from error
    except BaseException:
        remove(unfinished)
        raise


def write(path: str, data: bytes) -> None:
    """Writes a whole file in one step."""
    with writing(path) as file:
        file.write(data)


def make_folder(path: str) -> None:
    """Makes a folder and its parents; one that is there is fine."""
    if "://" not in path:
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            raise WriteFailed(path, error) from error


def remove(path: str) -> None:
    """Removes a file, or a folder with all in it; one that is not there is fine."""
    with contextlib.suppress(BeamIOError, FileNotFoundError, OSError):
        FileSystems.delete([path])
