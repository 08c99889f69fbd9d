"""Weights & Biases, offline: what a run on disk holds is what was logged."""

import json
import struct
import sys
from collections.abc import Iterator

import pytest

from expansion import InputError
from expansion.display.wandb_logger import STATE, WandbLogger
from expansion.display.wandb_settings import WandbSettings
from tests.expansion.searches import finished

OFFLINE = WandbSettings(project="x3d", mode="offline")


def logged(content: bytes, block: int = 32768, head: int = 7) -> Iterator[bytes]:
    """The records of a file of wandb's, which is a log of LevelDB's behind a head of its own (checksum, length, kind; data).

    wandb's reader of it is no part of its newer versions.
    """
    at, parts = head, b""
    while at + head <= len(content):
        if (left := block - at % block) < head:  # what is left of a block is padding
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        parts, at = parts + content[at + head:at + head + length], at + head + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def held(folder) -> tuple[list[dict], dict]:
    """All rows and the last summary of the runs in a folder, from wandb's own files."""
    from wandb.proto import wandb_internal_pb2 as pb

    rows, summary = [], {}
    for path in sorted(folder.glob("wandb/offline-run-*/run-*.wandb")):
        for data in logged(path.read_bytes()):
            record = pb.Record()
            record.ParseFromString(data)

            def pairs(items):
                return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}

            if record.HasField("history"):
                rows.append(pairs(record.history.item))
            summary |= pairs(record.summary.update)
    return rows, summary


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://localhost:1")  # where nobody answers


@pytest.mark.slow
def test_a_search_is_logged_once_also_over_a_restart(tmp_path):
    import wandb

    for start, search in enumerate((finished(steps=2), finished(), finished()), 1):  # as far as it had come at each start
        logger = WandbLogger(OFFLINE, "mine", str(tmp_path), {"seed": 3})
        logger.epoch("step01/fast", start, {"loss": 1.0 / start})
        logger.search(search)
        logger.results({"val_accuracy": 0.5})
        logger.close()
    wandb.teardown()  # else the last lines may not be in the files yet
    rows, summary = held(tmp_path)
    rows, summary = held(tmp_path)
    decided = [row for row in rows if "search/step" in row]
    assert [row["search/step"] for row in decided] == [0, 1, 2]
    assert [row["search/axis"] for row in decided] == [step.winner.axis for step in search.steps]
    assert [row["search/accuracy"] for row in decided] == [step.winner.accuracy for step in search.steps]
    assert [row["step01/fast/loss"] for row in rows if "step01/fast/loss" in row] == [1.0, 1 / 2, 1 / 3]
    table = json.loads(next(tmp_path.glob(f"wandb/offline-run-*/files/{decided[-1]['candidates/step 02/path']}")).read_text())
    assert len(table["data"]) == len(search.steps[-1].candidates)
    assert summary["val_accuracy"] == 0.5
    assert json.loads((tmp_path / STATE).read_text())["step"] == 2


def test_without_the_package_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match="wandb is not installed"):
        WandbLogger(OFFLINE, "mine", str(tmp_path), {})
