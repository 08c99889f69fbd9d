"""Folders of videos to labelled videos: whether the folders are classes, splits, or both, on whichever level."""

from __future__ import annotations

import difflib
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from components.ingestion.entries import SPLIT_NAMES, Entry, Listing, Unused, composed, shorten
from expansion.foundation.errors import InputError

NEAR_SPLIT = 0.75  # of difflib: a folder's name is a misspelt split from here on
EXPECTED = "expected <class>/<video> or <split>/<class>/<video>"
WAY_OUT = "format='classes' takes the top folders for classes, format='splits' for splits"

Parts = tuple[str, ...]


def parse_folders(root: str, files: Iterable[str], form: str = "auto") -> Listing:
    """Class folders: class/video, split/class/video or class/split/video; folders around all of them are passed over.

    Args:
        root: the folder of videos.
        files: paths of the videos in it, relative.
        form: "classes" takes the top folders for classes, "splits" for splits, anything else tells from their names.

    Raises:
        InputError: no video is in a folder, or the folders are neither clearly splits nor clearly classes.
    """
    deep = {file: PurePosixPath(composed(file)).parts for file in files}
    notes, around = [], 0
    if form not in ("classes", "splits"):
        around = _around(deep.values())
        if around:
            notes.append(f"all videos are in {'/'.join(_first(deep.values(), around))!r}: classes are the folders in it")
    tops = _names(deep.values(), around)
    splits = {top for top in tops if top.casefold() in SPLIT_NAMES}
    by_split = form == "splits" or form != "classes" and bool(tops) and splits == tops
    if form == "splits" and splits != tops:
        raise InputError(f"under {root!r}: format='splits', but no split is {_named(tops - splits)}")
    split_at, class_at = (around, around + 1) if by_split else (None, around)
    if form not in ("classes", "splits") and not by_split:
        _refuse_mixed(root, deep.values(), around, tops, splits)
        if _are_splits(deep.values(), around + 1):
            split_at = around + 1
            notes.append(f"splits are the folders in the classes: {_named(_names(deep.values(), split_at))}")
    elif by_split and form != "splits":
        inner = _around(parts[around + 1 :] for parts in deep.values())
        if inner:
            class_at += inner
            notes.append(f"classes are the folders {inner} further down in the splits")
        _refuse_one_level_more(root, deep.values(), class_at)
    needed = max(class_at, split_at or 0) + 1
    entries, unused = [], []
    for file, parts in deep.items():
        if len(parts) <= needed:
            unused.append(Unused(file, "no_label", "in no class folder"))
            continue
        split = None if split_at is None else SPLIT_NAMES[parts[split_at].casefold()]
        entries.append(Entry(os.path.join(root, file), file, parts[class_at], split, None, None, None, file))
    if not entries:
        raise InputError(f"no videos in class folders under {root!r}: {EXPECTED}")
    return Listing(tuple(entries), tuple(unused), tuple(notes))


def _names(deep: Iterable[Parts], level: int) -> set[str]:
    """Names of the folders of a level; files there are none."""
    return {parts[level] for parts in deep if len(parts) > level + 1}


def _first(deep: Iterable[Parts], around: int) -> Parts:
    return next(parts[:around] for parts in deep if len(parts) > around)


def _named(names: Iterable[str]) -> str:
    return shorten(sorted(names))


def _around(deep: Iterable[Parts]) -> int:
    """How many folders lie around all classes: each is alone on its level, no video is in it, and folders are."""
    deep = list(deep)
    level = 0
    while True:
        tops = _names(deep, level)
        alone = len(tops) == 1 and not next(iter(tops)).casefold() in SPLIT_NAMES
        if not alone or any(len(parts) == level + 2 for parts in deep) or not _names(deep, level + 1):
            break
        level += 1
    inner = _names(deep, level)
    return level if len(inner) > 1 or any(name.casefold() in SPLIT_NAMES for name in inner) else 0


def _are_splits(deep: Iterable[Parts], level: int) -> bool:
    """Whether all videos in class folders lie in folders named after splits, more than one of them."""
    deep = [parts for parts in deep if len(parts) > level]
    names = _names(deep, level)
    named = len(names) > 1 and all(name.casefold() in SPLIT_NAMES for name in names)
    return named and all(len(parts) > level + 1 for parts in deep)


def like_split(name: str) -> str | None:
    """The split that a folder's name seems to mean: one of its words, or a misspelt one; None for other names."""
    words = re.findall(r"[a-z]+", name.casefold())
    for word in words:
        bare = re.sub(r"(set|data|split|videos?|s)$", "", word)
        for known in (word, bare):
            if known in SPLIT_NAMES:
                return SPLIT_NAMES[known]
    whole = "".join(words)
    swapped = [known for known in SPLIT_NAMES if sorted(known) == sorted(whole)]
    close = swapped or difflib.get_close_matches(whole, SPLIT_NAMES, 1, NEAR_SPLIT)
    return SPLIT_NAMES[close[0]] if close else None


def _refuse_mixed(root: str, deep: Iterable[Parts], around: int, tops: set[str], splits: set[str]) -> None:
    """Refuses top folders that are neither clearly splits nor clearly classes."""
    others = tops - splits
    meant = {name: like_split(name) for name in others}
    near = sorted(name for name in others if meant[name])
    asked = f"; is {near[0]!r} {meant[near[0]]}?" if near else ""
    if splits:
        raise InputError(f"under {root!r}: splits or classes? {_named(splits)} beside {_named(others)}{asked}; "
                         f"move what is no split; {WAY_OUT}")
    if len(set(meant.values()) - {None}) > 1 and all(meant.values()):
        raise InputError(f"under {root!r}: splits or classes? {_named(tops)} seem to be splits{asked}; they are called "
                         f"train, val and test; {WAY_OUT}")
    inner_splits = {name for name in _names(deep, around + 1) if name.casefold() in SPLIT_NAMES}
    if inner_splits and not _are_splits(deep, around + 1):
        inner = _names(deep, around + 1) - inner_splits
        beside = f"beside {_named(inner)}" if inner else "beside videos"
        raise InputError(f"under {root!r}: in the class folders is {_named(inner_splits)} {beside}: splits or not? {WAY_OUT}")
    if not inner_splits:
        _refuse_one_level_more(root, deep, around)


def _refuse_one_level_more(root: str, deep: Iterable[Parts], level: int) -> None:
    """Refuses folders that are numbered or look like splits and hold the same folders: those may be the classes."""
    inner = defaultdict(set)
    for parts in deep:
        if len(parts) > level + 2:
            inner[parts[level]].add(parts[level + 1])
    if len(inner) < 2 or set(inner) != _names(deep, level):
        return
    shared = set.intersection(*inner.values())
    stems = {re.sub(r"[\W_][a-z]$|[\d\W_]+", "", name.casefold()) for name in inner}
    if len(shared) > 1 and (len(stems) == 1 or any(like_split(name) for name in inner)):
        raise InputError(f"under {root!r}: which folders are the classes? {_named(inner)} all hold {_named(shared)}; {EXPECTED}; "
                         f"format='classes' takes the top folders for classes")
