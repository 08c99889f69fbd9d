"""Reads which videos there are and what their labels say: folders, label files, published sets."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

from components.ingestion import several
from components.ingestion.entries import Entry, Listing, Unused, composed, shorten
from components.ingestion.files_found import (
    NOT_VIDEO,
    PICTURES,
    FilesFound,
    find_files,
    refuse_links_out,
    with_folders_of_frames,
)
from components.ingestion.label_forms import read_rows
from components.ingestion.layouts import parse_folders
from components.ingestion.names import Names
from components.ingestion.published import hmdb_lists, labels_of_folders, named_by_index, parse_hmdb, parse_json
from components.ingestion.settings import IngestSettings
from components.ingestion.several import with_classes
from expansion.foundation import files
from expansion.foundation.errors import InputError


def read_sources(settings: IngestSettings) -> Listing:
    """Everything of the input, as the settings say: labelled videos, and what else was found.

    Raises:
        InputError: the folder or a label file does not exist, a line cannot be read, a link leads out of the folder, or
            there are no videos.
    """
    root = settings.videos
    found = find_files(root, settings.links == "follow")
    if settings.frames_fps is not None:
        found = with_folders_of_frames(found)
    listing = _of_folders(root, found, settings.format) if settings.labels is None else _of_labels(settings, root, found)
    if settings.classes is not None:
        listing = _with_class_list(listing, settings.classes)
    if settings.links == "error":
        refuse_links_out(root, [entry.source for entry in listing.entries if not entry.missing])
    return listing


def _with_class_list(listing: Listing, path: str) -> Listing:
    if listing.entries[0].segments is None:
        raise InputError(f"classes names the class list {path!r}, which goes with several labels a video; these have one each")
    entries, classes = with_classes(listing.entries, path)
    empty = [name for name in classes if not any(name in one.classes for one in entries)]
    notes = [f"classes of the list that no video has: {shorten(empty)}"] if empty else []
    return replace(listing, entries=tuple(entries), classes=tuple(classes), notes=(*listing.notes, *notes),
                   label_files=(*listing.label_files, path))


def _of_folders(root: str, found: FilesFound, form: str) -> Listing:
    try:
        listing = parse_folders(root, found.videos, form)
    except InputError as error:
        if found.videos or not found.others:
            raise
        raise InputError(f"{error}; found are {_described(found.others)}") from None
    used = {top for entry in listing.entries for top in _folders(entry.source)}
    empty = [next((folder for folder in _folders(other.source) if folder not in used), None) for other in found.others]
    lost = sorted(set(empty) - {None, "."})
    notes = [f"folder without a video: {shorten(lost)}"] if lost else []
    return Listing(listing.entries, (*listing.unused, *found.others), (*found.notes, *listing.notes, *notes, *_alike(listing)))


def _folders(source: str) -> list[str]:
    """Paths of the folders that a path lies in, from the top."""
    parts = source.split("/")[:-1]
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]


def _described(others: tuple[Unused, ...]) -> str:
    first = others[0]
    return f"{first.source!r}: {first.detail}" + (f", and {len(others) - 1} more" if len(others) > 1 else "")


def _of_labels(settings: IngestSettings, root: str, found: FilesFound) -> Listing:
    by_split = settings.labels if isinstance(settings.labels, dict) else {None: settings.labels}
    names = Names(root, found.videos)
    entries: list[Entry] = []
    notes, read = list(found.notes), []
    for split, path in by_split.items():
        of_file, said, paths = _of_file(path, names, settings.format)
        if not of_file:
            raise InputError(f"label file {path!r} names no video")
        entries += [replace(one, split=split) for one in of_file] if split else of_file
        notes += said
        read += paths
    if settings.format not in several.FORMS:
        entries, said = labels_of_folders(entries, ", ".join(os.path.basename(path) for path in read[:2]))
        notes += said
    if settings.format == "auto":
        entries, said = several.of_names(entries)
        notes += said
    notes += names.notes()
    if not found.videos and all(entry.missing for entry in entries):
        raise InputError(f"no videos under {root!r}" + (f"; found are {_described(found.others)}" if found.others else ""))
    named = {entry.source for entry in entries}
    places = {os.path.realpath(path) for path in read}
    unused = [Unused(file, "no_label", "no label names it") for file in found.videos if file not in named]
    unused += [other for other in found.others if other.source not in named
               and not (other.reason == NOT_VIDEO and os.path.realpath(os.path.join(root, other.source)) in places)]
    pictures = {other.source.rstrip("/"): other for other in found.others if other.reason == PICTURES}

    def nearest(source: str) -> str | None:
        if source in pictures:
            return f"it is a folder of {pictures[source].detail}"
        near = names.nearest(source)
        return near and f"is it {near!r}?"

    listing = Listing(tuple(entries), tuple(unused), tuple(notes), tuple(read), nearest)
    return replace(listing, notes=(*listing.notes, *_alike(listing)))


def _of_file(path: str, names: Names, form: str) -> tuple[list[Entry], list[str], list[str]]:
    """(videos that a label file names, how it was understood, paths of what was read)."""
    if form in ("auto", "text") and (lists := hmdb_lists(path)):
        return *parse_hmdb(lists, names), sorted(lists.values())
    if not os.path.isfile(path):
        raise InputError(f"label file {path!r} " + ("is a folder" if os.path.isdir(path) else "does not exist"))
    data, name = files.read_bytes(path), os.path.basename(path)
    if form == "auto" and several.is_charades(data):
        form = "charades"
    if form in several.FORMS:
        return *several.read_several(data, name, names, form), [path]
    if form == "auto" and name.lower().endswith(".json"):
        return *parse_json(data, name, names), [path]
    entries, notes = read_rows(data, name, names, form)
    entries, said = named_by_index(entries, os.path.dirname(path))
    return entries, notes + said, [path]


def _alike(listing: Listing) -> list[str]:
    """A note on classes whose names differ in case or spaces alone."""
    folded = Counter(" ".join(name.casefold().split()) for name in {composed(one.label_text) for one in listing.entries})
    twice = sorted({one.label_text for one in listing.entries if folded[" ".join(one.label_text.casefold().split())] > 1})
    return [f"classes that differ in case or spaces alone are kept apart: {shorten(twice)}"] if twice else []
