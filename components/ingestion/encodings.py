"""A label file's bytes to text: its encoding is told by its first bytes, by Unicode's own rules, or by names of files."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from components.ingestion.files_found import has_video_ending
from expansion.foundation.errors import InputError

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
# What Excel and editors save in where nobody asks for Unicode: Europe's four, two of Chinese, Japanese, Korean.
OTHER_ENCODINGS = ("cp1252", "cp1250", "cp1251", "mac_roman", "gb18030", "shift_jis", "big5", "euc_kr")
SHOWN_OF_A_LINE = 80  # letters
_SEPARATED = re.compile("[,;\t|]")


def shown(line: str) -> str:
    """A line of a label file in a message: quoted, and not too long."""
    return repr(line if len(line) <= SHOWN_OF_A_LINE else line[:SHOWN_OF_A_LINE] + "...")


def decode(data: bytes, name: str, is_known: Callable[[str], bool] = lambda text: False) -> tuple[str, str]:
    """(text without byte order mark, encoding).

    Args:
        is_known: whether a video of that name is there. Names of files tell encodings that tell nothing of themselves.

    Raises:
        InputError: not UTF-8, UTF-16 or UTF-32, and no name of a file tells which else.
    """
    encoding = next((found for mark, found in BYTE_ORDER_MARKS.items() if data.startswith(mark)), None)
    head = data[:200]
    if encoding is None and head.count(0) > len(head) // 4:  # UTF-16 without a mark: every second byte of plain letters is 0
        encoding = "utf-16-le" if head[1::2].count(0) > head[0::2].count(0) else "utf-16-be"
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding not in (None, "utf-8"):
            raise InputError(f"label file {name!r} is not {encoding.upper()}, which it begins as (byte {error.start})") from None
        for other in OTHER_ENCODINGS:
            if (text := _told_by_names(data, other, is_known)) is not None:
                return text, other
        line, number = _line_at(data, error.start)
        raise InputError(f"label file {name!r} is not UTF-8 (line {number}: {shown(line)}); save it as UTF-8, in Excel as "
                         "'CSV UTF-8'") from None
    return text.removeprefix("\ufeff"), re.sub("-[lb]e$", "", encoding or "utf-8")


def _line_at(data: bytes, place: int) -> tuple[str, int]:
    """(the line of a byte, with what is not ASCII escaped; its number from 1)."""
    number = data.count(b"\n", 0, place)
    return data.split(b"\n")[number].decode("ascii", "backslashreplace").strip(), number + 1


def _told_by_names(data: bytes, encoding: str, is_known: Callable[[str], bool]) -> str | None:
    """The text, if in this encoding some names of files are there, and none that is not ASCII is absent."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    pieces = {piece.strip().strip('"') for line in text.splitlines() if not line.isascii()
              for piece in (*_SEPARATED.split(line), *line.rsplit(None, 1))}
    known = {piece for piece in pieces if not piece.isascii() and is_known(piece)}
    lacking = {piece for piece in pieces - known if not piece.isascii() and has_video_ending(piece)
               and not _SEPARATED.search(piece)}
    return text if known and not lacking else None
