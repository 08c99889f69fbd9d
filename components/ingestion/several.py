"""Label files with several labels a video: CSV of `a;b`, CSV of segments, and Charades' own files. All odd lines are kept."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from components.ingestion.entries import Entry, composed, shorten
from components.ingestion.label_files import Row, Table, decode, read_table
from components.ingestion.label_forms import entry, split_name
from components.ingestion.names import Names
from expansion.foundation.errors import InputError
from expansion.tasks.segments import LabelFacts, Segment, count_oddities, count_positives
from expansion.tasks.task import TaskName

SEPARATOR = ";"  # of the labels of a video, and of Charades' actions
FORMS = ("multi-label", "segments", "charades")
_COLUMNS = {  # of each form: needed, further ones
    "multi-label": (("path", "label"), ("split", "group", "length")),
    "segments": (("path", "label", "start", "end"), ("split", "group", "length")),
    "charades": (("id", "actions", "length"), ()),
}
_TOGETHER = ("split", "group", "length")  # what all lines of a video have to say alike


def read_several(data: bytes, name: str, names: Names, form: str) -> tuple[list[Entry], list[str]]:
    """The videos that a label file names, each with all its labels, in its order; and how it was understood.

    Args:
        data: the file.
        name: of the file, for messages.
        names: the files of the folder of videos, folders of frames among them.
        form: of FORMS.

    Raises:
        InputError: a line cannot be read; says which, and what was expected.
    """
    table = read_table(data, name, names.is_video, form="csv", header_words=frozenset(_COLUMNS[form][0]))
    columns = _columns(table, form)
    if form == "charades":
        return [_of_charades(table, row, columns, names) for row in table.rows], [table.understood()]
    found: dict[str, Entry] = {}
    for row in table.rows:
        one = _of_line(table, row, columns, names)
        known = found.setdefault(one.source, replace(one, segments=()))
        for what in _TOGETHER:
            if getattr(known, what) != getattr(one, what):
                raise InputError(f"{table.where(row)}: {what} of {one.source!r} is {getattr(one, what)!r} here and "
                                 f"{getattr(known, what)!r} before")
        found[one.source] = replace(known, segments=(*known.segments, *one.segments))
    return [with_text(one) for one in found.values()], [table.understood()]


def is_charades(data: bytes) -> bool:
    """Whether a label file has the columns of Charades' own."""
    first = data[:4096].splitlines()[:1]
    cells = {cell.strip().strip('"').lower() for cell in first[0].decode("utf-8", "replace").split(",")} if first else set()
    return {"id", "subject", "scene", "actions", "length"} <= cells


def of_names(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Entries of a form of one label, where some name several as `a;b`: all then have segments; and a note.

    Raises:
        InputError: some are stretches of videos.
    """
    several = [one for one in entries if SEPARATOR in one.label_text]
    if not several:
        return list(entries), []
    stretch = next((one for one in entries if one.start is not None or one.end is not None), None)
    if stretch:
        raise InputError(f"{several[0].source!r} has the labels {several[0].label_text!r}, and {stretch.video_id!r} is a stretch "
                         "of a video: several labels go with whole videos; format 'segments' takes the times for the labels'")
    split = [replace(one, segments=_labels(one.label_text)) for one in entries]
    return [with_text(one) for one in split], [
        f"labels with {SEPARATOR!r} are several labels of a video; format 'csv' takes each for one name"]


def task_of(videos: Iterable[Sequence[Segment] | None]) -> TaskName:
    """What the labels of videos are for; None for the one label of a video."""
    videos = list(videos)
    if videos[0] is None:
        return "single-label"
    timed = any(segment.start is not None or segment.end is not None for segments in videos for segment in segments)
    return "localization" if timed else "multi-label"


def with_text(one: Entry) -> Entry:
    """The entry, with its labels as one text: each class once."""
    return replace(one, label_text=SEPARATOR.join(dict.fromkeys(segment.label for segment in one.segments)))


def _labels(cell: str, start: float | None = None, end: float | None = None) -> tuple[Segment, ...]:
    return tuple(Segment(composed(word.strip()), start, end) for word in cell.split(SEPARATOR) if word.strip())


def _columns(table: Table, form: str) -> dict[str, int]:
    needed, further = _COLUMNS[form]
    header = table.header or ()
    lacking = [column for column in needed if column not in header]
    if lacking:
        raise InputError(f"{table.name}: format {form!r} needs a header with the columns {', '.join(needed)}; it lacks "
                         f"{lacking[0]!r}")
    unknown = [column for column in header if column and column not in (*needed, *further)]
    if unknown and form != "charades":
        raise InputError(f"{table.name}: unknown column {unknown[0]!r}; allowed are {', '.join((*needed, *further))}")
    return {column: header.index(column) for column in (*needed, *further) if column in header}


def _cells(table: Table, row: Row, columns: dict[str, int]) -> dict[str, str]:
    if len(row.cells) != len(table.header):
        raise InputError(f"{table.where(row)}: {len(row.cells)} cells under {len(table.header)} columns: {table.text(row)}")
    return {column: row.cells[place] for column, place in columns.items()}


def _of_line(table: Table, row: Row, columns: dict[str, int], names: Names) -> Entry:
    cells, where = _cells(table, row, columns), table.where(row)
    source, missing = names.find(cells["path"], where)
    start, end = (_number(cells.get(column, ""), column, where) for column in ("start", "end"))
    one = entry(names, source, missing, "", split_name(cells.get("split", ""), where), cells.get("group") or None)
    return replace(one, segments=_labels(cells["label"], start, end), length=_length(cells.get("length", ""), where))


def _of_charades(table: Table, row: Row, columns: dict[str, int], names: Names) -> Entry:
    cells, where = _cells(table, row, columns), table.where(row)
    source = names.by_stem(cells["id"])
    one = entry(names, source or f"{cells['id']}.mp4", source is None, "", video_id=cells["id"])
    segments = []
    for action in filter(None, map(str.strip, cells["actions"].split(SEPARATOR))):
        words = action.split()
        if len(words) != 3:
            raise InputError(f"{where}: actions are `class start end`, separated by {SEPARATOR!r}; got {action!r}")
        segments.append(Segment(words[0], *(_number(word, column, where) for word, column in zip(words[1:], ("start", "end")))))
    return with_text(replace(one, segments=tuple(segments), length=_length(cells["length"], where)))


def _number(text: str, column: str, where: str) -> float | None:
    """Seconds; also negative ones, which are kept like others outside of the video."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {column} must be a number of seconds, got {text!r}")
    return value


def _length(text: str, where: str) -> float | None:
    value = _number(text, "length", where)
    if value is not None and value <= 0:
        raise InputError(f"{where}: length must be a number of seconds above 0, got {text!r}")
    return value


# Class lists


def read_classes(path: str) -> dict[str, str]:
    """What a label may be -> name of its class, of a class list with one class a line, in its order.

    A line is the name. Its first word is another way to say it, where no other line begins so: Charades' labels are "c008",
    its classes "c008 Opening a door".

    Raises:
        InputError: there is no such file, or no class or the same one twice in it.
    """
    if not os.path.isfile(path):
        raise InputError(f"class list {path!r} does not exist")
    with open(path, "rb") as file:
        text, _ = decode(file.read(), os.path.basename(path))
    lines = [composed(line.strip()) for line in text.splitlines() if line.strip()]
    twice = sorted({line for line in lines if lines.count(line) > 1})
    if twice or not lines:
        raise InputError(f"class list {path!r}: " + (f"{shorten(twice)} twice" if twice else "no class in it"))
    first = [line.split()[0] for line in lines]
    words = {word: line for word, line in zip(first, lines) if first.count(word) == 1}
    return {line: line for line in lines} | {word: line for word, line in words.items() if word not in lines}


def with_classes(entries: Sequence[Entry], path: str) -> tuple[list[Entry], list[str]]:
    """The entries with the names that a class list has for their labels, and all classes in its order.

    Raises:
        InputError: a label is in no line of it.
    """
    known = read_classes(path)
    unknown = sorted({segment.label for one in entries for segment in one.segments} - set(known))
    if unknown:
        first = next(one for one in entries if unknown[0] in {segment.label for segment in one.segments})
        raise InputError(f"label {unknown[0]!r} of {first.source!r} is in no line of the class list {path!r}"
                         + (f", nor are {len(unknown) - 1} others" if len(unknown) > 1 else ""))
    named = [replace(one, segments=tuple(segment._replace(label=known[segment.label]) for segment in one.segments))
             for one in entries]
    return [with_text(one) for one in named], list(dict.fromkeys(known.values()))


# What official files come to


def facts_of(path: str) -> tuple[LabelFacts, int]:
    """What Charades' annotations come to, and how many (video, point, class) are positive; no videos are needed.

    Of the official files that is 530,129 in train and 175,341 in test, 705,470 together.
    """
    with open(path, "rb") as file:
        entries, _ = read_several(file.read(), os.path.basename(path), Names("", ()), "charades")
    videos = [(one.segments, one.length) for one in entries]
    return count_oddities(videos), count_positives(videos)
