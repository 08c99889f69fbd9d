"""`x3d proxy-check`: correlations by hand, one small run, and errors of use in one line."""

import json

import pytest

from expansion import InputError
from pipeline.commands.proxy_check import agreement, run_check
from pipeline.config import load_config

SPECS = [f"{clip},width=0.34,depth=0.2" for clip in ("frames=1,stride=8,size=16", "frames=2,stride=4,size=16",
                                                     "frames=1,stride=8,size=24")]


def config(**more):
    return load_config(None, need_videos=False, **{
        "name": "check", "recipe.epochs": 2, "recipe.batch": 8, "recipe.rate": 0.05, "recipe.rate_batch": 8,
        "clips.flip": False, "clips.views": 2, **more})


def test_agreement_of_known_rankings():
    same = agreement([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.5, 0.6])
    assert (same["spearman"], same["kendall"], same["pairs_same"], same["pairs"]) == (pytest.approx(1), pytest.approx(1), 6, 6)
    assert same["p_value"] == pytest.approx(2 / 24) and same["same_best"]  # of 4! orders, as far from none as this or more
    # One swap of neighbours among four: rho = 1 - 6 * 2 / (4 * 15), tau = (5 - 1) / 6.
    swapped = agreement([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.4, 0.3])
    assert (swapped["spearman"], swapped["kendall"]) == (pytest.approx(0.8), pytest.approx(2 / 3))
    assert swapped["pairs_same"] == 5 and not swapped["same_best"]
    assert agreement([0.1, 0.2, 0.3], [0.5, 0.5, 0.5])["kendall"] is None


def test_errors_of_use(demo_records, tmp_path):
    with pytest.raises(InputError, match="no proxy named"):
        run_check(config(), SPECS, demo_records.path, str(tmp_path))
    with pytest.raises(InputError, match="2 different networks; at least 3 are needed"):
        run_check(config(**{"proxy.share": 0.5}), SPECS[:2], demo_records.path, str(tmp_path))
    with pytest.raises(InputError, match="a crop of 160 pixels is larger than the records' 32"):
        run_check(config(**{"proxy.share": 0.5}), [*SPECS, "XS"], demo_records.path, str(tmp_path))


@pytest.mark.slow
def test_a_small_run_and_the_same_from_its_files(demo_records, tmp_path, capsys):
    wanted = config(**{"proxy.classes": 3, "proxy.share": 0.5, "proxy.epochs": 1})
    run_check(wanted, SPECS, demo_records.path, str(tmp_path), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [row["spec"]["size"] for row in found["networks"]] == [16, 16, 24]
    assert all(0 <= row[way] <= 1 for row in found["networks"] for way in ("full", "proxy"))
    assert found["val_videos"] == {"full": 24, "proxy": 9} and found["clips"] == {"full": 96, "proxy": 9}
    assert found["pairs"] == 3
    trained = sorted(path.stat().st_mtime_ns for path in tmp_path.glob("check/*/*/state.npz"))
    assert len(trained) == 6
    run_check(wanted, SPECS, demo_records.path, str(tmp_path), as_json=True)
    assert json.loads(capsys.readouterr().out) == found
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.glob("check/*/*/state.npz")) == trained
