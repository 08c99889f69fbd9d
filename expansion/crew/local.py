"""The members of a search's crew on this machine: threads, each with a worker process, that share cores and GPUs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence

from expansion.crew.member import Member, Show, name_of
from expansion.tuning.trial_process import Worker

COMMAND = (sys.executable, "-m", "expansion.tuning.trial_process")
NVIDIA = "/proc/driver/nvidia/gpus"  # a folder for each GPU, where there is the driver


def make_members(folder: Callable[[], str], kind: str, count: int, threads: int | None = None, *,
                 data: str | None = None, poll: float = 1.0, show: Show | None = None, command: tuple[str, ...] = COMMAND) -> list[Member]:
    """Members that work beside each other on this machine.

    Args:
        folder, kind, data, poll, show: as of Member and name_of.
        threads: of a trial; by default what the search has settled.
        command: of their processes.
    """
    shares = gpu_shares(count, _gpus())

    def maker(share: dict[str, str]) -> Callable[[int], Worker]:
        return lambda settled: Worker(command, {"TF_NUM_INTRAOP_THREADS": str(threads or settled)} | share)

    return [Member(folder, name_of(kind, number), maker(shares[number]), data=data, poll=poll, show=show)
            for number in range(count)]


def _gpus() -> list[str]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name for name in given.split(",") if name]
    return [str(number) for number in range(len(os.listdir(NVIDIA)))] if os.path.isdir(NVIDIA) else []


def gpu_shares(workers: int, gpus: Sequence[str]) -> list[dict[str, str]]:
    """Environment variables that give each of several workers its GPUs: their own, or one that they share."""
    if workers < 2 or not gpus:
        return [{} for _ in range(workers)]
    if len(gpus) >= workers:
        return [{"CUDA_VISIBLE_DEVICES": ",".join(gpus[number::workers])} for number in range(workers)]
    return [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)], "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
            for number in range(workers)]


class Crew:
    """Members at work in threads, from `start` to `close`."""

    def __init__(self, members: Sequence[Member]):
        self.members = list(members)
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def start(self) -> None:
        for member in self.members:
            thread = threading.Thread(target=self._run, args=(member,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, member: Member) -> None:
        try:
            member.run()
        except BaseException as error:
            self._errors.append(error)

    def check(self) -> None:
        """Raises what a member could not get over."""
        if self._errors:
            raise self._errors[0]

    def wait(self) -> None:
        """Until all have returned.

        Raises:
            what a member could not get over.
        """
        while any(thread.is_alive() for thread in self._threads) and not self._errors:
            for thread in self._threads:
                thread.join(0.5)
        self.check()

    def close(self) -> None:
        """Ends the members and their processes; trials that they have are given back."""
        for member, thread in zip(self.members, self._threads):
            for _ in range(50):  # a trial may be about to begin when it is told to stop
                member.stop()
                thread.join(0.2)
                if not thread.is_alive():
                    break
        for member in self.members:
            member.close()
        self._threads = []
