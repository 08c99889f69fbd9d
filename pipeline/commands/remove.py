"""`x3d remove`: removes runs, or only the checkpoints of their trainings, after asking."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from expansion.display.console import make_console, make_table
from expansion.display.tables import file_size
from expansion.foundation.errors import InputError
from pipeline.options import Runs, run_names
from pipeline.runs.size import removable_run, remove_checkpoints, remove_run, size_of_run

BEGIN_AGAIN = "A training that was stopped begins again with its first epoch then."


def remove(names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names or folders of runs.",
                                                      autocompletion=run_names)],
           checkpoints: Annotated[bool, typer.Option(
               "--checkpoints", help="Remove only the states that stopped trainings resume from.")] = False,
           yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False, runs: Runs = "runs") -> None:
    """Remove runs, with their records, searches and networks, or only their checkpoints. Asks first.

    Raises:
        InputError: a run is not there or is worked on, or there is nobody to ask; nothing is removed then.
        SystemExit: with 1, if the answer is no.
    """
    folders = {folder.path: folder for folder in (removable_run(name, runs) for name in names)}.values()
    sizes = {folder.path: size_of_run(folder) for folder in folders}
    sizes = {path: size.checkpoints if checkpoints else size.total for path, size in sizes.items()}
    freed, console = sum(sizes.values()), make_console()
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("there is no terminal to ask at: --yes removes without asking")
        table = make_table("checkpoints" if checkpoints else "runs, with all that is in them", "folder", "size")
        for path, size in sizes.items():
            table.add_row(path, file_size(size))
        console.print(table)
        if checkpoints:
            console.print(BEGIN_AGAIN)
        if not typer.confirm(f"Remove {file_size(freed)}?"):
            console.print("nothing was removed")
            raise SystemExit(1)
    for folder in folders:
        remove_checkpoints(folder) if checkpoints else remove_run(folder)
        console.print(f"removed {'the checkpoints of ' if checkpoints else ''}{folder.path}", soft_wrap=True)
    console.print(f"{file_size(freed)} freed")
