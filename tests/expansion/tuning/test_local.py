"""Child processes for trials: what they report, how they may end, and what the engine makes of that."""

import os
import signal
import subprocess
import sys
import time

import pytest

from expansion.foundation.errors import InputError
from expansion.foundation.lock import Lock
from expansion.foundation.settings import parse_settings
from expansion.tuning import trial_process
from expansion.tuning.engines.engine import LOST_RETRIES, Began, Done, Epoch, Failed, Lost
from expansion.tuning.engines.local import Local, gpu_shares
from expansion.tuning.engines.settings import EngineSettings
from tests.expansion.tuning.loops import events

FAKE = (sys.executable, "-m", "tests.expansion.tuning.fake_trials")


@pytest.fixture
def engine():
    made = Local(1, 1, True, FAKE)
    made.start()
    yield made
    made.close()


def process_of(engine) -> int:
    (done,) = [event for event in events(engine, "fine") if isinstance(event, Done)]
    return done.metrics["process"]


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


def test_a_process_reports_epochs_and_metrics_and_serves_the_next(engine):
    began, epoch, done = events(engine, "fine")
    assert isinstance(began, Began) and epoch == Epoch("fine", 1, 2, {"loss": 0.5})
    assert done.metrics["val_accuracy"] == 0.5 and done.attempt == "a/fine" and done.metrics["threads"] == 1
    assert process_of(engine) == done.metrics["process"] != os.getpid()


@pytest.mark.parametrize("what, reason", [
    ("raises", "MemoryError: no memory left"),
    ("crashes", "the worker process was killed (signal 11, segmentation fault)"),
    ("exits", "the worker process ended with code 3"),
])
def test_a_trial_that_fails_ends_itself_only(engine, what, reason):
    before = process_of(engine)
    failed = events(engine, what)[-1]
    assert (failed.trial, failed.reason) == (what, reason)
    assert ("and more about it" in failed.details and "Traceback" in failed.details) == (what == "raises")
    assert gone(before) and process_of(engine) != before


def test_a_worker_that_is_killed_is_lost_and_its_trial_goes_to_another(engine, tmp_path):
    found = events(engine, "killed once", folder=str(tmp_path))
    assert [type(event) for event in found] == [Began, Epoch, Lost, Began, Epoch, Done]
    assert found[2].reason == "the worker process was killed (signal 9, perhaps out of memory)"


def test_a_trial_that_loses_every_worker_has_failed(engine):
    found = events(engine, "killed at once")
    assert sum(isinstance(event, Lost) for event in found) == LOST_RETRIES
    assert found[-1].reason == (f"{LOST_RETRIES + 1} workers in a row were lost at it; of the last one: "
                                "the worker process was killed (signal 9, perhaps out of memory)")
    assert process_of(engine)


def test_a_crash_is_no_lost_worker(engine, tmp_path):
    crashed, again = (events(engine, "crashes, then is killed", folder=str(tmp_path)) for _ in range(2))
    assert crashed[-1].reason.startswith("the worker process was killed (signal 11")
    assert sum(isinstance(event, Lost) for event in again) == LOST_RETRIES


def test_a_process_that_died_while_it_waited_is_replaced(engine):
    before = process_of(engine)
    os.kill(before, signal.SIGKILL)
    assert gone(before) and process_of(engine) != before


def test_a_process_that_cannot_start_is_a_failure_of_one_line():
    broken = Local(1, 1, True, (sys.executable, "-c", "raise SystemExit(7)"))
    try:
        failed = events(broken, "fine")[-1]
    finally:
        broken.close()
    assert failed.reason.endswith("the worker process ended with code 7")


@pytest.mark.skipif(trial_process.memory_in_use() is None, reason="this system does not tell a process's memory")
def test_a_process_that_has_grown_is_replaced(engine, monkeypatch):
    monkeypatch.setattr(trial_process, "MEMORY_GROWTH", -1 << 40)
    first = process_of(engine)
    assert gone(first) and process_of(engine) != first


def test_an_interrupt_at_the_terminal_is_the_searchs_to_handle(engine):
    assert isinstance(events(engine, "interrupted")[-1], Done)


def test_two_workers_train_at_the_same_time_and_one_that_hangs_holds_up_only_itself():
    two = Local(2, 1, True, FAKE)
    try:
        two.submit("hangs", "a/hangs")
        found = events(two, "fine", "raises")
        assert {event.trial for event in found if isinstance(event, (Done, Failed))} == {"fine", "raises"}
        process = two._processes[0].pid
    finally:
        two.close()
    assert gone(process)


def test_it_ends_with_its_search():
    """A search that is killed while a trial runs leaves no process behind."""
    code = ("import sys; from expansion.tuning.engines.local import Local; e = Local(1, 1, True, tuple(sys.argv[1:]))\n"
            "e.submit('hangs', 'a/hangs')\n"
            "while True: e.poll(lambda event: print(event.worker.split()[-1], flush=True) if hasattr(event, 'worker') else None)")
    search = subprocess.Popen([sys.executable, "-c", code, *FAKE], stdout=subprocess.PIPE, text=True)
    process = int(search.stdout.readline())
    assert alive(process)
    search.kill()
    search.wait()
    search.stdout.close()
    assert gone(process)


def test_a_second_search_in_the_same_folder_is_kept_out(tmp_path):
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


@pytest.mark.parametrize("workers, gpus, shares", [
    (1, ["0", "1"], [None]), (2, [], [None, None]), (2, ["0", "1"], ["0", "1"]), (2, ["0", "1", "3"], ["0,3", "1"]),
    (3, ["0", "1"], ["0", "1", "0"]),
])
def test_gpus_are_divided_among_workers(workers, gpus, shares):
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in gpu_shares(workers, gpus)] == shares


@pytest.mark.parametrize("given, message", [
    ({"name": "in-process", "workers": 2}, "workers is not for the engine in-process"),
    ({"name": "in-process", "threads": 1}, "threads is not for the engine in-process"),
    ({"workers": 2, "address": "auto"}, "address is for the engine ray; this one is local"),
    ({"num_gpus": 0.5}, "num_gpus is for the engine ray"),
    ({"name": "dask"}, "engine.*name is 'dask': input should be 'in-process', 'local' or 'ray'"),
    ({"workers": 0}, "workers is 0: input should be greater than or equal to 1"),
    ({"lost_after": 5}, "unknown key 'lost_after'; allowed are name, workers, threads, address"),
])
def test_contradictions_are_one_line(given, message):
    with pytest.raises(InputError, match=message) as error:
        parse_settings(EngineSettings, given, "engine")
    assert "\n" not in str(error.value)


def test_a_name_stands_for_its_engine_and_all_settings_survive_a_file():
    for given in ("in-process", {"workers": 3}, {"name": "ray", "num_gpus": 0.5, "memory_gib": 4, "address": "auto"}):
        made = parse_settings(EngineSettings, given, "engine")
        assert EngineSettings.model_validate(made.model_dump(mode="json")) == made
    assert parse_settings(EngineSettings, {"name": "ray", "num_cpus": 3}, "engine").threads_each == 3
