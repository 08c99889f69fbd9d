"""The command line in this process: the same as typed, without the second that a process of its own takes to import."""

import contextlib
import io
import sys
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

from pipeline.cli import main

ROOT = Path(__file__).resolve().parents[1]


def x3d(*args: str, cwd=ROOT) -> CompletedProcess:
    """Runs `x3d ARGS` in a folder: its exit code and what it wrote to standard output and standard error."""
    out, error, code = io.StringIO(), io.StringIO(), 0
    with (contextlib.chdir(cwd), mock.patch.object(sys, "argv", ["x3d", *args]), contextlib.redirect_stdout(out),
          contextlib.redirect_stderr(error)):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return CompletedProcess(args, code, out.getvalue(), error.getvalue())
