"""`x3d describe`: what networks cost, in closed form. Imports no TensorFlow."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from expansion.complexity import complexity
from expansion.display.console import make_console, make_table, print_json
from expansion.display.tables import SPEC_COLUMNS, spec_cells
from expansion.foundation.errors import InputError
from expansion.spec import Spec, parse_spec
from pipeline.options import Json

BATCH = 8  # that the memory of a training step is stated for


def describe(spec: Annotated[list[str], typer.Argument(help="Names (X2D, XS, S, M, L, XL, XXL) or frames=4,size=160,...")],
             classes: Annotated[int, typer.Option(help="Outputs of the network.")] = 400, as_json: Json = False) -> None:
    """MACs and parameters of networks, to the digit; of a single one also its stages and the memory of a training step.

    Raises:
        InputError: a spec is unknown, or there are fewer than two classes.
    """
    if classes < 2:
        raise InputError(f"--classes is {classes}; at least 2 are allowed")
    parsed = [(text, parse_spec(text)) for text in spec]
    if as_json:
        print_json([{"name": text, "spec": known.as_dict(), "classes": classes, "macs": found.macs,
                     "params": found.params, "params_without_bn": found.params_without_bn, "bytes": found.memory(BATCH)}
                    for text, known in parsed for found in [complexity(known, classes)]])
        return
    if len(parsed) == 1:
        _describe_one(*parsed[0], classes)
    table = make_table("networks", "name", *SPEC_COLUMNS, "MACs", "params", "without BN")
    for text, known in parsed:
        found = complexity(known, classes)
        table.add_row(text, *spec_cells(known), *(f"{n:,}" for n in (found.macs, found.params, found.params_without_bn)))
    console = make_console()
    console.print(table)
    console.print(f"{classes} classes; MACs of one clip at the training crop. Width is on X2D's channels: the paper's "
                  "figure is twice it.")


def _describe_one(text: str, spec: Spec, classes: int) -> None:
    table = make_table(f"{text}: stages", "stage", "blocks", "channels", "inner", "output")
    size = math.ceil(spec.size / 2)
    table.add_row("stem", "", str(spec.stem_channels), "", f"{spec.frames}x{size}x{size}")
    blocks = spec.blocks()
    for stage in sorted({block.stage for block in blocks}):
        inside = [block for block in blocks if block.stage == stage]
        size = math.ceil(size / 2)
        table.add_row(f"res{stage}", str(len(inside)), str(inside[0].outputs), str(inside[0].inner),
                      f"{spec.frames}x{size}x{size}")
    table.add_row("head", "", f"{spec.head_inner}, 2048, {classes}", "", "")
    table.caption = f"memory of a training step at batch {BATCH}: {complexity(spec, classes).memory(BATCH) / 2**30:.2f} GiB"
    make_console().print(table)
