"""The command line, `x3d`. Commands import what they need when they run, so that --help and plan answer at once."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from typing import Annotated

import typer
from typer.core import TyperGroup

from expansion.display.console import make_console
from expansion.foundation.errors import InputError
from expansion.foundation.files import WriteFailed
from pipeline.options import typed

# As typed: the function that it calls, in the module of pipeline/commands/ of the command's name.
COMMANDS = {
    "search": "search", "demo": "demo", "train": "train", "ingest": "ingest", "plan": "plan",
    "describe": "describe", "proxy-check": "proxy_check", "reproduce": "reproduce", "compile": "compile_pipeline",
    "eval": "evaluate", "predict": "predict", "export": "export", "convert": "convert", "runs": "list_runs", "show": "show",
    "report": "report", "tensorboard": "tensorboard", "remove": "remove",
}
# Packages that only some commands need, and the extra of setup.py that brings each.
EXTRAS = {
    "apache_beam": "tfx", "tfx": "tfx", "tensorflow_model_analysis": "tfx", "tensorflow_data_validation": "tfx",
    "av": "video", "sklearn": "demo", "kfp": "tfx,kubeflow", "ray": "ray", "wandb": "wandb",
}
RESUMED = ("search", "demo", "train")  # commands that resume where they were when given again


class _Commands(TyperGroup):
    """The commands, each imported when it is asked for; Ctrl-C in any of them is one line and exit code 130."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"pipeline.commands.{name.replace('-', '_')}")
        function = getattr(module, COMMANDS[name])
        one = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
        one.command(name, help=function.__doc__.partition("\n\n")[0])(typed(function))  # not Args and Raises
        return typer.main.get_command(one)

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            how = "; the same command resumes from here" if ctx.invoked_subcommand in RESUMED else ""
            make_console(stderr=True).print(f"x3d: stopped{how}", soft_wrap=True)
            raise SystemExit(130) from None


app = typer.Typer(name="x3d", no_args_is_help=True, cls=_Commands, add_completion=True, pretty_exceptions_enable=False,
                  rich_markup_mode="rich")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"x3d-search {metadata.version('x3d-search')}")
        raise typer.Exit


@app.callback()
def _x3d(version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True,
                                               help="Show the version and exit.")] = False) -> None:
    """Grows video networks: the X3D expansion search."""


def main() -> None:
    """Runs the command line. An error of use is one line and exit code 2."""
    try:
        app(standalone_mode=True)
    except (InputError, WriteFailed) as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        _fail(f"this command needs {package}, which is not installed; `make install` brings all, or, in a checkout, "
              f"pip install '.[{EXTRAS[package]}]'")


def _fail(message: str) -> None:
    make_console(stderr=True).print(f"x3d: {message}", soft_wrap=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
