"""One process at a time in a folder: a lock that the system lets go of however its holder ends."""

from __future__ import annotations

import os

from expansion.foundation.errors import InputError

try:
    import fcntl
except ImportError:  # not a POSIX system: there is no such lock, so none is held
    fcntl = None


class Lock:
    """Held inside a `with`. It is advice on a file that stays there; on object stores there is none.

    Args:
        path: of the file.
    """

    def __init__(self, path: str):
        self.path = path
        self._file = None

    def __enter__(self):
        if fcntl is None or "://" in self.path:
            return self
        self._file = open(self.path, "a+", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise InputError(f"{os.path.dirname(self.path)}: another process (id {holder}) runs this search") from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()
