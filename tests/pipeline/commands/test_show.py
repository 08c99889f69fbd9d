"""x3d runs and x3d show: what they say of runs in every state, for people and for scripts."""

import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest

from expansion.display.console import noise_to
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.state import SearchState
from pipeline.commands.report import report
from pipeline.commands.runs import list_runs
from pipeline.commands.show import show
from pipeline.options import run_names
from pipeline.runs.folder import RunFolder, newest_run
from pipeline.runs.state import state, working
from tests.expansion.searches import SMALL, finished
from tests.pipeline.folders import make_run


@pytest.fixture
def root(tmp_path):
    make_run(tmp_path / "done", finished())
    make_run(tmp_path / "halfway", finished(steps=2), ended=False)
    files.write_text(make_run(tmp_path / "broken", SearchState(SMALL), ended=False).failure, "RuntimeError: out of memory")
    (tmp_path / "other").mkdir()
    return tmp_path


def test_runs_are_listed_in_every_state(root, capsys):
    list_runs(str(root))
    shown = capsys.readouterr().out.partition("on the disk")[0]
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert lines["done"][1:7] == ["finished", "2/2", "75.0", "%", "85.7", "%"]
    assert lines["halfway"][1:6] == ["stopped", "1/2", "60.0", "%", "-"]
    assert lines["broken"][1:5] == ["failed", "-", "-", "-"]
    assert "other" not in lines


def test_runs_for_scripts(root, capsys):
    list_runs(str(root), as_json=True)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {"done", "halfway", "broken"}
    assert rows["done"]["accuracy"] == 0.75 and rows["done"]["held_out_accuracy"] == pytest.approx(30 / 35)
    assert rows["done"]["macs"] == finished().path[-1].macs and rows["halfway"]["stopped_by"] is None
    assert rows["done"]["folder"] == str(root / "done")


def test_no_runs_is_a_hint(tmp_path, capsys):
    list_runs(str(tmp_path))
    assert "x3d demo" in capsys.readouterr().out
    with pytest.raises(InputError, match="no search under"):
        newest_run(str(tmp_path))


def test_show_prints_steps_path_and_failures(root, capsys):
    make_run(root / "done", finished(failing="width"))
    show("done", str(root))
    shown = capsys.readouterr().out
    assert "step 1 width failed: MemoryError: a|b" in shown and "done: finished, ended by steps" in shown
    assert "35 test videos: 85.7 % (the seed 25.0 %)" in shown and shown.count("fast=temporal *") == 1
    show("broken", str(root))
    assert "it failed: RuntimeError: out of memory" in capsys.readouterr().out


def test_show_fits_80_columns(root, capsys):
    show("done", str(root))
    assert max(len(line.rstrip()) for line in capsys.readouterr().out.splitlines()) <= 80


def test_show_for_scripts_is_the_whole_trace(root, capsys):
    show("halfway", str(root), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert SearchState.from_dict(shown["search"]).as_dict() == finished(steps=2).as_dict() and shown["state"] == "stopped"


def test_the_newest_run_is_the_default(root, capsys):
    for age, name in enumerate(("done", "halfway", "broken")):
        os.utime(root / name / "search" / "a" / "trace.json", (1e9 - age, 1e9 - age))
    assert newest_run(str(root)).name == "done"
    report(runs=str(root))
    assert capsys.readouterr().out.strip() == str(root / "done" / "report.html")
    assert (root / "done" / "report.html").stat().st_size > 50_000


def test_a_run_is_running_as_long_as_a_process_works_on_it(root):
    folder = RunFolder(str(root / "done"))
    with working(folder):
        # Another process asks; a lock does not keep out the one that holds it.
        code = "import sys; from pipeline.runs.folder import *; from pipeline.runs.state import state; " \
               "f = RunFolder(sys.argv[1]); print(state(f, f.search()))"
        asked = subprocess.run([sys.executable, "-c", code, folder.path], capture_output=True, text=True)
        assert asked.stdout.strip() == "running", asked.stderr
    assert state(folder, folder.search()) == "stopped"  # it ended without a new result


def test_a_killed_process_leaves_no_running_run(root):
    code = "import sys, time; from pipeline.runs.folder import *; from pipeline.runs.state import working\n" \
           "with working(RunFolder(sys.argv[1])): print('on', flush=True); time.sleep(60)"
    folder = RunFolder(str(root / "halfway"))
    worker = subprocess.Popen([sys.executable, "-c", code, folder.path], stdout=subprocess.PIPE, text=True)
    assert worker.stdout.readline() == "on\n" and state(folder, folder.search()) == "running"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    assert state(folder, folder.search()) == "stopped"


def test_a_failure_is_kept_until_the_next_attempt(root):
    folder = RunFolder(str(root / "halfway"))
    with pytest.raises(RuntimeError), working(folder):
        raise RuntimeError("no space left\non the disk")
    assert state(folder, folder.search()) == "failed" and files.read_text(folder.failure) == "no space left"
    with working(folder):
        assert not os.path.exists(folder.failure)


def test_without_locks_nothing_breaks(root, monkeypatch):
    def refuse(*_):
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with working(RunFolder(str(root / "done"))):
        pass


def test_the_shell_completes_names(root, monkeypatch):
    monkeypatch.chdir(root)
    os.rename(root / "done", root / "halfdone")
    (root / "runs").symlink_to(root)
    assert run_names("half") == ["halfdone", "halfway"]


def test_verbose_shows_the_log_on_the_screen_too(tmp_path):
    code = ("import logging, sys; from expansion.display.console import noise_to\n"
            "with noise_to(sys.argv[1], sys.argv[2] == 'verbose'): logging.getLogger('x').info('said')")
    for how, shown in (("verbose", True), ("quiet", False)):
        log = tmp_path / f"{how}.txt"
        done = subprocess.run([sys.executable, "-c", code, str(log), how], capture_output=True, text=True)
        assert ("INFO x: said" in done.stderr) == shown and done.stdout == "" and "INFO x: said" in log.read_text()


def test_no_handler_is_left_behind(tmp_path):
    import logging

    before = list(logging.getLogger().handlers)
    with noise_to(str(tmp_path / "log.txt"), True):
        pass
    assert logging.getLogger().handlers == before
