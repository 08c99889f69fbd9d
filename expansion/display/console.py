"""The screen: where tables and progress go, and how libraries' noise is kept off it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from expansion.display.fitted import FittedTable, lines_as_shown

PLAIN_WIDTH = 110  # columns of a table that goes to a file or a pipe

_screen = None  # a copy of standard error while the real one goes to a log


class _Literal(Console):
    """A console on which names of classes and files cannot steer the terminal."""

    def render_str(self, text: str, **settings) -> Text:
        return super().render_str(lines_as_shown(text), **settings)


def make_console(stderr: bool = False) -> Console:
    """A console as wide as the terminal; elsewhere wide enough that no figure is cut. Text is shown as it is."""
    settings = {"highlight": False, "markup": False} | ({"file": _screen} if _screen is not None else {"stderr": stderr})
    console = _Literal(**settings)
    return console if console.is_terminal else _Literal(width=PLAIN_WIDTH, **settings)


def make_table(title: str, *columns: str, dense: bool = False, text: Sequence[str] = ()) -> FittedTable:
    """A table whose first column is text and the others figures, right-aligned, which are never cut.

    Args:
        dense: one space between columns, not two.
        text: further columns that are text.
    """
    return FittedTable(title, columns, dense=dense, text=text)


def print_json(content) -> None:
    """For scripts: JSON on standard output, without colours or breaks."""
    print(json.dumps(content, indent=1))


@contextlib.contextmanager
def noise_to(path: str, verbose: bool = False) -> Iterator[Console]:
    """Sends all that this process and its libraries print to a log file; consoles made inside still show.

    C++ libraries write to the file descriptors themselves, so these are what is redirected.

    Args:
        verbose: show what is logged on the screen as well.
    """
    global _screen
    os.makedirs(os.path.dirname(path), exist_ok=True)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    saved = os.dup(1), os.dup(2)
    root = logging.getLogger()
    level = root.level
    with open(path, "a", buffering=1, encoding="utf-8") as log, os.fdopen(os.dup(2), "w", encoding="utf-8") as _screen:
        handlers = [logging.StreamHandler(stream) for stream in ((log, _screen) if verbose else (log,))]
        for handler in handlers:
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
            root.addHandler(handler)
        root.setLevel(logging.INFO)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield make_console()
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for number, copy in zip((1, 2), saved):
                os.dup2(copy, number)
                os.close(copy)
            for handler in handlers:
                root.removeHandler(handler)
            root.setLevel(level)
            _screen = None
