"""The chief and its members, with an Oracle on a folder and trials that train nothing."""

import json
import os
import sys
import threading
import time

import pytest

from expansion.crew.board import BOARD, read_board
from expansion.crew.chief import CHIEF, Chief
from expansion.crew.local import Crew, gpu_shares, make_members
from expansion.crew.member import _here
from expansion.crew.settings import WorkerSettings
from expansion.crew.turns import Turns, Watch
from expansion.foundation import files
from expansion.search.decisions import NoCandidate
from expansion.search.settings import SearchSettings
from expansion.search.trace import OUTCOME, read_trace
from expansion.tuning.oracle import ExpansionOracle
from tests.expansion.paper import top1
from tests.expansion.search.test_state import run_oracle

FAKE = (sys.executable, "-m", "tests.expansion.crew.invented")
SETTINGS = SearchSettings(steps=1)
PATIENT = WorkerSettings(count=2, threads=1, lost_after=600)  # on a busy machine too nobody is taken for lost


def chief_on(folder, settings=SETTINGS, what="", shown=None, lost=PATIENT) -> Chief:
    """A chief whose jobs are read by tests.expansion.crew.invented; `what` a trial does hangs on its axis."""
    oracle = ExpansionOracle(settings)
    oracle._set_project_dir(str(folder), "search")
    if oracle.stored:
        oracle.reload()
    path = str(folder / "search")

    def write_job(trial):
        values = trial.hyperparameters.values
        job = {"data": "records", "parent": None, "logs": f"{path}/logs", "axis": values["axis"], "step": values["step"],
               "accuracy": top1(values["step"], values["axis"]), "what": what}
        files.write_json(os.path.join(path, f"trial_{trial.trial_id}", "job.json"), job)
        return values["axis"]

    return Chief(path, oracle, "records", lost, write_job, shown=shown)


def crew_on(folder, kind=CHIEF, count=2) -> Crew:
    return Crew(make_members(lambda: str(folder / "search"), kind, count, poll=0.02, command=FAKE))


def until_done(chief, crew, seconds=300.0):
    ends = time.monotonic() + seconds
    chief.begin()
    crew.start()
    try:
        while chief.step():
            crew.check()
            assert time.monotonic() < ends, "the search does not end"
            time.sleep(0.02)
        chief.close()
    finally:
        crew.close()
    return chief.oracle.search


def whole(folder):
    return run_oracle(ExpansionOracle(SETTINGS), folder, top1).search


def same(search, other):
    """Whether they are the same but for the metrics of who ran the trials."""
    found = [json.loads(json.dumps(each.as_dict())) for each in (search, other)]
    for trace in found:
        for step in trace["steps"]:
            for candidate in step["candidates"]:
                candidate["metrics"], candidate["correct"], candidate["interval"] = {}, [], None
    return found[0] == found[1]


def test_two_members_find_what_one_process_finds(tmp_path):
    told = []

    class Shown:
        def began(self, trial): told.append(("began", trial))
        def epoch(self, trial, epoch, epochs, logs): told.append(("epoch", trial))
        def ended(self, trial, metrics, reason): told.append(("ended", trial))

    search = until_done(chief_on(tmp_path, shown=Shown()), crew_on(tmp_path))
    assert same(search, whole(tmp_path / "whole")) and search.finished
    assert read_trace(str(tmp_path / "search")).as_dict() == search.as_dict()
    board = read_board(str(tmp_path / "search"))
    assert board.finished and board.threads == 1
    assert sorted(trial for what, trial in told if what == "ended") == sorted(c.trial_id for s in search.steps for c in s.candidates)
    # What was made in a turn stands in the trial's place, and nothing else is left of it.
    trial = tmp_path / "search" / "trial_0000"
    assert (trial / OUTCOME).exists() and not list(trial.glob("turns/*/")) and (trial / "model.keras").read_text() == "model"
    by = {json.loads(path.read_text())["by"] for path in tmp_path.glob("search/trial_*/turns/*.json") if "beat" not in path.name}
    assert CHIEF in by and len(by) in (2, 3) and all(name.startswith(CHIEF) for name in by)


def test_the_chief_alone_decides_and_others_join_and_die(tmp_path):
    """No members of its own; one that is lost in the middle of a trial, one that comes later and goes on from its epoch."""
    alone = PATIENT.model_copy(update={"count": 0, "lost_after": 0.6})
    chief = chief_on(tmp_path, SearchSettings(steps=0), lost=alone)
    chief.begin()
    folder = str(tmp_path / "search")
    dead = Turns(os.path.join(folder, "trial_0000"), "worker who dies")
    lease = Watch(alone.lost_after).take(dead)
    lease.renew({"epoch": 1, "epochs": 2, "logs": {}})
    files.write_text(os.path.join(dead.work(lease.number), "checkpoint", "state"), "after epoch 1")
    search = until_done(chief, crew_on(tmp_path, "worker", 1))
    assert search.finished and len(search.path) == 1 and search.path[0].failures == ()
    outcome = files.read_json(os.path.join(folder, "trial_0000", OUTCOME))
    assert outcome["began_with"] == "after epoch 1"


def test_a_chief_that_is_started_again_takes_in_what_was_done_and_waits_for_nobody_of_its_own(tmp_path):
    first = chief_on(tmp_path)
    first.begin()
    folder = str(tmp_path / "search")
    Watch(1e9).take(Turns(os.path.join(folder, "trial_0000"), "chief of old, member 0"))
    # A wait for the lease to run out would not end within the test's own limit.
    search = until_done(chief_on(tmp_path, lost=PATIENT.model_copy(update={"lost_after": 1e6})), crew_on(tmp_path))
    assert same(search, whole(tmp_path / "whole"))


def test_what_was_handed_in_while_no_chief_was_there_is_taken_in_once(tmp_path):
    first = chief_on(tmp_path)
    first.begin()
    crew = crew_on(tmp_path, "worker")
    crew.start()
    turns = Turns(str(tmp_path / "search" / "trial_0000"), "reader")
    while turns.refresh().kind != "done":
        time.sleep(0.02)
    crew.close()
    again = chief_on(tmp_path)
    search = until_done(again, crew_on(tmp_path))
    assert same(search, whole(tmp_path / "whole"))
    assert [entry.kind for entry in log(turns)] == ["open", "taken", "done"]


def log(turns):
    fresh, found = Turns(turns.folder, "reader"), []
    number = 1
    while files.exists(fresh._path(number)):
        found.append(type("Entry", (), files.read_json(fresh._path(number))))
        number += 1
    return found


def test_failures_are_counted_and_tried_again(tmp_path):
    search = until_done(chief_on(tmp_path, what="fails bottleneck"), crew_on(tmp_path))
    (failed,) = [c for c in search.steps[1].candidates if c.status == "failed"]
    assert failed.axis == "bottleneck" and failed.failures == ("MemoryError: no memory",) * 2
    assert "Traceback" in failed.message
    with pytest.raises(NoCandidate, match="seed: MemoryError: no memory"):
        until_done(chief_on(tmp_path / "none", what="fails seed"), crew_on(tmp_path / "none"))


def test_a_member_told_to_stop_gives_back_what_it_has(tmp_path):
    chief = chief_on(tmp_path, what="hangs seed")
    chief.begin()
    crew, before = crew_on(tmp_path, "worker", 1), threading.active_count()
    crew.start()
    turns = Turns(str(tmp_path / "search" / "trial_0000"), "reader")
    while turns.refresh().kind != "taken" or not turns.beat(turns.last.number).get("epoch"):
        time.sleep(0.02)
    crew.close()
    assert turns.refresh().kind == "open" and threading.active_count() <= before


def test_a_damaged_board_ends_a_member_with_its_reason(tmp_path):
    files.write_text(str(tmp_path / "search" / BOARD), "{")
    crew = crew_on(tmp_path, "worker", 1)
    crew.start()
    with pytest.raises(ValueError, match="workers.json is damaged"):
        crew.wait()
    crew.close()


def test_paths_are_those_of_the_machine(tmp_path):
    chief = chief_on(tmp_path)
    board = chief.board.model_copy(update={"folder": "/mnt/here/search"})
    job = {"data": "/mnt/here/records", "parent": "/mnt/here/search/trial_0/model.keras", "logs": "/mnt/here/search/logs/a"}
    assert _here(job, "/data/there", board, "/data/records") == {
        "data": "/data/records", "parent": "/data/there/trial_0/model.keras", "logs": "/data/there/logs/a"}
    assert _here(job | {"parent": None}, "/data/there", board, None)["data"] == "/mnt/here/records"


@pytest.mark.parametrize("workers, gpus, shares", [
    (1, ["0", "1"], [None]), (2, [], [None, None]), (2, ["0", "1"], ["0", "1"]), (2, ["0", "1", "3"], ["0,3", "1"]),
    (3, ["0", "1"], ["0", "1", "0"]),
])
def test_gpus_are_divided_among_workers(workers, gpus, shares):
    assert [share.get("CUDA_VISIBLE_DEVICES") for share in gpu_shares(workers, gpus)] == shares
