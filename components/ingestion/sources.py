"""Reads which videos there are and what their labels say: class folders, CSV, text lists, Kinetics CSV."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from components.ingestion.settings import IngestSettings
from expansion.foundation.errors import InputError

VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv".split()
)
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
CSV_COLUMNS = ("path", "label", "split", "group", "start", "end")
KINETICS_COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
SHOWN = 3  # names in an error before "..."


@dataclass(frozen=True)
class Entry:
    """One labelled video, or a stretch of one.

    Attributes:
        path: where the file is.
        source: the path relative to the videos' folder, with forward slashes.
        label_text: name of the class.
        split: "train", "val" or "test"; None where none was given.
        group: videos of one group never stand in two splits; None where none was given.
        start, end: seconds of the stretch; None for the whole video.
        video_id: unique in the data set.
        missing: the label file names it, but there is no such file.
    """

    path: str
    source: str
    label_text: str
    split: str | None
    group: str | None
    start: float | None
    end: float | None
    video_id: str
    missing: bool = False


@dataclass(frozen=True)
class Listing:
    """What was found: labelled videos in a stable order, and files without a label (relative paths)."""

    entries: tuple[Entry, ...]
    unlabelled: tuple[str, ...]


def shorten(names) -> str:
    """The first few names, and how many there are in all."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown}, ... ({len(names)} in all)"


def list_videos(root: str, follow: bool = False) -> list[str]:
    """Relative paths of all video files under a folder, sorted; hidden files and folders are left out.

    Links to folders are walked if `follow`, else left out, and one that leads out of the root is an error.

    Raises:
        InputError: the folder does not exist or is not a folder, or a link leads out of it.
    """
    if not os.path.isdir(root):
        state = "is not a folder" if os.path.exists(root) else "does not exist"
        raise InputError(f"folder of videos {root!r} {state}")
    found, walked = [], set()
    for folder, folders, files in os.walk(root, followlinks=follow):
        if os.path.realpath(folder) in walked:
            folders.clear()
            continue
        walked.add(os.path.realpath(folder))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not follow:
            refuse_links_out(root, [os.path.relpath(os.path.join(folder, name), root) for name in folders])
        for name in files:
            if not name.startswith(".") and PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES:
                found.append(Path(os.path.relpath(os.path.join(folder, name), root)).as_posix())
    return sorted(found)


def refuse_links_out(root: str, sources) -> None:
    """Raises InputError where the real place of one of the paths under the root is outside of it."""
    base = os.path.realpath(root)
    real = {source: os.path.realpath(os.path.join(root, source)) for source in sources}
    out = [source for source, path in real.items() if os.path.commonpath([base, path]) != base]
    if out:
        raise InputError(f"symbolic link out of the folder of videos: {shorten(out)}; links='follow' allows it")


def split_name(text: str, where: str) -> str | None:
    """The split a word stands for; None for an empty word."""
    word = text.strip().lower()
    if word and word not in SPLIT_NAMES:
        raise InputError(f"{where}: unknown split {text.strip()!r}; allowed are {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES.get(word)


def inside(root: str, path: str, where: str) -> str:
    """A label's path relative to the root, with forward slashes.

    Raises:
        InputError: the path is empty or leaves the root, by `..` or by being absolute.
    """
    if "\0" in path:
        raise InputError(f"{where}: a path cannot hold a null byte")
    base = os.path.abspath(root)
    full = os.path.normpath(os.path.join(base, path))
    if full != base and os.path.commonpath([base, full]) == base:
        return Path(os.path.relpath(full, base)).as_posix()
    raise InputError(f"{where}: path {path!r} {'leaves' if full != base else 'is not a file in'} the folder of videos")


def parse_folders(root: str, files: list[str]) -> Listing:
    """Class folders: class/video, or split/class/video where every top folder is named after a split."""
    tops = {PurePosixPath(file).parts[0] for file in files if "/" in file}
    by_split = bool(tops) and all(top.lower() in SPLIT_NAMES for top in tops)
    depth = 2 if by_split else 1
    entries, unlabelled = [], []
    for file in files:
        parts = PurePosixPath(file).parts
        if len(parts) <= depth:
            unlabelled.append(file)
            continue
        split = SPLIT_NAMES[parts[0].lower()] if by_split else None
        entries.append(Entry(os.path.join(root, file), file, parts[depth - 1], split, None, None, None, file))
    if not entries:
        raise InputError(f"no videos in class folders under {root!r}: expected <class>/<video> or <split>/<class>/<video>")
    return Listing(tuple(entries), tuple(unlabelled))


def _seconds(text: str, column: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"{where}: {column} must be a number of seconds of at least 0, got {text!r}")
    return value


def _rows(lines: list[str], name: str, needed: tuple[str, ...], allowed: tuple[str, ...] | None):
    """(where, row) for each line of a CSV with a header; cells are stripped, keys are lower case."""
    reader = csv.reader(lines, strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        lacking = [column for column in needed if column not in header]
        if lacking:
            raise InputError(f"{name}: the first line must name the columns {', '.join(needed)}; it lacks {lacking[0]!r}")
        unknown = [column for column in header if allowed is not None and column not in allowed]
        if unknown:
            raise InputError(f"{name}: unknown column {unknown[0]!r}; allowed are {', '.join(allowed)}")
        for cells in reader:
            where = f"{name}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise InputError(f"{where}: {len(cells)} cells under {len(header)} columns")
            yield where, {column: cell.strip() for column, cell in zip(header, cells)}
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: not CSV: {error}") from None


def _stretch(video: str, start: float | None, end: float | None, where: str) -> str:
    """The id of a video's stretch."""
    if end is not None and end <= (start or 0.0):
        raise InputError(f"{where}: the end ({end:g} s) is not after the start ({start or 0.0:g} s)")
    return video if start is None and end is None else f"{video}#{start or 0.0:g}-{'' if end is None else f'{end:g}'}"


def parse_csv(root: str, files: list[str], lines: list[str], name: str) -> Listing:
    """CSV with a header: path,label[,split][,group][,start][,end]."""
    known, entries = set(files), []
    for where, row in _rows(lines, name, ("path", "label"), CSV_COLUMNS):
        source = inside(root, row["path"], where)
        if not row["label"]:
            raise InputError(f"{where}: {row['path']!r} has an empty label")
        start, end = (_seconds(row.get(column, ""), column, where) for column in ("start", "end"))
        split = split_name(row.get("split", ""), where)
        video_id = _stretch(source, start, end, where)
        entries.append(_entry(root, known, source, row["label"], split, row.get("group") or None, start, end, video_id))
    return _with_unlabelled(entries, files)


def parse_text(root: str, files: list[str], lines: list[str], name: str) -> Listing:
    """One video a line, `path label`; the last word is the label, so a path may hold spaces."""
    known, entries = set(files), []
    for number, line in enumerate(lines, 1):
        words = line.strip().rsplit(None, 1)
        if not words:
            continue
        where = f"{name}, line {number}"
        if len(words) != 2:
            raise InputError(f"{where}: expected `path label`, got {line.strip()!r}")
        source = inside(root, words[0], where)
        entries.append(_entry(root, known, source, words[1], None, None, None, None, source))
    return _with_unlabelled(entries, files)


def parse_kinetics(root: str, files: list[str], lines: list[str], name: str) -> Listing:
    """Kinetics CSV; a file is <id>_<start>_<end>.* (six digits each, already cut) or <id>.* (cut here)."""
    by_stem: dict[str, str] = {}
    for file in files:
        by_stem.setdefault(PurePosixPath(file).stem, file)
    known, entries = set(files), []
    for where, row in _rows(lines, name, KINETICS_COLUMNS[:4], None):
        if not row["label"] or not row["youtube_id"]:
            raise InputError(f"{where}: label and youtube_id must not be empty")
        start, end = (_seconds(row[column], column, where) for column in ("time_start", "time_end"))
        if start is None or end is None:
            raise InputError(f"{where}: time_start and time_end must not be empty")
        _stretch(row["youtube_id"], start, end, where)
        cut = f"{row['youtube_id']}_{int(start):06d}_{int(end):06d}"
        file = by_stem.get(cut)
        whole = by_stem.get(row["youtube_id"]) if file is None else None
        source = inside(root, file or whole or f"{cut}.mp4", where)
        times = (start, end) if whole else (None, None)
        split = split_name(row.get("split", ""), where)
        entries.append(_entry(root, known, source, row["label"], split, row["youtube_id"], *times, cut))
    return _with_unlabelled(entries, files)


def _entry(root, known, source, label, split, group, start, end, video_id) -> Entry:
    path = os.path.join(root, source)
    missing = source not in known and not os.path.isfile(path)
    return Entry(path, source, label, split, group, start, end, video_id, missing)


def _with_unlabelled(entries: list[Entry], files: list[str]) -> Listing:
    labelled = {entry.source for entry in entries}
    return Listing(tuple(entries), tuple(file for file in files if file not in labelled))


def read_lines(path: str) -> list[str]:
    """Lines of a label file (UTF-8, with or without a byte order mark)."""
    if not os.path.isfile(path):
        raise InputError(f"label file {path!r} does not exist")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return re.split(r"\r\n|\n|\r", file.read())
    except UnicodeDecodeError as error:
        raise InputError(f"label file {path!r} is not UTF-8 (byte {error.start})") from None


def detect(lines: list[str]) -> str:
    """The form of a label file, from its first line: "kinetics", "csv" or "text"."""
    first = lines[0] if lines else ""
    columns = {cell.strip().strip('"').lower() for cell in first.split(",")}
    if "youtube_id" in columns:
        return "kinetics"
    return "csv" if {"path", "label"} & columns and "," in first else "text"


PARSERS = {"csv": parse_csv, "text": parse_text, "kinetics": parse_kinetics}


def read_sources(settings: IngestSettings) -> Listing:
    """Every video of the input, as the settings say.

    Raises:
        InputError: the folder or a label file does not exist, a line cannot be read, a link leads out of the folder, or
            there are no videos.
    """
    root = settings.videos
    files = list_videos(root, settings.links == "follow")
    listing = _read_labels(settings, root, files)
    if settings.links == "error":
        refuse_links_out(root, [entry.source for entry in listing.entries if not entry.missing])
    return listing


def _read_labels(settings: IngestSettings, root: str, files: list[str]) -> Listing:
    if settings.labels is None:
        return parse_folders(root, files)
    by_split = settings.labels if isinstance(settings.labels, dict) else {None: settings.labels}
    entries: list[Entry] = []
    for split, path in by_split.items():
        lines = read_lines(path)
        form = detect(lines) if settings.format == "auto" else settings.format
        found = PARSERS[form](root, files, lines, os.path.basename(path)).entries
        if not found:
            raise InputError(f"label file {path!r} names no video")
        entries += [replace(entry, split=split) for entry in found] if split else found
    if not files and all(entry.missing for entry in entries):
        raise InputError(f"no videos under {root!r}")
    return _with_unlabelled(entries, files)
