"""The tables of a search: the same rows for a terminal and in Markdown, and text from users as it is."""

import io

import pytest
from rich.console import Console

from expansion.display.console import make_console, make_table
from expansion.display.tables import (
    Table,
    in_markdown,
    path_rows,
    path_table,
    percent,
    step_rows,
    step_table,
    to_markdown,
    to_rich,
)
from expansion.search.costs import in_macs, show_cost
from tests.expansion.searches import SMALL, finished

BRACKETS = ["sit [/] stand", "lift [bold] up", "[red]", "cash $$", "a|b"]


def shown(table, width=80) -> str:
    console = Console(file=io.StringIO(), width=width)  # with markup, as a notebook's is
    console.print(table)
    return console.file.getvalue()


def test_square_brackets_are_shown_as_they_are(capsys):
    table = make_table(BRACKETS[0], *BRACKETS)
    table.add_row(*BRACKETS)
    for text in BRACKETS:
        assert shown(table, 200).count(text) == (3 if text == BRACKETS[0] else 2)
    make_console().print(BRACKETS[0])
    assert capsys.readouterr().out == "sit [/] stand\n"
    assert "failed: [/]" in shown(to_rich(Table(("a",), [("a long cell",)], notes=["failed: [/]"]), "t"))


def test_the_first_of_two_columns_of_one_name_is_the_text():
    table = make_table("t", "split", "videos", "split")
    assert [column.justify for column in table.columns] == ["left", "right", "right"]


def test_a_terminal_and_markdown_have_the_same_rows():
    search = finished(failing="width")
    for table in (step_rows(search.steps[1]), step_rows(search.steps[2], wide=True), path_rows(search, wide=True)):
        lines = to_markdown(table).splitlines()
        assert len(lines) == 2 + len(table.rows) and {line.count(" | ") for line in lines} == {len(table.header) - 1}
        text = shown(to_rich(table, "t"), 200)
        for row in table.rows:
            assert all(cell in text for cell in row)


def test_the_winner_is_marked_and_failures_are_named_once():
    search = finished(failing="width")
    text = shown(step_table(search.steps[1]))
    assert text.count("fast=temporal *") == 1 and text.count("width failed: MemoryError: a|b") == 1
    assert "step 1 width failed: MemoryError: a|b" in shown(path_table(search))
    assert "**fast = temporal**" in to_markdown(step_rows(search.steps[1], wide=True))


@pytest.mark.parametrize("cost", ["macs", "params"])
def test_tables_for_a_terminal_fit_80_columns(cost):
    search = finished(SMALL.model_copy(update={"cost": cost}))
    for table in (*map(step_table, search.steps), path_table(search)):
        table.caption = None  # which is wrapped
        assert max(len(line.rstrip()) for line in shown(table, 200).splitlines()) <= 80


def test_accuracies_stand_beside_the_largest_class():
    search = finished()
    step = search.steps[1]
    assert "largest class" not in shown(step_table(step))  # trained before this was told
    for candidate in (c for step in search.steps for c in step.candidates):
        candidate.metrics |= {"val_largest_class": step.winner.accuracy, "val_balanced_accuracy": 0.125}
    said = f"always saying the largest class reaches {percent(step.winner.accuracy)} of the validation videos; no better: "
    text = " ".join(shown(step_table(step)).split())
    assert said in text and all(c.axis in text.partition(said)[2] for c in step.candidates)
    assert said + "seed" in " ".join(shown(path_table(search)).split())
    wide = step_rows(step, wide=True)
    assert [row[wide.header.index("mean over classes")] for row in wide.rows] == ["12.5 %"] * len(wide.rows)


def test_markdown_shows_names_as_they_are():
    assert in_markdown("a|b *c* <sit> [x](y) `d` $$ _e_ snake_case & f") == (
        r"a\|b \*c\* &lt;sit&gt; \[x\](y) \`d\` &#36;&#36; \_e\_ snake_case &amp; f")


def test_wide_tables_have_both_costs_and_latencies():
    search = finished(SMALL.model_copy(update={"cost": "memory"}))
    assert "MACs" not in step_rows(search.steps[1]).header and "memory" in step_rows(search.steps[1]).header
    search.steps[1].candidates[0].metrics["latency_ms"] = 12.34
    table = step_rows(search.steps[1], wide=True)
    assert {"MACs", "memory", "measured latency"} <= set(table.header)
    assert [row[-1] for row in table.rows] == ["12.3 ms"] + ["-"] * (len(table.rows) - 1)


def test_costs_as_text():
    assert [show_cost("macs", value) for value in (1.96e9, 20_662_304, 1500)] == ["1.96 G", "20.7 M", "1.5 k"]
    assert in_macs(1.94e6) == "1.94 MMACs"
