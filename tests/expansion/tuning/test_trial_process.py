"""The worker process: what it reports, how it may end, and what is made of that."""

import os
import signal
import subprocess
import sys
import time

import pytest

from expansion.foundation.errors import InputError
from expansion.foundation.lock import Lock
from expansion.tuning import trial_process as workers
from expansion.tuning.trial_process import TrialFailed, Worker

FAKE = (sys.executable, "-m", "tests.expansion.tuning.fake_trials")


@pytest.fixture
def worker():
    made = Worker(FAKE)
    yield made
    made.close()


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def gone(process: int) -> bool:
    """Whether a process ends within a minute."""
    for _ in range(600):
        if not alive(process):
            return True
        time.sleep(0.1)
    return False


def test_it_reports_epochs_and_metrics_and_stays(worker):
    epochs = []
    first = worker.run("a/fine", lambda *event: epochs.append(event))
    assert epochs == [(1, 2, {"loss": 0.5})] and first["val_accuracy"] == 0.5
    assert worker.run("a/fine")["process"] == first["process"] != os.getpid()
    assert worker.memory is None or worker.memory > 1 << 20


@pytest.mark.parametrize("what, reason", [
    ("raises", "MemoryError: no memory left"),
    ("killed", "the worker process was killed (signal 9, perhaps out of memory)"),
    ("crashes", "the worker process was killed (signal 11, segmentation fault)"),
    ("exits", "the worker process ended with code 3"),
])
def test_a_trial_that_fails_ends_itself_only(worker, what, reason):
    before = worker.run("a/fine")["process"]
    with pytest.raises(TrialFailed) as failed:
        worker.run(f"a/{what}")
    assert str(failed.value) == reason
    assert ("and more about it" in failed.value.details and "Traceback" in failed.value.details) == (what == "raises")
    assert gone(before) and worker.run("a/fine")["process"] != before


def test_a_worker_that_died_while_it_waited_is_replaced(worker):
    before = worker.run("a/fine")["process"]
    os.kill(before, signal.SIGKILL)
    assert gone(before) and worker.run("a/fine")["process"] != before


@pytest.mark.skipif(workers.memory_in_use() is None, reason="this system does not tell a process's memory")
def test_a_worker_that_has_grown_is_replaced(worker, monkeypatch):
    monkeypatch.setattr(workers, "MEMORY_GROWTH", -1)
    first = worker.run("a/fine")["process"]
    assert gone(first) and worker.run("a/fine")["process"] != first


def test_an_interrupt_at_the_terminal_is_the_searchs_to_handle(worker):
    assert worker.run("a/interrupted")["val_accuracy"] == 0.5


def test_it_ends_with_its_search():
    """A search that is killed while a trial runs leaves no process behind."""
    code = ("import sys; from expansion.tuning.trial_process import Worker; w = Worker(tuple(sys.argv[1:]));"
            "w.run('a/hangs', lambda *_: print(w._process.pid, flush=True))")
    search = subprocess.Popen([sys.executable, "-c", code, *FAKE], stdout=subprocess.PIPE, text=True)
    process = int(search.stdout.readline())
    assert alive(process)
    search.kill()
    search.wait()
    search.stdout.close()
    assert gone(process)


def test_a_second_process_is_kept_out(tmp_path):
    code = ("import sys; from expansion.foundation.lock import Lock\n"
            "with Lock(sys.argv[1]): print('held', flush=True); sys.stdin.read()")
    path = str(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(InputError, match=rf"another process \(id {other.pid}\) runs this search"), Lock(path):
            pass
        other.kill()
        other.wait()
    with Lock(path):  # however the other ended
        pass
