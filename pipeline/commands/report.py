"""`x3d report`: one page on a run (pipeline/report)."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from expansion.display.console import make_console
from pipeline.options import Run, Runs
from pipeline.runs.folder import named_or_newest


def report(run: Run = None,
           output: Annotated[str | None, typer.Option(help="File to write; default: report.html in the run.")] = None,
           markdown: Annotated[bool, typer.Option("--markdown", help="Markdown with pictures beside it.")] = False,
           runs: Runs = "runs") -> None:
    """Write one page on a run, finished or not: path, candidates, curves, time, model card.

    Raises:
        InputError: there is no such run, it has no search yet, or the output's ending is another one.
    """
    from pipeline.report.facts import gather  # brings matplotlib with it
    from pipeline.report.write import write_report

    folder = named_or_newest(run, runs)
    path = output or os.path.join(folder.path, f"report.{'md' if markdown else 'html'}")
    written = write_report(gather(folder), path, markdown)
    make_console().print(os.path.relpath(written[0]) if not os.path.isabs(path) else path, soft_wrap=True, markup=False)
