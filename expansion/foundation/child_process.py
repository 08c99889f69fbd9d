"""Calls a function in a child process of its own, where a hang or a crash of a library costs one answer and no more.

The child serves call after call, so its start (a third of a second) is paid once. Requests and answers are JSON and
bytes, never pickles: what comes back from a process that reads hostile files is data.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator

_HEAD = struct.Struct("<QQ")  # bytes of the JSON text, bytes of the data after it
GRACE = 2.0  # seconds after which a call that does not keep its own time limit is ended from outside


class Hung(Exception):
    """The call did not end in time; its process was ended."""


class Died(Exception):
    """The process of the call ended before it answered, or raised what it should not; says how."""


@contextlib.contextmanager
def environment_variables(variables: dict[str, str]) -> Iterator[None]:
    """What is started within inherits these variables; this process has its own again afterwards."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Isolated:
    """A function "module:name", (request: dict) -> (answer: dict, data: bytes), called in a child process.

    Not for use by two threads at once. The child starts with the first call, and again after one that hung or died.
    """

    def __init__(self, function: str):
        self._function = function
        self._child: subprocess.Popen | None = None

    def call(self, request: dict, seconds: float) -> tuple[dict, bytes]:
        """The function's answer.

        Args:
            seconds: time limit; the kernel ends the child `GRACE` seconds later, in whatever call it is.

        Raises:
            Hung: the time is over.
            Died: the child crashed or was killed, or the function raised.
        """
        child = self._child or self._start()
        try:
            _send(child.stdin, [seconds + GRACE, request])
            answer, data = _receive(child.stdout)
        except (EOFError, BrokenPipeError):
            code = child.wait()
            self.close()
            if code == -signal.SIGALRM:
                raise Hung(f"no answer within {seconds:g} s") from None
            raise Died(_how(code)) from None
        except BaseException:
            self.close()
            raise
        if "raised" in answer:
            self.close()
            raise Died(answer["raised"])
        return answer["value"], data

    def _start(self) -> subprocess.Popen:
        # -I, so that the child imports from where this process does and from nowhere else.
        code = f"import sys; sys.path[:] = sys.argv[2:]; from {__name__} import serve; serve(sys.argv[1])"
        paths = [path or os.getcwd() for path in sys.path]
        command = [sys.executable, "-I", "-c", code, self._function, *paths]
        try:
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise RuntimeError(f"no process for {self._function}: {error}") from error
        return self._child

    def close(self) -> None:
        """Ends the child."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with contextlib.suppress(OSError):
                child.communicate()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"killed by {name}" + (" (out of memory?)" if code == -signal.SIGKILL else "")


def _send(pipe, message, data: bytes = b"") -> None:
    text = json.dumps(message).encode()
    pipe.write(_HEAD.pack(len(text), len(data)) + text)
    pipe.write(data)
    pipe.flush()


def _receive(pipe) -> tuple[dict | list, bytes]:
    text, data = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    return json.loads(_exactly(pipe, text)), _exactly(pipe, data)


def _exactly(pipe, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


def serve(function: str) -> None:
    """The child: answers requests from its input until that ends, which it does when the parent is gone."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the kernel's own: ends a process that never comes back to Python
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # where memory runs out, the child goes and not the run
    module, name = function.split(":")
    answer = getattr(importlib.import_module(module), name)
    gc.freeze()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            (limit, request), _ = _receive(requests)
            signal.setitimer(signal.ITIMER_REAL, limit)
            try:
                value, data = answer(request)
                message = {"value": value}
            except Exception as error:
                value, message, data = None, {"raised": f"{type(error).__name__}: {str(error)[:200]}".splitlines()[0]}, b""
            signal.setitimer(signal.ITIMER_REAL, 0)
            _send(answers, message, data)
            # PyAV's containers and streams hold each other, and with them some 20 MB of frames a video.
            del value, data, message
            gc.collect()
