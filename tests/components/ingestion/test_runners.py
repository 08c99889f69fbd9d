"""The same records from every Beam engine that this project names: in memory, threads, processes, a job server."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.ingestion.ingest import ingest_folder
from components.ingestion.settings import IngestSettings

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


def records(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(Path(folder).glob("Split-*/*"))}


@pytest.fixture(scope="module")
def settings(demo_labels):
    return IngestSettings(videos=str(demo_labels.parent), labels=str(demo_labels), short_side=24)


@pytest.fixture(scope="module")
def in_memory(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    ingest_folder(settings, str(folder), ("--direct_running_mode=in_memory",))
    return records(folder)


@pytest.fixture(scope="module")
def job_server():
    """Beam's own job server and a pool of workers outside of it, as a cluster has them; their addresses."""
    job, pool = free_port(), free_port()
    # The pool starts its workers by the name `python`.
    settings = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                             "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen([sys.executable, "-m", f"apache_beam.runners.{module}", *args], env=settings, cwd=ROOT,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        for module, args in (("portability.local_job_service_main", [f"--port={job}"]),
                             ("worker.worker_pool_main", [f"--service_port={pool}"]))
    ]
    try:
        for port in (job, pool):
            wait_for(port)
        yield f"localhost:{job}", f"localhost:{pool}"
    finally:
        for process in started:
            os.killpg(process.pid, 9)
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def wait_for(port: int, seconds: float = 90) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(f"nothing listens on port {port} after {seconds:g} s")


def test_threads(settings, in_memory, tmp_path):
    ingest_folder(settings, str(tmp_path))
    assert records(tmp_path) == in_memory


def test_processes(settings, in_memory, tmp_path):
    ingest_folder(settings, str(tmp_path), ("--direct_running_mode=multi_processing", "--direct_num_workers=2"))
    assert records(tmp_path) == in_memory


def test_a_job_server_with_workers_outside(settings, in_memory, job_server, tmp_path):
    job, pool = job_server
    ingest_folder(settings, str(tmp_path), (
        "--runner=PortableRunner", f"--job_endpoint={job}", "--environment_type=EXTERNAL", f"--environment_config={pool}"))
    assert records(tmp_path) == in_memory
