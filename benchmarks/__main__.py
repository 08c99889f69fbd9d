"""`python -m benchmarks`: runs benches and writes a table to the screen and a JSON file a case to a folder."""

from __future__ import annotations

import enum
import importlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.harness import ROOT, report, run_case
from expansion.display.console import make_console
from expansion.foundation.cpu import this_cpu
from expansion.foundation.machine import cores

DEFAULT = ("network", "input", "ingest")  # modules of this package with a list CASES
BENCHES = (*DEFAULT, "kernels", "gpu")


class Limit(enum.StrEnum):
    """Vector instructions that both sides are held to."""

    avx2 = "avx2"


LIMITS = {Limit.avx2: {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}}


def main(
    benches: Annotated[list[str] | None, typer.Argument(help=f"of {', '.join(BENCHES)}; by default the first three")] = None,
    only: Annotated[list[str] | None, typer.Option(help="cases, by name; may be given several times")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="how often the contenders take turns")] = 5,
    output: Annotated[Path | None, typer.Option(help="folder for the JSON; default runs/benchmarks/<time>")] = None,
    cpu: Annotated[Limit | None, typer.Option(
        help="hold oneDNN, PyTorch and MKL to what such a CPU has; TensorFlow's own kernels use no more on any")] = None,
    list_cases: Annotated[bool, typer.Option("--list", help="list the cases and end")] = False,
) -> None:
    """Measures this project and its peers in turn, in the same run."""
    console = make_console()
    unknown = set(benches or ()) - set(BENCHES)
    if unknown:
        raise typer.BadParameter(f"no bench {sorted(unknown)[0]!r}; there are {', '.join(BENCHES)}")
    cases = [case for name in benches or DEFAULT for case in importlib.import_module(f"benchmarks.{name}").CASES]
    unknown = set(only or ()) - {case.name for case in cases}
    if unknown:
        raise typer.BadParameter(f"no case {sorted(unknown)[0]!r}; there are {', '.join(c.name for c in cases)}")
    if list_cases:
        for case in cases:
            console.print(f"{case.name:18} {case.title}")
        return
    os.environ.update(LIMITS[cpu] if cpu else {})
    console.print(f"CPU: {this_cpu()}{f', held to {cpu}' if cpu else ''}; {cores()} cores\n", highlight=False)
    folder = output or ROOT / "runs" / "benchmarks" / f"{datetime.now():%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        if only and case.name not in only:
            continue
        result = run_case(case, rounds, folder, console) | {"cpu": str(this_cpu()), "held_to": cpu}
        (folder / f"{case.name}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
        report(result, console)
    console.print(f"JSON and logs: {folder}")


if __name__ == "__main__":
    typer.run(main)
