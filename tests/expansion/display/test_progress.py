"""What a search shows: bars that fit a terminal of 80 columns, one line a trial elsewhere."""

import io

import pytest
from rich.console import Console

from expansion.display.progress import SearchProgress
from tests.expansion.searches import finished


def shown(terminal: bool, trained: int = 3, left: float | None = 3000.0) -> str:
    screen = io.StringIO()
    progress = SearchProgress(Console(file=screen, force_terminal=terminal, width=80, highlight=False, color_system=None))
    step = finished().steps[2]
    progress.trial_began(2, "6/6", step.candidates[-1], 128, trained, 60.0, left)
    for epoch in (1, 2):
        progress.epoch_ended(epoch, 128, {"loss": 1.5, "accuracy": 0.5})
    if progress._bars:
        progress._bars.refresh()
    progress.trial_ended("68.5 % in 22 s")
    return screen.getvalue()


def test_a_terminal_shows_step_candidate_epoch_and_time_left():
    text = shown(True)
    lines = [line.rstrip() for line in text.replace("\r", "\n").splitlines()]
    trial = next(line for line in lines if "2/128 epochs" in line)
    assert "step 2 6/6 bottleneck" in trial and "50.0 % right" in trial
    search = next(line for line in lines if line.lstrip("\x1b[2KA1").startswith("search"))
    assert "3 trained" in search and "50 min left" in search
    assert "…" not in text and "step 2 6/6 bottleneck: " in text.splitlines()[-1]


def test_before_anything_is_known_there_is_no_bar_of_the_search():
    assert "trained" not in shown(True, 0, None)


@pytest.mark.parametrize("left", [None, 3000.0])
def test_elsewhere_it_is_one_line(left):
    assert shown(False, left=left).splitlines() == [
        "step 2 6/6 bottleneck: 2x16 64px w1 d1 b2.25 25.2 MMACs  68.5 % in 22 s"]


def test_a_search_ends_with_what_its_time_went_into():
    screen = io.StringIO()
    progress = SearchProgress(Console(file=screen, width=80))
    progress.search_ended({})
    progress.search_ended({"start": 10.0, "train": 70.0, "input": 5.0, "evaluate": 15.0, "other": 0.0})
    assert screen.getvalue() == (
        "the candidates took 2 min: start 10 %, train 70 %, input 5 %, evaluate 15 %, \nother 0 %\n")
