"""Functions for the child processes of the ingestion that hang and crash as a broken libav would."""

import ctypes
import gc
import os
import signal
import time

from components.ingestion.encode import answer


def echo(request: dict) -> tuple[dict, bytes]:
    """Says who answers, and gives the text back as bytes."""
    print("noise of a library", flush=True)
    return {"pid": os.getpid(), **request}, request.get("text", "").encode()


def obey(request: dict) -> tuple[dict, bytes]:
    """Hangs, crashes or raises as the request's "do" says."""
    act(request["do"])
    return {"done": request["do"]}, b""


def act(what: str) -> None:
    if what == "hang":
        ctypes.PyDLL(None).pause()  # in C, with Python's lock held: nothing written in Python can end it
    if what == "sleep":
        time.sleep(600)
    if what == "crash":
        signal.raise_signal(signal.SIGSEGV)
    if what == "leave":
        os._exit(3)
    if what == "raise":
        raise KeyError("a fault of ours")


def answer_or_fail(request: dict) -> tuple[dict, bytes]:
    """The ingestion's own answer, but for files named hang... or crash..."""
    act(os.path.basename(request["entry"]["source"]).rstrip("0123456789.mp"))
    return answer(request)


class Held(bytearray):
    """Some memory in a cycle of references, as PyAV's containers and streams are."""


def keep(request: dict) -> tuple[dict, bytes]:
    """Leaves memory in a cycle; says how many of its kind there are."""
    held = Held(request["bytes"])
    held.itself = held
    return {"alive": sum(isinstance(one, Held) for one in gc.get_objects())}, b""
