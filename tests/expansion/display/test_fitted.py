"""Tables on narrow screens: no figure is cut, no letter is lost, and names are shown as they are."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from expansion.display.console import make_console, make_table
from expansion.display.fitted import as_shown, wrapped

LONG_SPEC = "frames=8,stride=6,size=80,width=1.2,depth=2.2,bottleneck=2.25"


def shown(table, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_spec_is_wrapped_and_no_figure_is_cut(width):
    headings = ("name", "clip", "size", "width", "depth", "bneck", "MACs", "params", "without BN")
    table = make_table("networks", *headings)
    table.add_row(LONG_SPEC, "8x6", "80", "1.2", "2.2", "2.25", "81,447,123,456", "2,345,678", "2,340,000")
    lines = shown(table, width)
    text = "\n".join(lines)
    assert "…" not in text and max(map(cell_len, lines)) <= width
    for figure in ("8x6", "2.25", "81,447,123,456", "2,345,678", "2,340,000"):
        assert figure in text
    assert all(word in text.split() for heading in headings for word in heading.split())


def test_forty_columns_come_in_parts_that_all_have_the_first():
    table = make_table("t", "split", *(f"activity {number:02d}" for number in range(40)))
    table.add_row("train", *(str(1000 + number) for number in range(40)))
    lines = shown(table, 80)
    assert sum(line.startswith("split") for line in lines) == sum(line.startswith("train") for line in lines) > 1
    assert all(str(1000 + number) in "\n".join(lines) for number in range(40))


def test_a_long_title_is_not_broken_by_a_narrow_table():
    table = make_table("a/path/to/a/video that is long.mp4, 10 views", "class", "p")
    table.add_row("a", "1")
    assert shown(table, 80)[0].rstrip() == "a/path/to/a/video that is long.mp4, 10 views"


def test_what_would_steer_the_terminal_is_shown_as_its_code(capsys):
    assert as_shown("a\x1b[31m\nb\u202ec") == "a\\x1b[31m\\nb\\u202ec"
    assert as_shown("跑步 مشي läuft $$ [/]") == "跑步 مشي läuft $$ [/]"
    table = make_table("t\x1b[1m", "class", "n")
    table.add_row("red\x1b[31m\r\n", "1")
    assert not any("\x1b" in line or "\r" in line for line in shown(table, 80))
    make_console().print("fall\x1b[31m\nwalk")
    assert capsys.readouterr().out == "fall\\x1b[31m\nwalk\n"


LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cf", "Mn", "Me", "Zl", "Zp"])


@given(st.text(LETTERS, max_size=200), st.integers(4, 60))
def test_wrapping_loses_nothing_but_spaces_and_keeps_the_width(text, width):
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cell_len(line) <= width for line in lines)


NAMES = st.text(LETTERS, min_size=1, max_size=60)


@given(st.lists(NAMES, min_size=1, max_size=5), st.integers(1, 12), st.integers(40, 130), st.booleans())
def test_any_table_fits_any_screen(names, figures, width, dense):
    table = make_table("title", "class", *(f"figure {n}" for n in range(figures)), dense=dense)
    for row, name in enumerate(names):
        table.add_row(name, *(f"{10_000 * row + n:,}.5" for n in range(figures)))
    lines = shown(table, width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert all(f"{10_000 * row + n:,}.5" in text for row in range(len(names)) for n in range(figures))
