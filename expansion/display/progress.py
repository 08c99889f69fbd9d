"""What a running search shows: bars in a terminal, one line per trial elsewhere."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from expansion.display.console import make_console
from expansion.display.tables import clip_text, duration, percent, step_table
from expansion.search.costs import in_macs
from expansion.search.steps import CandidateState, Step
from expansion.spec import Spec

# Left to itself, rich sends what libraries print to the screen, past console.noise_to's log.
_QUIET = {"transient": True, "redirect_stdout": False, "redirect_stderr": False}


@contextlib.contextmanager
def waiting(console: Console, text: str) -> Iterator[None]:
    """A spinner with a text, for work that cannot be counted."""
    with Progress(SpinnerColumn(), TextColumn(text, markup=False), TimeElapsedColumn(), console=console,
                  disable=not console.is_terminal, **_QUIET) as spinner:
        spinner.add_task(text, total=None)
        yield


@contextlib.contextmanager
def task_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for one task, gone when it is done; the block calls what it is given with (done, total)."""
    console = make_console(stderr=True)
    with Progress(TextColumn(description, markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                  TextColumn("left"), TimeRemainingColumn(), console=console, disable=not console.is_terminal, **_QUIET) as bars:
        task = bars.add_task(description, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class _Left(ProgressColumn):
    """Time left: until the task's `until`, on time.monotonic's clock, where it has one; else as rich estimates it."""

    def render(self, task) -> Text:
        until = task.fields.get("until")
        left = task.time_remaining if until is None else max(0.0, until - time.monotonic())
        return Text("" if left is None or task.finished else f"{duration(left)} left", no_wrap=True)


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
        self._search = None
        self._search_began = 0.0
        self._tasks: dict[str, tuple[str, TaskID | None]] = {}  # by trial: what it is called, its bar

    def _say(self, what) -> None:
        if not self.quiet:
            self.console.print(what)

    def note(self, text: str) -> None:
        """One line that the user should know."""
        if not self.quiet:
            self.console.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)

    def trial_began(self, step: int, place: str, candidate: CandidateState, epochs: float, trained: int = 0,
                    spent: float = 0.0, left: float | None = None, trial: str = "") -> None:
        """A candidate is being trained; others may be at the same time.

        Args:
            place: like "2/5": which candidate of the step this is.
            trained: candidates of the search that are done.
            spent: seconds that they took.
            left: seconds until the search ends; None where that cannot be told yet.
            trial: what identifies it.
        """
        short = f"step {step} {place} {candidate.axis}"
        self._began(f"{short}: {_short(candidate.spec)} {in_macs(candidate.macs)}", short, epochs, trial)
        if self._bars and left is not None:
            if self._search is not None:
                self._bars.remove_task(self._search)
            self._search = self._bars.add_task("search", total=spent + left, completed=spent, state="",
                                               count=f"{trained} trained", until=time.monotonic() + left)
            self._search_began = time.monotonic() - spent

    def training_began(self, spec: Spec, epochs: float) -> None:
        """The final training of the chosen spec."""
        self._began(f"training {_short(spec)}", "final training", epochs)

    def _began(self, label: str, short: str, epochs: float, trial: str = "") -> None:
        if trial in self._tasks:  # another worker has taken it over
            self._forget(trial)
        self._tasks[trial] = label, None
        if self.quiet or not self.console.is_terminal:
            return
        if self._bars is None:
            # 80 columns hold it: 24 for the label, 12 for the bar, 13, 14 and 11 for the rest.
            self._bars = Progress(TextColumn("{task.description}", markup=False), BarColumn(12),
                                  TextColumn("{task.fields[count]}"), TextColumn("{task.fields[state]}"), _Left(),
                                  console=self.console, **_QUIET)
            self._bars.start()
        bar = self._bars.add_task(short, total=math.ceil(epochs), state="compiling", count=f"0/{math.ceil(epochs)} epochs")
        self._tasks[trial] = label, bar

    def epoch_ended(self, epoch: int, epochs: int, logs: dict, trial: str = "") -> None:
        if self._bars and trial in self._tasks:
            self._bars.update(self._tasks[trial][1], completed=epoch, total=epochs, count=f"{epoch}/{epochs} epochs",
                              state=f"{percent(logs['accuracy'])} right")
            if self._search is not None:
                self._bars.update(self._search, completed=time.monotonic() - self._search_began)

    def trial_ended(self, result: str, trial: str = "") -> None:
        if trial not in self._tasks:
            return
        label = self._forget(trial)
        if self._bars and not self._tasks:
            self._bars.stop()
            self._bars = self._search = None
        self._say(Text(f"{label}  {result}"))

    def _forget(self, trial: str) -> str:
        label, bar = self._tasks.pop(trial)
        if bar is not None:
            self._bars.remove_task(bar)
        return label

    def stopped(self) -> None:
        """The search ends while candidates are in training; a line for each says that it can be resumed."""
        for trial in list(self._tasks):
            self.trial_ended("stopped; started again, the search resumes from here", trial)

    def step_decided(self, step: Step) -> None:
        self._say(step_table(step))

    def search_ended(self, seconds: dict[str, float]) -> None:
        """What the candidates' time went into, as charts.phases_of_all gives it."""
        total = sum(seconds.values())
        if total:
            parts = ", ".join(f"{name} {100 * part / total:.0f} %" for name, part in seconds.items())
            self._say(f"the candidates took {duration(total)}: {parts}")


def _short(spec: Spec) -> str:
    return f"{clip_text(spec)} {spec.size}px w{spec.width:g} d{spec.depth:g} b{spec.bottleneck:g}"
