"""What identifies a piece of work, as flat JSON: its keys, its fingerprint, and what differs from another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def flat(values: Mapping) -> dict[str, object]:
    """Nested dictionaries as one, by dotted keys."""
    found: dict[str, object] = {}
    for key, value in values.items():
        inner = flat(value) if isinstance(value, Mapping) else None
        found |= {f"{key}.{name}": part for name, part in inner.items()} if inner else {str(key): value}
    return found


def fingerprint(*parts, digits: int = 12) -> str:
    """The first hex digits of the SHA-256 of the parts' canonical JSON: the same in every process and on every machine.

    Args:
        digits: 12 are enough for the pieces of work of one folder; 64 are all.
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def differences(there: Mapping, here: Mapping) -> list[str]:
    """A line for each key whose value is another, by name: `recipe.batch is 8 there and 16 here`."""
    return [f"{key} is {there.get(key)!r} there and {here.get(key)!r} here"
            for key in sorted(there.keys() | here.keys()) if there.get(key) != here.get(key)]
