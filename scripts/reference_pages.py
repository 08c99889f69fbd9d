"""Writes the generated reference pages: configuration keys from the models, options from the commands.

    python scripts/reference_pages.py     writes docs/reference/configuration.md and the end of docs/reference/commands.md
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from pathlib import Path

import annotated_types
import typer
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from expansion.search.constraints import Constraint  # noqa: E402
from expansion.spec import Limits, Spec  # noqa: E402
from pipeline.cli import app  # noqa: E402
from pipeline.config import SHORT, Config  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
MARK = "<!-- From here on written by scripts/reference_pages.py -->\n"
HEAD = """# Configuration

<!-- Written by scripts/reference_pages.py from the models; do not edit. -->

Every key of a configuration file. A key that you leave out has its default. An unknown key or an impossible value is an
error that names the key, the value and what is allowed. Each run keeps what it used, with every default spelled out, in
`runs/NAME/config.yaml`. On the command line, `--set KEY=VALUE` sets any key by its dotted name; the value is YAML
([commands](commands.md#options-and-the-configuration)).

Files to start from are in `configs/`: `small.yaml` is what `x3d search` uses when you name none.
"""
PLAIN = {str: "text", int: "integer", float: "number", bool: "`true` or `false`", type(None): "`null`"}
SPEC = "a network: `X2D`, `XS` to `XXL`, `frames=8,stride=4,size=128`, or the same as a section"
# The meaning of keys whose docstring gives none, or none that can be understood without the code beside it.
MEANINGS = {
    "name": "Name of the run; its folder is `runs/NAME`.",
    "wandb": "Weights & Biases to log to.",
    "ingest.upscale": "Scale smaller videos up to `short_side`.",
    "ingest.seed": "Seed of the hash that divides the splits, and of the order of the records.",
    "expected.train": "Number of training videos.",
    "expected.val": "Number of validation videos.",
    "expected.test": "Number of test videos.",
    "expected.classes": "Number of classes.",
    "expected.seconds": "Length of a typical video.",
    "expected.fps": "Frames per second of a typical video.",
    "expected.aspect": "Longer side over the shorter side of a typical video.",
    "search.classes": "Outputs of the networks, which count in the MACs. A search takes them from the data.",
    "search.axes": "Axes to try.",
    "search.cost": "What candidates are matched in and gains are counted by.",
    "search.limits": "Longest span of a clip in stored frames, and largest crop in pixels. A search takes them from the data.",
    "recipe.precise_bn": "After the last epoch, estimate batch norm's statistics again from this many training batches per "
                         "device; 0 keeps the running averages.",
    "recipe.by_step": "Other values from a search step on: `{8: {batch: 512}}` halves a batch of 1024 at step 8.",
    "final": "Recipe values that differ for the last training of the chosen network, such as `{epochs: 256}`.",
    "engine.num_cpus": "CPUs that Ray reserves for one training; by default `threads`, or 1.",
    "engine.num_gpus": "GPUs that Ray reserves for one training; a fraction shares one.",
    "engine.memory_gib": "Memory that Ray reserves for one training.",
    "engine.address": "Address of the Ray cluster: HOST:PORT of its head, or `auto` for the one that this machine is part "
                      "of. By default `$RAY_ADDRESS`; without it, Ray starts on this machine for this search alone.",
    "proxy.share": "Share of the training videos of each class, chosen by a hash of their ids. All validation videos stay.",
    "proxy.epochs": "Epochs of a candidate's training; `null` for the recipe's.",
    "proxy.seed": "Seed of the hashes.",
    "wandb.project": "Name of the project.",
}
BOUNDS = ((annotated_types.Ge, "ge", "≥"), (annotated_types.Gt, "gt", ">"), (annotated_types.Le, "le", "≤"),
          (annotated_types.Lt, "lt", "<"))


def configuration_page() -> str:
    """The page of configuration keys."""
    return "\n".join([HEAD, *_section(Config, "", "The top level")])


def commands_part() -> str:
    """The tables of the commands' arguments and options."""
    main = typer.main.get_command(app)
    parts = []
    for name in main.list_commands(None):
        command = main.get_command(None, name)
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        usage = " ".join([f"x3d {name}", *(_usage(argument) for argument in arguments), "[OPTIONS]"])
        parts += [f"### {name}\n", f"{' '.join(command.help.split())}\n", f"`{usage}`\n"]
        rows = [f"| `{_usage(argument)}` |  | {_text(argument.help)} |" for argument in arguments]
        parts += ["| argument or option | default | meaning |", "|---|---|---|", *rows, *map(_option, options), ""]
    return "\n".join(parts)


def _usage(argument) -> str:
    name = (argument.metavar or argument.name).strip("[]{}.").upper()
    name += "..." if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def _option(option) -> str:
    flags = ", ".join(f"`{flag}`" for flag in [*option.opts, *option.secondary_opts])
    if not option.is_flag:
        flags += f" {option.metavar or _value(option)}"
    default = "required" if option.required else ""
    if not (option.is_flag or option.default is None or option.required):
        default = f"`{option.default}`"
    elif option.is_flag and option.secondary_opts and option.default is not None:
        default = f"`{option.opts[0] if option.default else option.secondary_opts[0]}`"
    return f"| {flags} | {default} | {_text(option.help)} |"


def _value(option) -> str:
    """What stands for the value of an option."""
    kind = option.type_descriptor.annotation
    return {str: "TEXT", int: "INTEGER", float: "NUMBER"}[(typing.get_args(kind) or (kind,))[0]]


def _section(model: type[BaseModel], prefix: str, title: str) -> list[str]:
    """A model's table of keys, then those of the sections in it."""
    meanings, rows, below = _meanings(model, prefix), [], []
    for name, field in model.model_fields.items():
        key = f"{prefix}.{name}" if prefix else name
        inner = next((kind for kind in (field.annotation, *typing.get_args(field.annotation)) if _is_model(kind)), None)
        if inner is not None:
            kind = f"section, [below](#{_anchor(key)})"
            kind += f"; its `{SHORT[key]}` alone may stand for it" if key in SHORT else ""
            below += _section(inner, key, f"`{key}`")
        else:
            kind = _kind(field.annotation, field.metadata)
        default = _default(field, inner)
        rows.append(f"| `{key}` | {kind} | {default} | {_text(meanings[name])} |")
    summary = inspect.getdoc(model).partition("\n\n")[0]
    return [f"## {title}\n", f"{_text(summary)}\n", "| key | type and values | default | meaning |", "|---|---|---|---|",
            *rows, "", *below]


def _meanings(model: type[BaseModel], prefix: str) -> dict[str, str]:
    """What the docstrings of a model and its bases say of each key.

    Raises:
        ValueError: of one they say nothing.
    """
    found: dict[str, str] = {}
    for kind in reversed([kind for kind in model.__mro__ if issubclass(kind, BaseModel)]):
        part = re.search(r"^(?:Args|Attributes):\n((?:    .*\n?|\n)+)", inspect.getdoc(kind) or "", re.MULTILINE)
        for names, text in re.findall(r"^    (\w[\w, ]*): ((?:.*(?:\n {8}.*)*))", part[1] if part else "", re.MULTILINE):
            found |= dict.fromkeys(names.split(", "), re.sub(r"\bNone\b", "`null`", text))
    start = f"{prefix}." if prefix else ""
    found |= {name: MEANINGS[start + name] for name in model.model_fields if start + name in MEANINGS}
    if missing := set(model.model_fields) - set(found):
        raise ValueError(f"{model.__name__}: its docstring says nothing of {', '.join(sorted(missing))}")
    return found


def _kind(annotation, metadata=()) -> str:
    """Type and allowed values in words."""
    origin, given = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(given[0], given[1:])
    if origin in (typing.Union, types.UnionType):
        # bounds belong to the number, not to null
        return " or ".join(_kind(kind, () if kind is type(None) else metadata) for kind in given)
    if origin is typing.Literal:
        return ", ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in given)
    if origin is tuple:
        of = f"of {_kind(given[0])}" if given[-1] is ... else f"of {len(given)} × {_kind(given[0])}"
        return f"list {of}" + ("; at least one" if any(isinstance(m, annotated_types.MinLen) for m in metadata) else "")
    if annotation is Spec:
        return SPEC
    if annotation is Limits:
        return "section of `span` and `size`, each an integer or `null`"
    if annotation is Constraint:
        return "text such as `params < 4M`"
    if origin is dict:
        if typing.get_origin(given[0]) is typing.Literal:
            return f"section of keys {_kind(given[0])}, each a {_kind(given[1])}"
        if given[0] is int:
            return "section of steps, each with keys of `recipe`"
        return f"section of {_kind(str)}" if given[1] is str else "section of keys of `recipe`"
    bounds = [f"{sign} {getattr(m, name):g}" for m in metadata for kind, name, sign in BOUNDS if isinstance(m, kind)]
    return " ".join([PLAIN[annotation], ", ".join(bounds)]).strip()


def _is_model(kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Constraint


def _default(field, inner) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if inner is not None and value is not None:
        return ""
    if isinstance(value, Spec):
        return "`X2D`"
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Limits):
        return "no limit"
    if isinstance(value, tuple):
        return f"`[{', '.join(_number(part) for part in value)}]`"
    return f"`{_number(value)}`" if value != {} else "empty"


def _number(value) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _text(text: str | None) -> str:
    parts = re.split(r"(`[^`]*`)", " ".join((text or "").split()).replace("|", "\\|"))
    text = "".join(part if part.startswith("`") else re.sub(r"([\[<])", r"\\\1", part) for part in parts)  # not in code
    return text[:1].upper() + text[1:]


def _anchor(key: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "", key.lower())


def pages() -> dict[Path, str]:
    """The text of each page, by its path."""
    commands = REFERENCE / "commands.md"
    kept = commands.read_text(encoding="utf-8").partition(MARK)[0]
    return {REFERENCE / "configuration.md": configuration_page(), commands: f"{kept}{MARK}\n{commands_part()}"}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
