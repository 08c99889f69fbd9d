"""What is around the work of a command that takes long: where its noise goes, and how it ends when it fails."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator

from rich.console import Console

from expansion.display.console import noise_to
from expansion.foundation import kernels
from expansion.foundation.errors import InputError
from expansion.search.trace import has_trace, read_trace
from expansion.spec import Spec
from pipeline.runs.state import first_line


@contextlib.contextmanager
def session(log: str, verbose: bool = False) -> Iterator[Console]:
    """Sends what libraries print to a log while the block runs; gives the console that still shows.

    Args:
        log: file, which is added to.
        verbose: show what is logged on the screen as well.

    Raises:
        InputError, ModuleNotFoundError: as they are.
        SystemExit: with 1, after one line, for anything else that the block raises; the log has the traceback.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    with noise_to(log, verbose) as console:
        try:
            yield console
        except (InputError, ModuleNotFoundError):  # the command line has a line for each
            raise
        except Exception as error:
            traceback.print_exc()
            console.print(f"x3d: failed: {first_line(error)}\nThe log is {log}", markup=False, soft_wrap=True)
            raise SystemExit(1) from error


def choose_kernels(search_folder: str, start: Spec) -> None:
    """Has this process compute with the kernels that a search began with, or that suit the network that it begins with.

    Raises:
        InputError: the trace of the search cannot be read.
    """
    begun = read_trace(search_folder).onednn if has_trace(search_folder) else None
    kernels.choose(kernels.onednn_for(start.pixels) if begun is None else begun)
