"""Trains on a Ray cluster: each trial is a Ray task, which Ray places, gives its CPUs, GPUs and memory, and retries.

What passes to a task is the path of the trial's folder; what comes back is JSON. So the search's folder and the records
must have the same path on every node (a shared disk, or an address such as gs://). A task whose worker or node is lost is
retried by Ray and resumes from its last epoch. If this process ends, Ray ends its tasks; started again, it resumes too.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable

from expansion.foundation.child_process import environment_variables
from expansion.foundation.cpu import this_cpu
from expansion.foundation.errors import InputError
from expansion.foundation.kernels import variables
from expansion.search.trace import has_trace
from expansion.tuning.engines.engine import LOST_RETRIES, Began, Done, Epoch, Event, Failed, Lost
from expansion.tuning.engines.settings import EngineSettings
from expansion.tuning.trial_process import failure, load_trials, reason_for

TOKEN = "the cluster asks for a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
OWN = {"include_dashboard": False, "object_store_memory": 80 << 20}  # bytes, Ray's least: only paths and JSON pass
OWN_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_agent_register_timeout_ms": "120000"}  # its 15 s fail on a busy machine

try:
    import ray
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On
except ImportError:
    raise InputError("engine ray: Ray is not installed; `pip install 'x3d-search[ray]'` adds it, or take engine local") from None


def train(trial: str, folder: str, progress: Queue) -> str:
    """In a worker of the cluster: does a trial. Returns what came of it as JSON."""
    def tell(what: dict) -> None:  # without waiting for the queue, which has a process of its own on a busy machine
        progress.actor.put_nowait.remote((trial, what))

    tell({"worker": f"{platform.node()}, process {os.getpid()}", "cpu": str(this_cpu())})
    try:
        metrics, attempt = load_trials().run_attempt(folder, lambda epoch, epochs, logs: tell({
            "epoch": epoch, "epochs": epochs, "logs": {name: float(value) for name, value in logs.items()}}))
        progress.qsize()  # answered after what was told before
    except Exception as error:
        return json.dumps(failure(error))
    return json.dumps({"metrics": metrics, "attempt": attempt})


class RayEngine:
    """The engine of a Ray cluster.

    Args:
        settings: of the engine.
        threads, onednn: of one training; see foundation.kernels.
        folder: of the search; every node must see it.
        work, prepare: what a task runs, and what a worker does before its first task comes.
    """

    def __init__(self, settings: EngineSettings, threads: int, onednn: bool, folder: str, work: Callable[..., str] = train,
                 prepare: Callable[[], object] = load_trials):
        self._settings, self._folder, self._work, self._prepare = settings, folder, work, prepare
        self._needs = {"CPU": settings.num_cpus or threads, "GPU": settings.num_gpus,
                       "memory": (settings.memory_gib or 0) * 2**30}
        self._env = {"TF_NUM_INTRAOP_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)}
        self._env |= variables(onednn) | ({"TF_FORCE_GPU_ALLOW_GROWTH": "true"} if 0 < settings.num_gpus < 1 else {})
        self._tasks: dict = {}  # by the reference of its result: the trial
        self._queue: list[tuple[str, str]] = []
        self._lost: dict[str, int] = {}  # of a trial that has begun: workers lost in a row, without an epoch between
        self._without_node: float | None = None  # since when no node has room
        self._own = self._connected = False

    @property
    def parallel(self) -> int:
        """As many as the cluster holds at present, at most the workers of the settings."""
        room = sum(int(min(node["Resources"].get(name, 0) // need for name, need in self._needs.items() if need))
                   for node in _nodes()) if ray.is_initialized() else 1
        return max(1, min(room, self._settings.workers or room))

    def start(self) -> None:
        address = self._settings.address or os.environ.get("RAY_ADDRESS", "local")
        self._own = address == "local"
        if not self._own:
            _check_reachable(address)
        try:
            # A Ray of our own inherits the variables; with a runtime_env, the workers that it begins with would be of no use.
            with environment_variables(OWN_RAY | os.environ | self._env):
                options = OWN if self._own else {"runtime_env": {"env_vars": self._env}}
                ray.init(address, log_to_driver=False, logging_level="error", **options)
        # No cluster there, or one of another version; Ray ends the process where what listens there is no Ray.
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, SystemExit) as error:
            reason = TOKEN if "InvalidAuthToken" in str(error.__cause__) else reason_for(error)
            raise InputError(f"engine ray, address {address}: {reason}") from None
        self._connected = True
        here = On(ray.get_runtime_context().get_node_id(), soft=False)  # the one node that lives as long as the search
        self._progress = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        self._check_folder()
        needs = {"num_cpus": self._needs["CPU"], "num_gpus": self._needs["GPU"], "memory": self._needs["memory"] or None}
        self._train = ray.remote(max_retries=-1, **needs)(self._work)
        for _ in range(self.parallel):  # workers are then ready when the first trials come
            ray.remote(**needs)(self._prepare).remote()

    def _no_room(self) -> str:
        def text(has: dict) -> str:
            return ", ".join(f"{has.get(name, 0):g} {name}" for name, need in self._needs.items() if need)
        nodes = "; ".join(text(node["Resources"]) for node in _nodes()) or "none"
        return (f"engine ray: no node of the cluster has {text(self._needs)} for a training (nodes: {nodes}); set "
                "engine.num_cpus, engine.num_gpus or engine.memory_gib, or add a node; the same command then resumes")

    def _check_folder(self) -> None:
        """Asks every node whether it sees the search's folder; one that has gone meanwhile is left out."""
        asked = {node["NodeManagerAddress"]: (node["NodeID"], ray.remote(num_cpus=0, scheduling_strategy=On(
            node["NodeID"], soft=False))(has_trace).remote(self._folder)) for node in _nodes()}
        for address, (node, answer) in asked.items():
            try:
                if ray.get(answer, timeout=120):
                    continue
            except ray.exceptions.RayError as error:
                if node not in [other["NodeID"] for other in _nodes()]:
                    continue
                raise InputError(f"engine ray: {address} cannot run this project ({reason_for(error)}); the same version, at "
                                 "the same Python, is needed on every node") from None
            raise InputError(f"engine ray: {address} cannot see {self._folder}; runs and records must be at the same path on "
                             "every node (a shared disk, or an address such as gs://)")

    def submit(self, trial: str, folder: str) -> None:
        self._queue.append((trial, folder))
        self._dispatch()

    def _dispatch(self) -> None:
        while self._queue and len(self._tasks) < (self._settings.workers or len(self._tasks) + 1):
            trial, folder = self._queue.pop(0)
            self._lost.pop(trial, None)
            self._tasks[self._train.options(name=f"trial {trial}").remote(trial, folder, self._progress)] = trial

    def poll(self, tell: Callable[[Event], None]) -> None:
        ended, _ = ray.wait(list(self._tasks), timeout=0.5) if self._tasks else ([], [])
        for trial, what in self._progress.get_nowait_batch(self._progress.qsize()):
            if trial not in self._tasks.values():
                continue
            if "epoch" in what:
                self._lost[trial] = 0
                tell(Epoch(trial, **what))
                continue
            lost = self._lost[trial] = self._lost.get(trial, -1) + 1  # 0 when the first worker begins
            if lost > LOST_RETRIES:  # a trial that needs too much memory, Ray would retry for ever
                task = next(task for task, of in self._tasks.items() if of == trial)
                ray.cancel(task, force=True)
                del self._tasks[task]
                tell(Failed(trial, f"{lost} workers in a row were lost at it; the logs of Ray say why"))
                continue
            if lost:
                tell(Lost(trial, "Ray has retried it"))
            tell(Began(trial, **what))
        for task in [task for task in ended if task in self._tasks]:
            self._ended(self._tasks.pop(task), task, tell)
        self._dispatch()
        self._look_for_nodes()

    def _ended(self, trial: str, task, tell: Callable[[Event], None]) -> None:
        try:
            found = json.loads(ray.get(task))
        except ray.exceptions.RayError as error:
            tell(Failed(trial, reason_for(error), str(error)))
        else:
            tell(Failed(trial, **found) if "reason" in found else Done(trial, **found))

    def _look_for_nodes(self) -> None:
        """Ends a wait for a node that does not come, or does not come back. A Ray of our own gets none."""
        if not self._tasks or any(all(node["Resources"].get(name, 0) >= need for name, need in self._needs.items())
                                  for node in _nodes()):
            self._without_node = None
            return
        self._without_node = self._without_node or time.monotonic()
        if self._own or time.monotonic() - self._without_node > self._settings.node_timeout:
            raise InputError(self._no_room())

    def close(self) -> None:
        if self._connected:  # not a session of Ray that the caller began
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """An InputError where nothing answers at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not (host and port.isdigit()):
        return  # "auto", or what Ray refuses by itself
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise InputError(f"engine ray: nothing answers at {address} ({error.strerror or error}); `ray start --head` on a "
                         "machine prints the address of its cluster") from None


def _nodes() -> list[dict]:
    return [node for node in ray.nodes() if node["Alive"]]
