"""What the options of `x3d` mean: those that stand for a key of the configuration, `--set`, and those that commands share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer
import yaml

from expansion.foundation.errors import InputError

if TYPE_CHECKING:
    from pipeline.config import Config


def run_names(incomplete: str) -> list[str]:
    """Names of the runs under runs/ that begin so, for the shell to complete."""
    from pipeline.runs.folder import all_runs

    return [run.name for run in all_runs() if run.name.startswith(incomplete)]


Runs = Annotated[str, typer.Option(help="Folder of all runs.")]
Run = Annotated[str | None, typer.Argument(help="Name or folder of a run; default: the newest.", autocompletion=run_names)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show on the screen what goes to the log.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin a new search; the run's earlier ones are kept.")]


SMALL = "small.yaml"


@dataclass(frozen=True)
class Setting:
    """An option that stands for a key of the configuration.

    Args:
        key: dotted, as in `--set`.
        kind: type of its value; a list for an option that may be given several times.
        help: a line for --help.
        flags: how it is typed, where that is not --NAME.
        metavar: what --help calls its value, where that is not its type.
    """

    key: str
    kind: object
    help: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None

    def annotation(self):
        """What Typer makes the option from."""
        return Annotated[self.kind | None, typer.Option(*self.flags, help=self.help, metavar=self.metavar)]


# Those that several commands have. A command's own are beside its code.
SETTINGS = {
    "name": Setting("name", str, "Name of the run; its folder is RUNS/NAME."),
    "videos": Setting("ingest.videos", str, "Folder of the videos."),
    "labels": Setting("ingest.labels", str, "Label file: CSV path,label[,split][,group]; `path label` text; JSON; or "
                                            "as published with Kinetics, UCF101, HMDB51, Something-Something V2, Jester. "
                                            "Without it, class folders."),
    "steps": Setting("search.steps", int, "Expansion steps at most."),
    "target_gmacs": Setting("search.target_gmacs", float, "Stop at this cost, contracted to it."),
    "epochs": Setting("recipe.epochs", float, "Epochs of each candidate."),
    "cost": Setting("search.cost", str, "What candidates are matched in: macs, params, memory or latency."),
    "constraint": Setting("search.constraints", list[str], "What no candidate may exceed, like 'params < 4M' or 'latency < "
                                                           "30 ms'; may be given several times."),
    "hours": Setting("search.hours", float, "Begin no step that would take the search past this."),
    "engine": Setting("engine.name", str, "Where candidates train: in-process, local (child processes) or ray (a Ray cluster)."),
    "workers": Setting("engine.workers", int, "Candidates that train at the same time."),
    "threads": Setting("engine.threads", int, "Threads of one candidate's training; default: cores by workers."),
    "ray_address": Setting("engine.address", str, "Ray cluster to train on: HOST:PORT of its head, or auto for this machine's."),
    "beam": Setting("beam", list[str], "Argument for Beam, such as --runner=FlinkRunner; may be given several times."),
    "weights": Setting("search.weights", str, "File to grow from: .keras, or .pyth of PySlowFast or PyTorchVideo. The seed is "
                                              "its network; candidates begin as their parent."),
    "new_head": Setting("search.new_head", bool, "Begin a new last layer in place of the file's.", ("--new-head/--keep-head",)),
    "freeze": Setting("recipe.freeze", str, "Stage up to which weights stay as they are: stem, stage2 to stage5, or head."),
    "backbone_rate": Setting("recipe.stage_rates.backbone", float,
                             "Rate of all but the last layer, as a multiple of the recipe's."),
    "wandb": Setting("wandb.project", str, "Log to this project at Weights & Biases as well.", metavar="PROJECT"),
}

_SET = Annotated[list[str] | None, typer.Option(
    "--set", metavar="KEY=VALUE", help="Any other key of the configuration, such as search.factor=1.5; may be given several "
                                       "times; if a key is given twice, the last value wins.")]


@dataclass(frozen=True)
class Given:
    """What a command line says of the configuration.

    Args:
        path: YAML file; None where none is named.
        values: by dotted key, in the order in which they are put over the file's; None stands for YAML's null.
        default: the shipped file that is used where none is named; None for no file.
    """

    path: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    default: str | None = SMALL

    def get(self, key: str):
        """The value given for a key, also as part of a section; None where nothing is."""
        return _find(self.values, key)

    def load(self, *, need_videos: bool = True, **own) -> Config:
        """The configuration.

        Args:
            need_videos: as load_config takes it.
            own: values by dotted key that the command itself decides, None for none.

        Raises:
            InputError: as load_config; a value of the command line contradicts one of `own`.
        """
        from pipeline.config import load_config, shipped

        own = {key: value for key, value in own.items() if value is not None}
        start = {"search.start": None} if self.get("search.weights") else {}  # the file's network, unless one is given as well
        for key, value in own.items():
            if (other := self.get(key)) is not None and other != value:
                raise InputError(f"{key} is {other!r}: this command sets it itself, to {value!r}")
        path = self.path or (shipped(self.default) if self.default else None)
        return load_config(path, need_videos=need_videos, values={**start, **self.values, **own})


def configured_by(*names: str, default: str | None = SMALL, config_file: bool = True, **own: Setting) -> Callable:
    """Says which options of the configuration a command has, beside --set; it takes what they say as a Given, `given`.

    Args:
        names: of SETTINGS.
        default: the shipped file that is used where none is named; None for no file.
        config_file: whether one can be named, with --config.
        own: further options, by their names.
    """
    def mark(function: Callable) -> Callable:
        function.settings = {name: SETTINGS[name] for name in names} | own
        function.default_file, function.config_file = default, config_file
        return function

    return mark


def typed(function: Callable) -> Callable:
    """The function that Typer calls for a command: `given` is replaced by the options that it is made from."""
    settings: dict[str, Setting] | None = getattr(function, "settings", None)
    if settings is None:
        return function

    @functools.wraps(function)
    def command(**arguments):
        path, sets = arguments.pop("config", None), arguments.pop("set_") or []
        chosen = {name: arguments.pop(name) for name in settings}
        values = _merged({name: value for name, value in chosen.items() if value not in (None, [])}, settings, sets)
        return function(given=Given(path, values, function.default_file), **arguments)

    parameters = inspect.signature(function, eval_str=True).parameters.values()
    shown = {name: setting.annotation() for name, setting in settings.items()}
    if function.config_file:
        default = f" Default: configs/{function.default_file}." if function.default_file else ""
        text = f"YAML file; options on the command line override it.{default}"
        shown["config"] = Annotated[str | None, typer.Option(help=text)]
    options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
               for name, annotation in (shown | {"set_": _SET}).items()]
    kept = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters if parameter.name != "given"]
    required = [parameter for parameter in kept if parameter.default is parameter.empty]
    command.__signature__ = inspect.Signature([*required, *options, *(p for p in kept if p not in required)])
    command.__annotations__ = {p.name: p.annotation for p in command.__signature__.parameters.values()}
    return command


def _merged(chosen: dict[str, object], settings: dict[str, Setting], sets: Sequence[str]) -> dict[str, object]:
    """Values by key: those of --set in their order, then the options'.

    Raises:
        InputError: a --set is not KEY=VALUE, or says of a key something else than its option.
    """
    values: dict[str, object] = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals or not all(part.strip() for part in key.split(".")):
            raise InputError(f"--set {text}: KEY=VALUE is expected, such as search.steps=3")
        values.pop(key.strip(), None)  # so that of two the last one comes last
        try:
            values[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"--set {text}: the value is not valid YAML") from None
    for name, value in chosen.items():
        other = _find(values, settings[name].key)
        if other is not None and other != value:
            option = next(iter(settings[name].flags), f"--{name.replace('_', '-')}").split("/")[0]
            raise InputError(f"{option} says {value!r} and --set {settings[name].key} says {other!r}: give one of them")
    return values | {settings[name].key: value for name, value in chosen.items()}


def _find(values: Mapping[str, object], key: str):
    """What values by dotted key come to for one key: the last that names it or a section it is in; None where none does."""
    found = None
    for name, value in values.items():
        if name == key:
            found = value
        elif key.startswith(f"{name}."):
            for part in key.removeprefix(f"{name}.").split("."):
                value = value.get(part) if isinstance(value, dict) else None
            found = value
    return found
