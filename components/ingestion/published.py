"""Published label files in forms of their own: Something-Something V2's JSON, HMDB51's lists, UCF101's names of classes."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from dataclasses import replace

from components.ingestion.encodings import decode, shown
from components.ingestion.entries import SPLIT_NAMES, Entry, composed, shorten
from components.ingestion.label_forms import NO_LABEL, entry, split_name
from components.ingestion.names import Names
from expansion.foundation import files
from expansion.foundation.errors import InputError

HMDB_FILE = re.compile(r"(.+)_test_split(\d)\.txt")
HMDB_SPLITS = {"1": "train", "2": "test"}
UCF_CLASSES = "classInd.txt"  # beside UCF101's lists: `number name` a line


def parse_json(data: bytes, name: str, names: Names) -> tuple[list[Entry], list[str]]:
    """Objects with id or path, and template (Something-Something V2) or label; how they were understood.

    Raises:
        InputError: it is not JSON, not a list of such objects, or has no labels.
    """
    text, _ = decode(data, name)
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not JSON: {error}".splitlines()[0]) from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{name}: expected a list of objects with id and template (Something-Something V2), or path and label; "
                         f"got {shown(text.strip())}")
    entries, from_template = [], 0
    for number, row in enumerate(rows, 1):
        where = f"{name}, object {number}"
        values = {key: str(value).strip() for key, value in row.items() if isinstance(value, (str, int))}
        path = values.get("path") or values.get("id")
        label = values.get("template", "").replace("[", "").replace("]", "") or values.get("label")
        if not path or not label:
            lacking = "id or path" if not path else "template or label (a test list without labels cannot be learnt from)"
            raise InputError(f"{where}: it lacks {lacking}: {shown(json.dumps(row, ensure_ascii=False))}")
        from_template += "template" in values
        source, missing = names.find(path, where)
        entries.append(entry(names, source, missing, label, split_name(values.get("split", ""), where), values.get("group")))
    how = "classes are the templates without their brackets" if from_template else "classes are the labels"
    return entries, [f"{name}: JSON, {len(entries)} objects, {how}"]


def hmdb_lists(path: str) -> dict[str, str] | None:
    """Class -> path of its list, where `path` is one of HMDB51's lists or the folder of them; None for others.

    A folder holds the lists of three splits, of which the first is taken; a list names its own.
    """
    folder, name = (path, "") if os.path.isdir(path) else os.path.split(path)
    match = HMDB_FILE.fullmatch(name)
    if not match and name:
        return None
    wanted = match[2] if match else "1"
    found = {}
    for other in files.names(folder or "."):
        of_class = HMDB_FILE.fullmatch(other)
        if of_class and of_class[2] == wanted:
            found[of_class[1]] = os.path.join(folder, other)
    return found or None


def parse_hmdb(lists: dict[str, str], names: Names) -> tuple[list[Entry], list[str]]:
    """HMDB51's lists: `file 1` for train, `file 2` for test, `file 0` for neither; the class is the list's name."""
    entries, neither = [], 0
    for label, path in sorted(lists.items()):
        text, _ = decode(files.read_bytes(path), os.path.basename(path))
        for number, line in enumerate(text.splitlines(), 1):
            words, where = line.rsplit(None, 1), f"{os.path.basename(path)}, line {number}"
            if not words:
                continue
            if len(words) != 2 or words[1] not in ("0", *HMDB_SPLITS):
                raise InputError(f"{where}: expected a file and 0, 1 (train) or 2 (test), got {shown(line.strip())}")
            if words[1] == "0":
                neither += 1
                continue
            found = names.by_name(words[0])
            of_class = [file for file in found if label in file.split("/")] or found
            source, missing = (of_class[0], False) if of_class else names.find(f"{label}/{words[0]}", where)
            entries.append(entry(names, source, missing, label, HMDB_SPLITS[words[1]]))
    number = HMDB_FILE.fullmatch(os.path.basename(next(iter(lists.values()))))[2]
    return entries, [f"HMDB51's lists of split {number}: {len(lists)} classes, {neither} videos in neither train nor test; "
                     f"another split by naming one of its lists, such as {sorted(lists)[0]}_test_split2.txt"]


def named_by_index(entries: list[Entry], folder: str) -> tuple[list[Entry], list[str]]:
    """The entries with names of classes for their numbers, where UCF101's classInd.txt lies beside their list."""
    path = os.path.join(folder, UCF_CLASSES)
    labels = {one.label_text for one in entries} - {NO_LABEL}
    if not labels or not all(label.isdigit() for label in labels) or not os.path.isfile(path):
        return entries, []
    text, _ = decode(files.read_bytes(path), UCF_CLASSES)
    of_number = {words[0]: composed(words[1]) for line in text.splitlines() if len(words := line.split(None, 1)) == 2}
    if not labels <= set(of_number):
        return entries, []
    named = [replace(one, label_text=of_number.get(one.label_text, one.label_text).strip()) for one in entries]
    return named, [f"numbers of classes were given their names in {UCF_CLASSES}"]


def labels_of_folders(entries: list[Entry], lists: str) -> tuple[list[Entry], list[str]]:
    """The entries of lists in which lines lack a label, as UCF101's test lists: then the classes are the folders.

    Raises:
        InputError: a path without a folder, or labels of the other lines that do not follow the folders.
    """
    bare = [one for one in entries if one.label_text == NO_LABEL]
    if not bare:
        return entries, []
    loose = [one.source for one in entries if "/" not in one.source]
    if loose:
        raise InputError(f"{lists}: expected `path label`; {len(bare)} lines have no label, such as {bare[0].source!r}, and "
                         f"the folder cannot be the class of {shorten(loose)}")
    folders = [composed(one.source.split("/")[-2]) for one in entries]
    seen = defaultdict(set)
    for one, folder in zip(entries, folders):
        if one.label_text != NO_LABEL:
            seen[one.label_text].add(folder)
    several = [label for label, of_it in seen.items() if len(of_it) > 1]
    shared = len({folder for of_it in seen.values() for folder in of_it}) < len(seen)
    if several or shared or any(folder.lower() in SPLIT_NAMES for folder in folders):
        raise InputError(f"{lists}: {len(bare)} lines have no label, such as {bare[0].source!r}, and the folders are not the "
                         f"classes of the others" + (f": label {several[0]!r} is in {shorten(sorted(seen[several[0]]))}"
                                                     if several else ""))
    told = [replace(one, label_text=folder) for one, folder in zip(entries, folders)]
    return told, [f"{len(bare)} lines have no label: classes are the folders of the paths"]
