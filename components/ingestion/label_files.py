"""A label file's bytes to a table: encoding, comments, separator and header are found out, and said in one line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.ingestion.encodings import decode, shown
from components.ingestion.files_found import has_video_ending
from expansion.foundation.errors import InputError

SEPARATORS = ",;\t|"
NAMES_OF = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
HEADER_WORDS = frozenset(("path", "label", "youtube_id"))  # a line with one of them, and no video, is a header
LOOKED_AT = 1000  # lines that tell which separator it is
NAMED = 0.5  # share of the lines that must name a video for a column to be the one of the paths

IsVideo = Callable[[str], bool]


@dataclass(frozen=True)
class Row:
    """The cells of a line, without the spaces around them, and its number in the file, from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A label file as rows of cells.

    Attributes:
        name: of the file, for messages.
        encoding: "utf-8", "utf-16" or "utf-32".
        separator: one of SEPARATORS; None for lists in which a line is `path label`, one cell a row.
        header: names of the columns, lower case; None where the file has none.
        rows: all lines but the header, comments and empty ones.
        comments: how many lines were passed over as comments.
        header_line: number of the header's line, from 1.
    """

    name: str
    encoding: str
    separator: str | None
    header: tuple[str, ...] | None
    rows: tuple[Row, ...]
    comments: int = 0
    header_line: int = 1

    def where(self, row: Row) -> str:
        """The file and line, for messages."""
        return f"{self.name}, line {row.line}"

    def text(self, row: Row) -> str:
        """The line about as it was found, for messages."""
        return shown((self.separator or " ").join(row.cells))

    def understood(self) -> str:
        """How the file was read, in one line."""
        what = [self.encoding.upper()]
        if self.separator is None:
            what.append("a list of `path label`")
        else:
            header = ", ".join(repr(name)[1:-1] or "(no name)" for name in self.header or ())
            what += [f"columns separated by {NAMES_OF.get(self.separator, repr(self.separator))}",
                     "no header" if self.header is None else f"header {header}"]
        if self.comments:
            what.append(f"{self.comments} lines beginning with # passed over" if self.comments > 1 else
                        "1 line beginning with # passed over")
        return f"{self.name}: {', '.join(what)}"


def read_table(data: bytes, name: str, is_video: IsVideo = has_video_ending, is_known: IsVideo = lambda text: False,
               form: str = "auto", header_words: frozenset[str] = HEADER_WORDS) -> Table:
    """The table that a label file holds.

    Args:
        name: of the file, for messages.
        is_video: whether a text names a video, there or not; tells paths from other cells.
        is_known: whether a video of that name is there.
        form: "csv" is a table with separators, "text" a list without; "auto" finds out.
        header_words: a first line with one of these cells, and no video, is a header.

    Raises:
        InputError: it cannot be decoded, or is no CSV where it began as one.
    """
    text, encoding = decode(data, name, is_known)
    lines = re.split(r"\r\n|\n|\r", text)
    at = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    told = None
    if at < len(lines) and (found := re.fullmatch(r'"?sep=(.)"?[,;\s]*', lines[at], re.IGNORECASE)):
        told, lines[at] = found[1], ""  # Excel's own line, of which it makes the separator
    first, comments = _first(lines, is_video, header_words)
    if first is None:
        return Table(name, encoding, None, None, (), comments)
    if form == "text":
        separator, header = None, _spaced_header(lines[first])
    else:
        separator, header = _separator(lines, first, told, (is_video, is_known), form, name, header_words)
    body = first if header is None else first + 1
    if separator is None:
        rows = [Row(number + 1, (lines[number].strip(),)) for number in range(body, len(lines)) if lines[number].strip()]
    else:
        rows = list(_rows(lines, body, separator, name))
    kept = [row for row in rows if not _is_comment(row.cells, is_video, header)]
    return Table(name, encoding, separator, header, tuple(kept), comments + len(rows) - len(kept), first + 1)


def _is_comment(cells: Sequence[str], is_video: IsVideo, header: Sequence[str] | None = None) -> bool:
    """A line that begins with # is one, unless it names a video or has all cells: a file or a class may be called '#1'."""
    if not cells[0].startswith("#") or header is not None and len(cells) == len(header):
        return False
    pieces = (*cells, *(cell.rsplit(None, 1)[0] for cell in cells if cell))
    return not any(is_video(piece.strip()) for piece in pieces)


def _is_comment_line(line: str, is_video: IsVideo) -> bool:
    return _is_comment((line.strip(), *re.split("[,;\t|]", line)), is_video)


def _first(lines: list[str], is_video: IsVideo, header_words: frozenset[str]) -> tuple[int | None, int]:
    """(index of the first line with content, comments before it). A header that is a comment loses its sign."""
    comments = 0
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        if not _is_comment_line(line, is_video):
            return index, comments
        bare = line.strip().lstrip("#").strip()
        if any(len(set(_header(bare, separator)) & header_words) > 1 for separator in SEPARATORS):
            lines[index] = bare
            return index, comments
        comments += 1
    return None, comments


def _header(line: str, separator: str) -> tuple[str, ...]:
    """Cells of a line in lower case; none where it is not CSV."""
    try:
        return tuple(cell.strip().lower() for cell in next(csv.reader([line], delimiter=separator, strict=True), []))
    except csv.Error:
        return ()


def _spaced_header(line: str) -> tuple[str, ...] | None:
    words = tuple(line.lower().split())
    return words if words in (("path", "label"), ("path",)) else None


def _separator(lines: list[str], first: int, told: str | None, tells: tuple[IsVideo, IsVideo], form: str, name: str,
               header_words: frozenset[str]):
    """(separator, header). A header with a word that is known decides; else what separates videos from labels."""
    is_video, is_known = tells
    for separator in [told] if told else SEPARATORS:
        cells = _header(lines[first], separator)
        words = header_words & set(cells)
        if len(cells) > 1 and (len(words) > 1 or words and not any(map(is_video, cells))):
            return separator, cells
    if told is None and form == "auto" and (words := _spaced_header(lines[first])):
        return None, words
    sample = [line for line in lines[first:] if line.strip() and not _is_comment_line(line, is_video)][:LOOKED_AT]
    shares = {separator: _share(sample, separator, is_video) for separator in ([told] if told else SEPARATORS)}
    best = max(shares, key=shares.get)
    listed = sum(_is_listed(line.strip(), is_video, is_known) for line in sample) / len(sample)
    tabs = best == "\t" and shares[best] == listed  # in a list, a tab is a space
    if told or form == "csv" or shares[best] > max(NAMED, listed - tabs):
        separator = best
    elif listed or not name.lower().endswith((".csv", ".tsv")):
        return None, None
    else:  # nothing names a video, and the ending says that it is a table
        separator = next((one for one in SEPARATORS if _even(sample, one)), None)
        return separator, None
    cells, rest = _header(lines[first], separator), sample[1:]
    if not any(map(is_video, cells)) and (form == "csv" or rest and _share(rest, separator, is_video) > NAMED):
        return separator, cells  # names nobody knows; whoever reads the table says what they should be
    return separator, None


def _is_listed(line: str, is_video: IsVideo, is_known: IsVideo) -> bool:
    """Whether a line is `path label` or a path alone; with a separator in the path only if there is such a file."""
    path, label = (line.rsplit(None, 1) + [""])[:2]
    if label and has_video_ending(label) and not has_video_ending(path):
        return is_known(line)
    paths = (path, line) if label else (line,)
    return any(is_known(one) or is_video(one) and not any(separator in one for separator in SEPARATORS) for one in paths)


def _even(lines: Sequence[str], separator: str) -> bool:
    counts = {len(_header(line, separator)) for line in lines}
    return len(counts) == 1 and min(counts) > 1


def _share(lines: Sequence[str], separator: str, is_video: IsVideo) -> float:
    """Share of the lines with a video in the column that has most of them; 0 where there is one column alone."""
    found: dict[int, int] = {}
    for line in lines:
        try:
            cells = next(csv.reader([line], delimiter=separator), [])
        except csv.Error:
            continue
        for column, cell in enumerate(cells if len(cells) > 1 else ()):
            if is_video(cell.strip()):
                found[column] = found.get(column, 0) + 1
    return max(found.values(), default=0) / len(lines)


def _rows(lines: list[str], body: int, separator: str, name: str):
    reader = csv.reader(io.StringIO("\n".join(lines[body:]), newline=""), delimiter=separator, strict=True)
    before = body
    try:
        for cells in reader:
            number, before = before + 1, body + reader.line_num
            if any(cell.strip() for cell in cells):
                yield Row(number, tuple(cell.strip() for cell in cells))
    except csv.Error as error:
        raise InputError(f"{name}, line {body + reader.line_num}: not CSV: {error}") from None


def column_of_paths(table: Table, is_video: IsVideo) -> int | None:
    """The column in which most cells name videos; None where in none half of them do."""
    width = max((len(row.cells) for row in table.rows), default=0)
    for tells in (has_video_ending, is_video):  # a label "3" may also be the name of a video 3.mp4
        counts = [sum(tells(row.cells[column]) for row in table.rows if column < len(row.cells)) for column in range(width)]
        best = max(range(width), key=counts.__getitem__, default=None)
        if best is not None and counts[best] > NAMED * len(table.rows):
            return best
    return None


def counts_up(cells: Sequence[str]) -> bool:
    """Whether cells are the numbers of their rows, from any first one: an index, and no label."""
    if len(cells) < 2 or not all(re.fullmatch(r"\d{1,15}", cell) for cell in cells):
        return False
    return all(int(cell) == int(cells[0]) + at for at, cell in enumerate(cells))
