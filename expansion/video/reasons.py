"""Why a video cannot be used, and the time that it may take."""

from __future__ import annotations

import time


class Rejected(Exception):
    """A video that cannot be used: a short stable code and what was found."""

    def __init__(self, code: str, detail: str):
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class Deadline:
    """Raises Rejected("timeout") once the seconds are over."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        if time.monotonic() > self._end:
            raise Rejected("timeout", f"not decoded within {self._seconds:g} s")


def first_line(error: BaseException) -> str:
    """An error's text for a detail: one line, not long."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0][:200]
