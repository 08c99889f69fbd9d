"""Calls in a child process: hangs and crashes cost one answer."""

import os
import signal
import subprocess
import sys
import time

import pytest

from expansion.foundation import child_process
from expansion.foundation.child_process import Died, Hung, Isolated

FAKES = "tests.components.ingestion.fakes"


@pytest.fixture
def called(monkeypatch):
    """Gives an Isolated of a fake; ends it after the test."""
    monkeypatch.setattr(child_process, "GRACE", 0.1)
    made = []

    def of(name):
        made.append(Isolated(f"{FAKES}:{name}"))
        return made[-1]

    yield of
    for one in made:
        one.close()


def test_one_child_serves_call_after_call(called):
    echo = called("echo")
    first, data = echo.call({"text": "ü" * 100_000}, 60)
    assert data.decode() == first["text"] and first["pid"] != os.getpid()
    assert echo.call({}, 60)[0]["pid"] == first["pid"]
    echo.close()
    assert echo.call({}, 60)[0]["pid"] != first["pid"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["hang", "sleep"])
def test_a_hang_ends_with_its_time(called, how):
    obey = called("obey")
    with pytest.raises(Hung, match="no answer within 0.3 s"):
        obey.call({"do": how}, 0.3)
    assert obey.call({"do": "well"}, 60)[0] == {"done": "well"}


@pytest.mark.parametrize(
    ("do", "message"), [("crash", "killed by SIGSEGV"), ("leave", "exit code 3"), ("raise", "KeyError: 'a fault of ours'")]
)
def test_a_crash_says_how(called, do, message):
    obey = called("obey")
    with pytest.raises(Died, match=message):
        obey.call({"do": do}, 60)
    assert obey.call({"do": "well"}, 60)[0] == {"done": "well"}


def test_a_killed_child_is_reported(called):
    echo = called("echo")
    pid = echo.call({}, 60)[0]["pid"]
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(Died, match="SIGKILL .out of memory"):
        echo.call({}, 60)


def test_a_child_does_not_outlive_its_parent():
    code = (
        f"from expansion.foundation.child_process import Isolated; one = Isolated('{FAKES}:echo'); "
        "print(one.call({}, 60)[0]['pid'], flush=True); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    ends = time.monotonic() + 60
    while _runs(child) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_call_leaves_behind_is_gone_before_the_next(called):
    keep = called("keep")
    assert [keep.call({"bytes": 1 << 20}, 60)[0]["alive"] for _ in range(3)] == [1, 1, 1]
