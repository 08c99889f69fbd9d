"""The engine without child processes, with trials that train nothing."""

import pytest

from expansion.tuning.engines.engine import Began, Done, Epoch, Failed
from expansion.tuning.engines.in_process import InProcess


def run_attempt(folder, on_epoch):
    on_epoch(1, 2, {"loss": 0.5})
    if folder == "raises":
        raise MemoryError("no memory left")
    return {"val_accuracy": 0.5}, folder


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr("expansion.tuning.engines.in_process.run_attempt", run_attempt)
    return InProcess()


def test_a_trial_is_trained_and_one_that_raises_has_failed(engine):
    found = []
    for trial in ("fine", "raises"):
        engine.submit(trial, trial)
        engine.poll(found.append)
    assert [type(event) for event in found] == [Began, Epoch, Done, Began, Epoch, Failed]
    assert found[-1].reason == "MemoryError: no memory left"


def test_a_fault_of_the_search_is_no_failure_of_its_trial(engine):
    def tell(event):
        if isinstance(event, Epoch):
            raise OSError("the disk is full")

    engine.submit("fine", "fine")
    with pytest.raises(OSError, match="the disk is full"):
        engine.poll(tell)
