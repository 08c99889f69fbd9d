"""`x3d worker`: which search it joins, and errors of use."""

import pytest

from expansion.crew.board import Board, write_board
from expansion.foundation.errors import InputError
from pipeline import worker
from pipeline.config import load_config, shipped


def post(folder, **what):
    write_board(str(folder), Board(folder=str(folder), data="records", threads=1, lost_after=60.0, **what))


def test_it_finds_a_search_by_its_folder_and_by_the_name_of_its_run(tmp_path):
    runs = str(tmp_path)
    assert worker.search_folder("mine", runs) is None
    post(tmp_path / "mine" / "search" / "1")
    for named in ("mine", str(tmp_path / "mine"), str(tmp_path / "mine" / "search" / "1")):
        assert worker.search_folder(named, runs) == str(tmp_path / "mine" / "search" / "1")
    post(tmp_path / "mine" / "search" / "2")
    assert worker.search_folder("mine", runs).endswith("search/2")  # begun anew, it is joined anew


def test_a_search_that_has_ended_ends_a_worker(tmp_path, capfd):
    post(tmp_path / "ended", finished=True)
    worker.work(str(tmp_path / "ended"), "runs")
    assert "0 trials done here" in capfd.readouterr().err


@pytest.mark.parametrize("options", [{"workers": 0}, {"threads": 0}])
def test_fewer_than_one_is_an_error_of_use(tmp_path, options):
    (name,) = options
    with pytest.raises(InputError, match=f"--{name} is 0; at least 1 is allowed"):
        worker.work(str(tmp_path), "runs", **options)


def test_workers_in_the_configuration():
    plain = load_config(shipped("small.yaml"), need_videos=False)
    assert "workers" not in plain.search_settings()  # so that the cache of runs of one process stays as it is
    two = load_config(shipped("small.yaml"), need_videos=False, **{"workers.count": 2})
    assert two.search_settings()["workers"] == {"count": 2, "lost_after": 60.0} and two.workers.threads_each >= 1
    with pytest.raises(InputError, match="workers go with isolate: true"):
        load_config(shipped("small.yaml"), need_videos=False, **{"workers.count": 2, "isolate": False})
    with pytest.raises(InputError, match="workers.count is -1"):
        load_config(shipped("small.yaml"), need_videos=False, **{"workers.count": -1})
