"""A table that fits the screen: text is wrapped, figures are never cut, and columns that find no room come below."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from rich import box
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

MIN_TEXT = 20  # columns that a text is left when it is wrapped
CAPTION = 80  # columns of a caption, where the table itself is not wider
_PIECES = re.compile(r"[^\s,;/|_=-]*[\s,;/|_=-]?")  # where a text may be broken: after these, best of all


def as_shown(text: str) -> str:
    """A text with what would steer the terminal (control characters, marks that turn the direction) written as its code."""
    return "".join(character if unicodedata.category(character) not in ("Cc", "Cs") and character not in _TURNS
                   else character.encode("unicode_escape").decode() for character in text)


_TURNS = {chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def lines_as_shown(text: str) -> str:
    """The same of several lines."""
    return "\n".join(map(as_shown, text.split("\n")))


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most so many columns, broken after spaces and signs where that can be."""
    lines = [""]
    for piece in _PIECES.findall(text):
        if cell_len(lines[-1] + piece.rstrip()) <= width:
            lines[-1] += piece
        elif cell_len(piece.rstrip()) <= width:
            lines.append(piece)
        else:
            lines += chop_cells(piece, width)
    return [line.rstrip() for line in lines if line.strip()] or [""]


class FittedTable(Table):
    """A table of text cells, each shown as it is: names of classes and files may have brackets, or be long.

    Where it is wider than the screen, headings are wrapped, then the columns of text; where that is not enough, columns
    follow below, each part with the first column. Title and caption are as wide as the screen.

    Args:
        columns: headings; the first column is text, the others are figures and right-aligned.
        dense: one space between columns, not two.
        text: headings of further columns that are text.
    """

    def __init__(self, title: str, columns: Sequence[str], *, dense: bool = False, text: Sequence[str] = ()):
        super().__init__(title=Text(lines_as_shown(title), "bold"))
        self._dense, self._headings, self._lines = dense, [as_shown(column) for column in columns], []
        self._is_text = [place == 0 or column in text for place, column in enumerate(columns)]
        for heading, is_text in zip(self._headings, self._is_text):
            self.add_column(Text(heading), justify="left" if is_text else "right", no_wrap=True)

    def add_row(self, *cells: str, style: str | None = None) -> None:
        cells = tuple(as_shown(cell) for cell in cells)
        self._lines.append((cells, style))
        super().add_row(*map(Text, cells), style=style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator:
        if self.title:
            yield Text(self.title.plain, "bold", overflow="fold")
        parts = self._parts(options.max_width)
        for number, (places, widths) in enumerate(parts):
            if number:
                yield Text("")
            yield self._part(places, widths)
        if self.caption:
            caption = Text(lines_as_shown(str(self.caption)), "dim italic", overflow="fold")
            widest = max(self._taken(widths, places) for places, widths in parts)
            yield Constrain(caption, min(options.max_width, max(widest, CAPTION)))

    def _part(self, places: list[int], widths: dict[int, int]) -> Table:
        part = Table(box=box.SIMPLE_HEAD, padding=(0, 0 if self._dense else 1, 0, 0), show_edge=False)
        for place in places:
            lines = wrapped(self._headings[place], widths[place])
            part.add_column(Text("\n".join(lines)), justify="left" if self._is_text[place] else "right", no_wrap=True,
                            vertical="top", width=widths[place])
        for cells, style in self._lines:
            part.add_row(*(Text("\n".join(wrapped(cells[place], widths[place]))) for place in places), style=style)
        return part

    def _parts(self, room: int) -> list[tuple[list[int], dict[int, int]]]:
        """The columns of each part, and their widths."""
        columns = list(range(len(self._headings)))
        cells = [max((cell_len(row[place]) for row, _ in self._lines), default=0) for place in columns]
        heads = [cell_len(heading) for heading in self._headings]
        words = [max(map(cell_len, heading.split()), default=0) for heading in self._headings]
        widths = {place: max(cells[place], heads[place]) for place in columns}
        if self._taken(widths, columns) > room:
            widths = {place: max(cells[place], words[place]) for place in columns}
        over = self._taken(widths, columns) - room
        while over > 0 and (long := [n for n in columns if self._is_text[n] and widths[n] > max(MIN_TEXT, words[n])]):
            widest = max(long, key=widths.get)
            widths[widest] -= 1
            over -= 1
        if over <= 0:
            return [(columns, widths)]
        parts = []
        for place in columns[1:]:
            fits = parts and self._taken(widths, [*parts[-1], place]) <= room
            parts[-1].append(place) if fits else parts.append([0, place])
        for part in parts:  # of a column that alone is too wide, the figures are wrapped as well
            left = room - self._taken(widths, part[:-1]) - (1 if self._dense else 2)
            widths[part[-1]] = max(1, min(widths[part[-1]], left))
        return [(part, widths) for part in parts] or [(columns, {0: room})]

    def _taken(self, widths: dict[int, int], places: Sequence[int]) -> int:
        """Columns of the screen that some columns of the table take."""
        return sum(widths[place] + (1 if self._dense else 2) for place in places) - 1
