"""Whether a run is worked on: what looks does not disturb what works."""

import threading
import time

from expansion.foundation.lock import lock
from pipeline.runs.folder import RunFolder, all_runs
from pipeline.runs.state import is_worked_on, working


def test_one_who_looks_as_the_work_begins_does_not_hide_it(tmp_path):
    folder = RunFolder(str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    began, found = threading.Event(), []

    def work():
        with working(folder):
            began.set()
            found.append(is_worked_on(folder))

    with open(folder.lock, "w") as looking:
        assert lock(looking)
        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(0.2)  # not needed: without it the work may begin after the look, which proves nothing
        assert not began.is_set()
    worker.join(timeout=60)
    assert found == [True] and not is_worked_on(folder)


def test_several_may_work_on_a_run(tmp_path):
    folder = RunFolder(str(tmp_path))
    with working(folder), working(folder):
        assert is_worked_on(folder)


def test_runs_are_found_under_a_root_of_any_name(tmp_path):
    for root in ("a1", "a[1]", "a?", "~", "a{1}"):
        (tmp_path / root / "run").mkdir(parents=True)
        (tmp_path / root / "run" / "config.yaml").write_text(root)
    for root in ("a1", "a[1]", "a?", "~", "a{1}"):
        (run,) = all_runs(str(tmp_path / root))
        with open(run.config) as file:
            assert file.read() == root
