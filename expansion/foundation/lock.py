"""Locks on files, which the system lets go of however their holder ends. Where there are none, nothing is kept out."""

from __future__ import annotations

import os

from expansion.foundation.errors import InputError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None


def lock(file, shared: bool = False, wait: bool = False) -> bool:
    """Locks an open file until it is closed; False where another process holds a lock that excludes this one.

    True as well, and nothing is locked, on systems and drives without locks.

    Args:
        shared: with others that lock it so.
        wait: for the others to end, rather than to return False.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a drive without locks
        pass
    return True


class Lock:
    """One process at a time in a search's folder, inside a `with`. The file stays there; on object stores there is no lock.

    Args:
        path: of the file.
    """

    def __init__(self, path: str):
        self.path = path
        self._file = None

    def __enter__(self):
        if "://" in self.path:
            return self
        self._file = open(self.path, "a+", encoding="ascii")
        if not lock(self._file):
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise InputError(f"{os.path.dirname(self.path)}: another process (id {holder}) runs this search")
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()
