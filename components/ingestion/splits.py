"""Puts every video into train, val or test, and refuses input that cannot be split honestly."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace

from components.ingestion.entries import Entry, shorten
from components.ingestion.settings import IngestSettings
from expansion.data.records import SPLITS
from expansion.foundation.errors import InputError


def class_names(entries: Iterable[Entry]) -> list[str]:
    """Names of the classes, sorted; by number where every name is a number. The index is the label."""
    names = sorted({name for entry in entries for name in entry.classes})
    if all(name.isascii() and name.isdigit() for name in names):
        names.sort(key=lambda name: (int(name), name))
    return names


def position(seed: int, use: str, key: str) -> float:
    """A number in [0, 1) that depends on nothing but the arguments."""
    value = hashlib.sha256(f"{seed}\0{use}\0{key}".encode("utf-8", "surrogateescape")).digest()[:8]
    return int.from_bytes(value, "big") / 2**64


def unit(entry: Entry) -> str:
    """What moves between splits as a whole: the group where there is one, else the video's file."""
    return f"g:{entry.group}" if entry.group is not None else f"v:{entry.source}"


def without_repeats(entries: tuple[Entry, ...]) -> tuple[list[Entry], list[tuple[Entry, str]]]:
    """Entries without rows that say the same twice, and those rows with what they repeat.

    Raises:
        InputError: the same video stands in two splits or under two labels.
    """
    first: dict[str, Entry] = {}
    kept, repeats = [], []
    for entry in entries:
        known = first.setdefault(entry.video_id, entry)
        if known is entry:
            kept.append(entry)
            continue
        for what in ("label_text", "split", "group"):
            one, two = getattr(known, what), getattr(entry, what)
            if one != two:
                word = what.removesuffix("_text")
                raise InputError(f"video {entry.video_id!r} is listed with two {word}s, {one!r} and {two!r}")
        repeats.append((entry, f"listed twice: {entry.video_id}"))
    return kept, repeats


def same_content(entries: list[Entry], keep: bool = False) -> tuple[list[Entry], list[tuple[Entry, str]]]:
    """Entries without byte-for-byte copies of other files, and the copies.

    Raises:
        InputError: a copy stands in another given split, or under another label, than its original, and not `keep`.
    """
    sizes = defaultdict(set)
    for entry in entries:
        if not entry.missing:
            sizes[_size(entry.path)].add(entry.source)
    originals: dict[tuple, Entry] = {}
    hashes: dict[str, str] = {}
    kept, copies = [], []
    for entry in entries:
        size = None if entry.missing else _size(entry.path)
        if not size or len(sizes[size]) < 2:
            kept.append(entry)
            continue
        if entry.source not in hashes:
            hashes[entry.source] = _hash(entry.path) or entry.source
        known = originals.setdefault((hashes[entry.source], entry.start, entry.end), entry)
        other_split, other_label = known.split != entry.split, known.label_text != entry.label_text
        if known is entry or (keep and (other_split or other_label)):
            kept.append(entry)
        elif other_split or other_label:
            message = "stands in two splits" if other_split else "has two labels"
            one, two = (getattr(e, "split" if other_split else "label_text") for e in (known, entry))
            raise InputError(
                f"the same video {message}: {known.source!r} ({one}) and {entry.source!r} ({two}); copies='keep' allows it"
            )
        else:
            copies.append((entry, f"same bytes as {known.source}"))
    return kept, copies


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _hash(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            value = hashlib.sha256()
            while chunk := file.read(1 << 20):
                value.update(chunk)
            return value.hexdigest()
    except OSError:
        return None


def assign(entries: list[Entry], settings: IngestSettings) -> tuple[list[Entry], list[str]]:
    """The same entries, each with a split and a group (the file where none was given); and a note on divided groups.

    Given splits are kept, and a group's videos without one follow the group. The rest is split by a hash of the
    group, else of the video, with `settings.ratios`. Where splits are given but none is val, val is taken from train
    by the same hash: a search cannot do without one. Hash splits of small classes are then repaired: a class with
    nothing in train gets its unit of lowest hash there; a class with nothing in val gives its training unit of highest
    hash, if no class loses its last training unit by that, else a test unit.

    Raises:
        InputError: a group in two splits (unless `settings.groups` keeps them: its videos without a split then follow the
            first), a class with one video, or a class without training videos.
    """
    given: dict[str, str] = {}
    divided: dict[str, None] = {}
    for entry in entries:
        if entry.split is None:
            continue
        known = given.setdefault(unit(entry), entry.split)
        if known != entry.split:
            what = f"group {entry.group!r}" if entry.group is not None else f"video {entry.source!r}"
            if settings.groups == "error":
                raise InputError(f"{what} stands in two splits, {known} and {entry.split}; groups='keep' keeps the splits as "
                                 "they are given")
            divided[what] = None
    if divided:
        return _as_given(entries, list(divided), settings)
    return _by_unit(entries, given, settings), []


def _as_given(entries: list[Entry], divided: list[str], settings: IngestSettings) -> tuple[list[Entry], list[str]]:
    """`assign` where groups stand in two splits: what a group has in one split is a group of its own there."""
    first: dict[str, str] = {}
    for entry in entries:
        if entry.split is not None:
            first.setdefault(unit(entry), entry.split)
    apart = [replace(entry, group=f"{entry.split or first.get(unit(entry), '')}\0{unit(entry)}") for entry in entries]
    given = {unit(one): one.split for one in apart if one.split is not None}
    found = _by_unit(apart, given, settings)
    of_source = [replace(one, group=entry.source if entry.group is None else entry.group)
                 for one, entry in zip(found, entries)]
    named = ", ".join(divided[:3]) + (f", ... ({len(divided)} in all)" if len(divided) > 3 else "")
    return of_source, [f"kept in two splits, as given: {named}"]


def _by_unit(entries: list[Entry], given: dict[str, str], settings: IngestSettings) -> list[Entry]:
    """The entries with the split of their unit: the given one, else by hash."""
    classes = defaultdict(set)  # class -> units
    for entry in entries:
        for name in entry.classes:
            classes[name].add(unit(entry))
    counts = Counter(name for entry in entries for name in entry.classes)
    several = entries[0].segments is not None  # rare classes then stand in videos of others
    single = sorted(name for name, count in counts.items() if count < 2)
    if single and not several:
        raise InputError(f"class with only one video: {shorten(single)}; each class needs at least 2")

    units = {unit(entry) for entry in entries}
    chosen = dict(given)
    free = units - set(given)
    if given and not free and "val" not in given.values():
        free = {key for key, split in given.items() if split == "train"}
        share = settings.ratio()["val"] / (settings.ratio()["train"] + settings.ratio()["val"])
        chosen.update((key, "val" if position(settings.seed, "split", key) >= 1 - share else "train") for key in free)
    else:
        for key in free:
            chosen[key] = _by_hash(position(settings.seed, "split", key), settings.ratio())
    _repair(chosen, classes, free, settings)
    absent = sorted(name for name, keys in classes.items() if not any(chosen[key] == "train" for key in keys))
    if absent and not several:
        raise InputError(f"class without a training video: {shorten(absent)}")
    return [
        replace(entry, split=chosen[unit(entry)], group=entry.source if entry.group is None else entry.group)
        for entry in entries
    ]


def _by_hash(value: float, ratio: dict[str, float]) -> str:
    edge = 0.0
    for split in SPLITS:
        edge += ratio[split]
        if value < edge:
            return split
    return max((split for split in SPLITS if ratio[split]), key=SPLITS.index)


def _repair(chosen: dict[str, str], classes: dict[str, set[str]], free: set[str], settings: IngestSettings) -> None:
    """Moves free units so that each class has one in train and, where it has two, one in val."""

    def order(keys):
        return sorted(keys, key=lambda key: (position(settings.seed, "split", key), key))

    def in_train(name):
        return [key for key in classes[name] if chosen[key] == "train"]

    of_unit = defaultdict(set)
    for name, keys in classes.items():
        for key in keys:
            of_unit[key].add(name)
    for name in sorted(classes):
        movable = order(classes[name] & free)
        if not in_train(name) and movable:
            chosen[movable[0]] = "train"
    if not settings.ratio()["val"]:
        return
    for name in sorted(classes):
        if any(chosen[key] == "val" for key in classes[name]):
            continue
        keys = order(classes[name] & free)
        spare = [key for key in keys if chosen[key] == "train" and all(len(in_train(other)) > 1 for other in of_unit[key])]
        tested = [key for key in keys if chosen[key] == "test"]
        if spare or tested:
            chosen[(spare or tested)[-1]] = "val"
