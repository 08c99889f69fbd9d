"""A Ray cluster on this machine, whose nodes and workers can be killed: a head that trains nothing, and three nodes.

Every node is a raylet of its own, as on separate machines. Where this machine allows it, the last one is in a network
namespace, so that it has an address of its own and reaches the head over a (virtual) wire.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
from killing import kill_group

NODES = 3
PORT = 6391
NAMESPACE, HOST, INSIDE = "x3d-ray", "10.231.7.1", "10.231.7.2"
LONGEST = 300.0  # seconds that a node may take to join


class Cluster:
    """Runs inside of a `with`.

    Args:
        log: file for what Ray prints.
    """

    def __init__(self, log: Path):
        self._log = log
        self._nodes: list[subprocess.Popen] = []
        self._next = 0
        self._namespace = False

    @property
    def address(self) -> str:
        return f"{HOST if self._namespace else '127.0.0.1'}:{PORT}"

    @property
    def about(self) -> str:
        return f"{NODES} nodes of 1 CPU" + (", one of them in a network namespace" if self._namespace else "")

    def __enter__(self) -> Cluster:
        os.environ["RAY_AUTH_MODE"] = "disabled"  # also where this user's home holds a token
        self._namespace = self._make_namespace()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self._head = self._ray("--head", f"--port={PORT}", "--num-cpus=0", "--include-dashboard=false",
                               f"--node-ip-address={HOST if self._namespace else '127.0.0.1'}")
        time.sleep(3)
        for number in range(NODES):  # one by one: a node fails where its processes take long to start
            self._nodes.append(self._node(inside=self._namespace and number == NODES - 1))
            self.wait(number + 1)

    def __exit__(self, *_) -> None:
        for process in (*self._nodes, self._head):
            kill_group(process)
        subprocess.run(["pkill", "-KILL", "-f", f"gcs_address={self.address}|gcs-address={self.address}"], check=False)
        if self._namespace:
            subprocess.run(["ip", "netns", "delete", NAMESPACE], check=False)

    def _make_namespace(self) -> bool:
        steps = [f"netns add {NAMESPACE}", f"link add {NAMESPACE} type veth peer name eth0 netns {NAMESPACE}",
                 f"addr add {HOST}/30 dev {NAMESPACE}", f"link set {NAMESPACE} up",
                 f"-n {NAMESPACE} addr add {INSIDE}/30 dev eth0", f"-n {NAMESPACE} link set eth0 up",
                 f"-n {NAMESPACE} link set lo up"]
        try:
            for leftover in (f"link delete {NAMESPACE}", f"netns delete {NAMESPACE}"):
                subprocess.run(["ip", *leftover.split()], capture_output=True)
            return all(subprocess.run(["ip", *step.split()], capture_output=True).returncode == 0 for step in steps)
        except FileNotFoundError:
            return False

    def _ray(self, *arguments: str, inside: bool = False) -> subprocess.Popen:
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats",
                   "--object-store-memory=100000000", *arguments]
        if inside:
            command = ["ip", "netns", "exec", NAMESPACE, *command]
        with open(self._log, "ab") as output:  # again where it failed
            return subprocess.Popen(["bash", "-c", 'until "$@"; do sleep 2; done', "-", *command], stdout=output, stderr=output,
                                    start_new_session=True, env=os.environ | {"RAY_agent_register_timeout_ms": "120000"})

    def _node(self, inside: bool = False) -> subprocess.Popen:
        ip = INSIDE if inside else HOST if self._namespace else "127.0.0.1"
        process = self._ray(f"--address={self.address}", "--num-cpus=1", f"--node-ip-address={ip}", inside=inside)
        process.inside = inside
        return process

    def wait(self, nodes: int) -> None:
        """Until so many nodes train."""
        ends = time.monotonic() + LONGEST
        code = (f"import ray; ray.init(address='{self.address}', logging_level='error', log_to_driver=False)\n"
                "print(sum(n['Alive'] and n['Resources'].get('CPU', 0) > 0 for n in ray.nodes()))")
        while True:
            found = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
            if found.stdout.strip().endswith(str(nodes)):
                return
            if time.monotonic() > ends:
                raise TimeoutError(f"the cluster has no {nodes} nodes: {found.stdout} {found.stderr[-1000:]}")
            time.sleep(3)

    def replace_node(self) -> None:
        """Kills a node with all that runs on it, each in its turn, and starts another in its place."""
        place = self._next % NODES
        self._next += 1
        old = self._nodes[place]
        kill_group(old)
        self._nodes[place] = self._node(old.inside)

    def workers(self) -> list[int]:
        """Ids of the processes that train a trial at present."""
        return [process.pid for process in psutil.process_iter(["cmdline"])
                if " ".join(process.info["cmdline"] or ()).startswith("ray::trial")]
