"""The Ray engine on a Ray of this machine: what it tells, lost workers, and what is no cluster."""

import os
import socket
import subprocess
import sys

import pytest

from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.search.trace import write_trace
from expansion.tuning.engines.engine import LOST_RETRIES, Began, Done, Epoch, Failed, Lost
from expansion.tuning.engines.settings import EngineSettings
from tests.expansion.tuning import fake_tasks
from tests.expansion.tuning.loops import events

pytestmark = pytest.mark.slow  # Ray takes seconds to start


def ray_engine(folder, work=fake_tasks.train, **settings):
    from expansion.tuning.engines.ray import RayEngine

    settings = EngineSettings(name="ray", **settings)
    return RayEngine(settings, settings.threads_each, False, str(folder), work, prepare=fake_tasks.prepare)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("search")
    write_trace(str(place), SearchState(SearchSettings()))
    return place


@pytest.fixture(scope="module")
def engine(folder):
    made = ray_engine(folder, workers=2, num_cpus=0.5)
    made.start()
    yield made
    made.close()


def test_a_worker_reports_epochs_and_metrics_and_serves_the_next(engine, tmp_path):
    found = events(engine, "fine", folder=tmp_path)
    assert [type(event) for event in found] == [Began, Epoch, Done]
    assert found[1].logs == {"loss": 0.5} and found[2].attempt == str(tmp_path / "fine") and found[2].metrics["threads"] == 1
    assert events(engine, "fine", folder=tmp_path)[-1].metrics["process"] == found[2].metrics["process"] != os.getpid()


def test_a_worker_has_the_kernels_that_the_search_has_chosen(engine, tmp_path):
    assert events(engine, "fine", folder=tmp_path)[-1].metrics["onednn"] == "0"


def test_a_failure_is_one_line_and_what_is_known_besides(engine, tmp_path):
    failed = events(engine, "raises", folder=tmp_path)[-1]
    assert failed == Failed("raises", "MemoryError: no memory left", "and more about it")
    broken = events(engine, "breaks", folder=tmp_path)[-1]
    assert "a fault of the engine's own" in broken.details and "\n" not in broken.reason


def test_a_killed_worker_is_retried_by_ray_and_one_trial_too_many_is_a_failure(engine, tmp_path):
    found = events(engine, "killed once", folder=tmp_path)
    assert [type(event) for event in found] == [Began, Lost, Began, Epoch, Done]
    lost = events(engine, "killed at once", folder=tmp_path)
    assert sum(isinstance(event, Lost) for event in lost) == LOST_RETRIES
    assert lost[-1].reason.startswith(f"{LOST_RETRIES + 1} workers in a row were lost at it")


def test_trials_train_at_the_same_time(engine, tmp_path):
    engine.submit("hangs", str(tmp_path / "hangs"))
    assert {e.trial for e in events(engine, "fine", "raises", folder=tmp_path) if isinstance(e, (Done, Failed))} == {
        "fine", "raises"}
    assert engine.parallel == 2


def test_what_cannot_be_is_one_line_in_a_process_of_its_own(folder):
    """A process can be part of one cluster only; the last of these starts it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    expected = {
        f"engine ray: nothing answers at localhost:{port}": {"address": f"localhost:{port}"},
        "engine ray, address nonsense: ValueError: Invalid address format": {"address": "nonsense"},
        "engine ray: no node of the cluster has 500 CPU, 0.5 GPU for a training": {"num_cpus": 500, "num_gpus": 0.5},
    }
    code = ("from tests.expansion.tuning.test_ray import *\n"
            f"for settings in {list(expected.values())!r}:\n"
            f"    try: engine = ray_engine({str(folder)!r}, **settings); engine.start(); events(engine, 'fine', folder='a')\n"
            "    except InputError as error: print(error)\n")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=300)
    lines = done.stdout.splitlines()
    assert len(lines) == len(expected), (lines, done.stderr[-2000:])
    assert all(line.startswith(message) for line, message in zip(lines, expected)), lines


def test_a_folder_that_a_node_cannot_see_is_one_line(engine, tmp_path):
    with pytest.raises(InputError, match="cannot see .*elsewhere; runs and records must be at the same path on every node"):
        ray_engine(tmp_path / "elsewhere")._check_folder()


def test_a_cluster_that_asks_for_a_token_names_the_variables(folder, monkeypatch):
    def refuse(*_, **__):  # as Ray 2.60 does
        raise ConnectionError("Failed to connect") from RuntimeError("RPC error: InvalidAuthToken: missing or incorrect")

    monkeypatch.setattr("ray.init", refuse)
    with socket.create_server(("localhost", 0)) as head:
        with pytest.raises(InputError, match="the cluster asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN"):
            ray_engine(folder, address=f"localhost:{head.getsockname()[1]}").start()


def test_without_ray_the_way_out_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "expansion.tuning.engines.ray", raising=False)
    with pytest.raises(InputError, match="Ray is not installed; `pip install 'x3d-search.ray.'` adds it"):
        ray_engine(folder)
