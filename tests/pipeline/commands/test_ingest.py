"""What `x3d ingest` prints: classes as rows, however many there are and however they are called."""

import pytest

from pipeline.commands.ingest import _show
from tests.expansion.manifests import manifest_of


@pytest.mark.parametrize("width", [80, 120])
def test_forty_classes_are_rows_whose_counts_can_be_read(capsys, monkeypatch, width):
    monkeypatch.setattr("expansion.display.console.PLAIN_WIDTH", width)
    classes = [f"activity {number:02d}" for number in range(38)] + ["cash $$ [/] | " + "x" * 70, "跑步"]
    _show(manifest_of(classes, {"train": 90, "val": 41}), "records")
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split("  ")[0]: line.split() for line in lines}
    assert all(rows[name][2:] == (["3", "2", "5"] if name == "activity 00" else ["3", "1", "4"]) for name in classes[:10])
    assert rows["跑步"][1:] == ["2", "1", "3"] and any(line.startswith("cash $$ [/]") for line in lines)
    assert "…" not in "".join(lines)


def test_of_hundreds_of_classes_the_largest_and_the_smallest_are_shown(capsys):
    classes = [f"class {number:03d}" for number in range(400)]
    _show(manifest_of(classes, {"train": 500, "val": 3}), "records")
    text = " ".join(capsys.readouterr().out.split())
    assert "400 classes" in text and "class 000" in text and "class 399" in text and "class 200" not in text
    assert "360 classes between them are in manifest.json" in text
    assert "no video in val: class 003, class 004" in text and " and 357 more" in text
