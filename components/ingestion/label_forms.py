"""What the rows of a label file say: videos with their class, split, group and stretch. CSV, text lists, Kinetics CSV."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from components.ingestion.encodings import shown
from components.ingestion.entries import SPLIT_NAMES, Entry, composed
from components.ingestion.files_found import has_video_ending
from components.ingestion.label_files import Row, Table, column_of_paths, counts_up, read_table
from components.ingestion.names import Names, inside
from expansion.foundation.errors import InputError

CSV_COLUMNS = ("path", "label", "split", "group", "start", "end")
KINETICS_COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
NO_LABEL = ""  # of an entry whose line names none; see labels_of_folders
_UNNAMED = re.compile(r"(unnamed: \d+)?")


def split_name(text: str, where: str) -> str | None:
    """The split a word stands for; None for an empty word."""
    word = text.strip().lower()
    if word and word not in SPLIT_NAMES:
        raise InputError(f"{where}: unknown split {text.strip()!r}; allowed are {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES.get(word)


def read_rows(data: bytes, name: str, names: Names, form: str = "auto") -> tuple[list[Entry], list[str]]:
    """The videos that a label file of lines names, in its order, and how it was understood.

    Args:
        data: the file.
        name: of the file, for messages.
        names: the files of the folder of videos.
        form: "csv", "text", "kinetics", or "auto" to find out.

    Raises:
        InputError: a line cannot be read; says which, and what was expected.
    """
    table = read_table(data, name, names.is_video, names.is_known, "csv" if form == "kinetics" else form)
    if form == "kinetics" or (form == "auto" and table.header and "youtube_id" in table.header):
        return parse_kinetics(table, names), [table.understood()]
    parse = parse_text if table.separator is None else parse_csv
    entries, how = parse(table, names)
    return entries, [table.understood() + how]


def _columns(table: Table, needed: Sequence[str], allowed: Sequence[str] | None) -> dict[str, int]:
    """Column -> its place, of a table with a header. Columns without a name, and those that only count, are passed over."""
    where = f"{table.name}, line {table.header_line}"
    line = shown((table.separator or " ").join(table.header))
    found: dict[str, int] = {}
    for place, column in enumerate(table.header):
        if column in found:
            raise InputError(f"{where}: the header names {column!r} twice: {line}")
        if allowed is None or column in allowed:
            found[column] = place
    lacking = [column for column in needed if column not in found]
    if lacking:
        raise InputError(f"{where}: the header must name {' and '.join(needed)}; it lacks {lacking[0]!r}: {line}")
    for place, column in enumerate(table.header):
        cells = [row.cells[place] for row in table.rows if place < len(row.cells)]
        if column not in found and not _UNNAMED.fullmatch(column) and not counts_up(cells):
            raise InputError(f"{where}: unknown column {column!r}; allowed are {', '.join(allowed)}")
    return found


def _cells(table: Table, row: Row, columns: dict[str, int], width: int) -> dict[str, str]:
    """Column -> cell of a row that has as many cells as it should."""
    if len(row.cells) < width or any(row.cells[width:]):
        raise InputError(f"{table.where(row)}: {len(row.cells)} cells under {width} columns: {table.text(row)}; "
                         f"a cell that holds {table.separator!r} must be quoted")
    return {column: row.cells[place] for column, place in columns.items()}


def _without_header(table: Table, names: Names) -> dict[str, int]:
    """Column -> its place, of a table without a header, as far as the cells tell."""
    width = len(table.rows[0].cells)
    path = column_of_paths(table, names.is_video)
    path = 0 if path is None and width == 2 else path
    rest = []
    for place in range(width) if path is not None else ():
        cells = [row.cells[place] for row in table.rows if place < len(row.cells)]
        if place != path and any(cells) and not (width > 2 and counts_up(cells)):
            rest.append(place)
    splits = [place for place in rest if all(
        row.cells[place].lower() in SPLIT_NAMES for row in table.rows if place < len(row.cells))]
    if len(rest) == 2 and len(splits) == 1:
        rest.remove(splits[0])
        return {"path": path, "label": rest[0], "split": splits[0]}
    if path is None or len(rest) > 1:
        raise InputError(f"{table.where(table.rows[0])}: a CSV without a header is read where each line is a path and a label; "
                         f"else the first line must name the columns {_form()}; got {table.text(table.rows[0])}")
    return {"path": path, "label": rest[0]} if rest else {"path": path}


def _form() -> str:
    return "path,label" + "".join(f"[,{column}]" for column in CSV_COLUMNS[2:])


def _seconds(text: str, column: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(re.sub(r"^(\d+),(\d+)$", r"\1.\2", text))  # as Excel writes it in half of the world
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"{where}: {column} must be a number of seconds of at least 0, got {text!r}")
    return value


def _stretch(video: str, start: float | None, end: float | None, where: str) -> str:
    """The id of a video's stretch."""
    if end is not None and end <= (start or 0.0):
        raise InputError(f"{where}: the end ({end:g} s) is not after the start ({start or 0.0:g} s)")
    return video if start is None and end is None else f"{video}#{start or 0.0:g}-{'' if end is None else f'{end:g}'}"


def entry(names: Names, source: str, missing: bool, label: str, split: str | None = None, group: str | None = None,
          start: float | None = None, end: float | None = None, video_id: str | None = None) -> Entry:
    """An entry of a file in the folder of videos."""
    return Entry(os.path.join(names.root, source), source, composed(label), split, group, start, end, video_id or source, missing)


def parse_csv(table: Table, names: Names) -> tuple[list[Entry], str]:
    """Columns path,label[,split][,group][,start][,end], and what was made of them where no header says it."""
    if table.header is not None:
        columns, width, how = _columns(table, ("path", "label"), CSV_COLUMNS), len(table.header), ""
    elif table.rows:
        columns, width = _without_header(table, names), len(table.rows[0].cells)
        how = ": " + ", ".join(f"{column} is column {place + 1}" for column, place in columns.items())
    else:
        return [], ""
    entries = []
    for row in table.rows:
        where, cells = table.where(row), _cells(table, row, columns, width)
        if not cells.get("label", "x"):
            raise InputError(f"{where}: {cells['path']!r} has an empty label")
        source, missing = names.find(cells["path"], where)
        start, end = (_seconds(cells.get(column, ""), column, where) for column in ("start", "end"))
        entries.append(entry(names, source, missing, cells.get("label", NO_LABEL), split_name(cells.get("split", ""), where),
                             cells.get("group") or None, start, end, _stretch(source, start, end, where)))
    return entries, how


def parse_text(table: Table, names: Names) -> tuple[list[Entry], str]:
    """One video a line, `path label`; the last word is the label, so a path may hold spaces.

    Also read are labels of several words after a video that is there, labels before the path, and lines of paths alone.
    """
    said: list[tuple[Row, str, str]] = [(row, *_path_and_label(row.cells[0], names)) for row in table.rows]
    single = {label for _, _, label in said if " " not in label}
    entries = []
    for row, path, label in said:
        where, words = table.where(row), label.split()
        if not path or label == NO_LABEL and not names.is_video(path):
            raise InputError(f"{where}: expected `path label`, got {row.cells[0]!r}")
        if len(words) > 1 and (all(word.isdigit() for word in words) or single.issuperset(words)):
            raise InputError(f"{where}: expected one label a video, got {label!r} for {path!r}")
        source, missing = names.find(path, where)
        entries.append(entry(names, source, missing, label))
    spaced = sum(" " in label for _, _, label in said)
    return entries, f": {spaced} labels of several words" if spaced else ""


def _path_and_label(line: str, names: Names) -> tuple[str, str]:
    """The two of a line of a text list."""
    words = line.rsplit(None, 1)
    turned = has_video_ending(words[-1]) and not has_video_ending(words[0])  # a label "3", and there is a video 3.mp4
    if len(words) == 2 and names.is_video(words[0]) and not turned:
        return words[0], words[1]
    if len(words) == 1 or names.is_known(line):
        return line, NO_LABEL
    ends = [match.start() for match in re.finditer(r"\s+", line)]
    for at in reversed(ends[:-1]):
        if names.is_video(line[:at]):
            return line[:at], " ".join(line[at:].split())
    label, rest = line.split(None, 1)
    if names.is_known(rest):
        return rest, label
    if names.is_video(line):
        return line, NO_LABEL
    return words[0], words[1]


def parse_kinetics(table: Table, names: Names) -> list[Entry]:
    """Kinetics CSV; a file is <id>_<start>_<end>.* (six digits each, already cut) or <id>.* (cut here)."""
    if table.header is None:
        raise InputError(f"{table.name}: the first line must name the columns {', '.join(KINETICS_COLUMNS[:4])}")
    columns = _columns(table, KINETICS_COLUMNS[:4], None)
    entries = []
    for row in table.rows:
        where, cells = table.where(row), _cells(table, row, columns, len(table.header))
        if not cells["label"] or not cells["youtube_id"]:
            raise InputError(f"{where}: label and youtube_id must not be empty")
        start, end = (_seconds(cells[column], column, where) for column in ("time_start", "time_end"))
        if start is None or end is None:
            raise InputError(f"{where}: time_start and time_end must not be empty")
        _stretch(cells["youtube_id"], start, end, where)
        cut = f"{cells['youtube_id']}_{int(start):06d}_{int(end):06d}"
        file = names.by_stem(cut)
        whole = names.by_stem(cells["youtube_id"]) if file is None else None
        source = inside(names.root, file or whole or f"{cut}.mp4", where)
        missing = not os.path.isfile(os.path.join(names.root, source)) if not (file or whole) else False
        times = (start, end) if whole else (None, None)
        entries.append(entry(names, source, missing, cells["label"], split_name(cells.get("split", ""), where),
                             cells["youtube_id"], *times, cut))
    return entries
