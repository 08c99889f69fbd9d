"""The harnesses that kill and fuzz the ingestion, in small."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import fault_ingest  # noqa: E402
import fuzz_ingest  # noqa: E402
from killing import kill_until_done  # noqa: E402

COUNTS = """
import os, subprocess, sys, time
open(sys.argv[1], "a").write("begun\\n")
open(sys.argv[2], "w").close()
child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep(30); open({sys.argv[1]!r}, 'a').write('late\\\\n')"])
time.sleep(30 if open(sys.argv[1]).read().count("begun") < 4 else 0)
child.kill()
"""


def test_kills_are_counted_and_reach_children(tmp_path):
    lines, mark = tmp_path / "lines", tmp_path / "mark"
    command = [sys.executable, "-c", COUNTS, str(lines), str(mark)]
    found = kill_until_done(command, 3, (0.0, 0.3), seed=1, mark=str(mark))
    assert len(found.kills) == 3 and found.code == 0 and all(moment <= 0.3 for moment in found.kills)
    assert lines.read_text() == "begun\n" * 4


def test_a_run_that_does_not_end_is_an_error():
    with pytest.raises(TimeoutError, match="not done within 0.1 s after 1 kills"):
        kill_until_done([sys.executable, "-c", "import time; time.sleep(30)"], 1, (0, 0.1), limit=0.1)


def test_patterns_cannot_be_taken_for_each_other():
    shown = fuzz_ingest.patterns(len(fuzz_ingest.KINDS))
    alike = shown @ shown.T / shown.shape[1]
    assert (alike.diagonal() == 1).all() and np.abs(alike - np.diag(alike.diagonal())).max() < fuzz_ingest.ALIKE


@pytest.mark.slow
def test_mutated_videos_are_all_accounted_for():
    found = fuzz_ingest.fuzz(20, seed=1)
    assert not found["unaccounted"] and not found["miscounted"] and not found["frames_of_another"]
    assert found["videos"] == 20 + 2 * len(fuzz_ingest.KINDS) and found["accepted"] >= 2 * len(fuzz_ingest.KINDS)
    assert found["frames_of_own_pattern"] >= 2 * len(fuzz_ingest.KINDS) * fuzz_ingest.FRAMES


@pytest.mark.slow
def test_a_killed_ingestion_ends_the_same(demo_labels, tmp_path):
    found = fault_ingest.compare(3, 0, str(demo_labels.parent), str(demo_labels), tmp_path)
    assert found["exit_code"] == 0 and found["files"] == 11 and found["different"] == []
