"""What a running search shows: bars in a terminal, one line a trial elsewhere."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn)

from expansion.console import make_console
from expansion.search import CandidateState, Step
from expansion.spec import Spec
from expansion.tables import clip_text, cost, percent, step_table


# Left to itself, rich sends what libraries print to the screen, past console.noise_to's log.
_QUIET = {"transient": True, "redirect_stdout": False, "redirect_stderr": False}


@contextlib.contextmanager
def waiting(console: Console, text: str) -> Iterator[None]:
    """A spinner with a text, for work that cannot be counted."""
    with Progress(SpinnerColumn(), TextColumn(text), TimeElapsedColumn(), console=console,
                  disable=not console.is_terminal, **_QUIET) as spinner:
        spinner.add_task(text, total=None)
        yield


@contextlib.contextmanager
def task_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for one task, gone when it is done; the block calls what it is given with (done, total)."""
    console = make_console(stderr=True)
    with Progress(TextColumn(description), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
                  TimeRemainingColumn(), console=console, disable=not console.is_terminal, **_QUIET) as bars:
        task = bars.add_task(description, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class SearchProgress:
    """Shows a search. All methods are called by the tuner.

    Args:
        console: where to; standard error by default.
        quiet: show nothing.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False):
        self.console = console or make_console(stderr=True)
        self.quiet = quiet
        self._bars: Progress | None = None
        self._task = None
        self._label = ""

    def _say(self, what) -> None:
        if not self.quiet:
            self.console.print(what)

    def trial_began(self, step: int, place: str, candidate: CandidateState, epochs: float) -> None:
        """`place` is like "2/5": which candidate of the step this is."""
        self._began(f"step {step} {place} {candidate.axis}: {_short(candidate.spec)} {cost(candidate.macs)}MACs", epochs)

    def training_began(self, spec: Spec, epochs: float) -> None:
        """The final training of the chosen spec."""
        self._began(f"training {_short(spec)}", epochs)

    def _began(self, label: str, epochs: float) -> None:
        self._label = label
        if self.quiet or not self.console.is_terminal:
            return
        self._bars = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs"),
                              TextColumn("{task.fields[state]}"), TimeElapsedColumn(), TextColumn("left"),
                              TimeRemainingColumn(), console=self.console, **_QUIET)
        self._bars.start()
        self._task = self._bars.add_task(label, total=math.ceil(epochs), state="compiling")

    def epoch_ended(self, epoch: int, epochs: int, logs: dict) -> None:
        if self._bars:
            state = f"loss {logs['loss']:.3f} accuracy {percent(logs['accuracy'])}"
            self._bars.update(self._task, completed=epoch, total=epochs, state=state)

    def trial_ended(self, result: str) -> None:
        if self._bars:
            self._bars.stop()
            self._bars = None
        self._say(f"{self._label}  {result}")

    def step_decided(self, step: Step) -> None:
        self._say(step_table(step))


def _short(spec: Spec) -> str:
    return f"{clip_text(spec)} {spec.size}px w{spec.width:g} d{spec.depth:g} b{spec.bottleneck:g}"
