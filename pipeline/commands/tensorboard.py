"""`x3d tensorboard`: TensorBoard on a run, or on all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from expansion.display.console import make_console
from expansion.foundation.errors import InputError
from pipeline.options import Runs, run_names
from pipeline.runs.folder import find_run


def tensorboard(run: Annotated[str | None, typer.Argument(help="Name or folder of a run; default: all.",
                                                          autocompletion=run_names)] = None,
                port: Annotated[int, typer.Option(help="Where it listens.")] = 6006,
                host: Annotated[str, typer.Option(help="Name or address that it listens at.")] = "localhost",
                runs: Runs = "runs") -> None:
    """Open TensorBoard on a run's searches, or on all runs, until interrupted.

    Raises:
        InputError: there is no such run, or there is nothing to show.
    """
    logs = runs
    if run:
        folder = find_run(run, runs)
        searches = folder.traces()
        # The newest search alone, so that its runs have short names.
        logs = os.path.join(searches[-1], "logs") if searches else (
            folder.training_logs if os.path.isdir(folder.training_logs) else folder.searches)
    if not os.path.isdir(logs):
        raise InputError(f"no runs under {logs}/; `x3d search` or `x3d demo` makes one")
    # Unsmoothed; above 40 runs TensorBoard selects none, so a long search opens on its summary.
    view = "runFilter=summary&smoothing=0" if run and len(os.listdir(logs)) > 9 else "smoothing=0"
    make_console().print(f"open http://{host}:{port}/?{view}#timeseries", soft_wrap=True)
    try:
        # Every step's figure is kept: the default of 10 images a tag drops some.
        subprocess.run([sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--host", host, "--port", str(port),
                        "--samples_per_plugin", "images=100,text=100"],
                       env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"})  # its own lines stay
    except KeyboardInterrupt:
        pass
