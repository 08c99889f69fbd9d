"""Small files on any file system that fsspec reaches; a file appears under its name only when it is whole."""

from __future__ import annotations

import json
import os

import fsspec

KERAS_MODEL = "model.keras"  # a network's file, in whatever folder holds one


def _file_system(path: str):
    return fsspec.core.url_to_fs(os.fspath(path))


def exists(path: str) -> bool:
    system, name = _file_system(path)
    return system.exists(name)


def read_text(path: str) -> str:
    system, name = _file_system(path)
    with system.open(name, "r", encoding="utf-8") as file:
        return file.read()


def write_text(path: str, text: str) -> None:
    """Writes beside the target and renames, so that a reader never sees half a file."""
    system, name = _file_system(path)
    system.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    partial = f"{name}.partial"
    with system.open(partial, "w", encoding="utf-8") as file:
        file.write(text)
    if "file" in system.protocol or "local" in system.protocol:
        os.replace(partial, name)
    else:
        system.mv(partial, name)


def read_json(path: str):
    return json.loads(read_text(path))


def write_json(path: str, content) -> None:
    write_text(path, json.dumps(content, indent=1))


def matching(pattern: str) -> list[str]:
    """Full paths that match a glob pattern, sorted."""
    system, name = _file_system(pattern)
    found = sorted(system.glob(name))
    return found if "://" not in pattern else [system.unstrip_protocol(path) for path in found]
