"""The comparison on few videos: folds of whole groups, nested choices, paired intervals. Nothing is trained."""

from collections import Counter

import pytest

from benchmarks.few.folds import Labelled, folds, read_labels, training_videos
from benchmarks.few.tables import accuracy, by_setting, paired, read_results, rows
from benchmarks.few.ways import BASE, TODAY, WAYS, recipe_of

VIDEOS = [Labelled(f"{label}/{number}.mp4", label, f"g{number // 3}") for label in "ab" for number in range(60)]


def test_folds_hold_whole_groups_and_all_classes_alike():
    parts = folds(VIDEOS, 5)
    assert sorted(video.path for part in parts for video in part) == sorted(video.path for video in VIDEOS)
    assert max(Counter(group for part in parts for group in {video.group for video in part}).values()) == 1
    assert all(Counter(video.label for video in part) == {"a": 12, "b": 12} for part in parts)
    assert folds(VIDEOS, 5) == parts


def test_a_larger_choice_contains_a_smaller_one_and_none_is_held_out():
    fold = folds(VIDEOS, 5)[2]
    few, more, whole = (training_videos(VIDEOS, fold, count, 2) for count in (5, 10, None))
    assert Counter(video.label for video in few) == {"a": 5, "b": 5} and len(whole) == 96
    assert set(few) < set(more) < set(whole) and not set(whole) & set(fold)
    assert training_videos(VIDEOS, fold, 5, 3) != few


def test_labels_may_have_no_groups(tmp_path):
    (tmp_path / "labels.csv").write_text("path,label,split\na/1.mp4,a,train\n")
    assert read_labels(tmp_path / "labels.csv") == [Labelled("a/1.mp4", "a", "a/1.mp4")]


def result(way, fold, correct, groups, weights=None):
    return {"data": "d", "way": way, "of_class": 5, "spec": "s", "epochs": 60, "folds": 2, "weights": weights, "fold": fold,
            "correct": correct, "groups": groups, "seconds": 10.0}


def test_ways_are_paired_by_video_and_drawn_by_group(tmp_path):
    groups = ["x", "x", "y", "z"]
    results = [result(TODAY, 0, "0011", groups), result(TODAY, 1, "1000", ["w"] * 4), result("ema", 0, "1111", groups),
               result("weights", 0, "1011", groups, "w.pyth")]
    settings = by_setting(results)
    today, ema = (next(folds for key, folds in settings.items() if way in key) for way in (TODAY, "ema"))
    assert accuracy(today) == (3 / 8, 8)
    share, low, high = paired(ema, today)
    assert share == 0.5 and low == 0.0 and high == 1.0  # a draw of x alone, or of the others alone
    assert paired({1: results[1]}, {0: results[0]}) is None
    table = {row[2]: row for row in rows(results)}
    assert table["ema"][3:7] == ("1 of 2", "100.0 %", "4", "+50.0 (+0.0 to +100.0)") and table[TODAY][6] == ""
    assert table["weights"][6].startswith("+25.0")
    assert read_results(tmp_path / "none.jsonl") == []


def test_ways_cost_what_todays_does():
    costs = {way: recipe_of(way).epochs * recipe_of(way).clips_per_video for way in WAYS}
    assert {way for way, cost in costs.items() if cost != BASE.epochs} == {"long"}
    assert recipe_of("clips", 30).epochs == 7.5 and recipe_of(TODAY) == BASE


def test_what_is_recorded_can_be_read():
    from benchmarks.few.__main__ import RESULTS

    results = read_results(RESULTS)
    assert all(len(each["correct"]) == len(each["groups"]) and set(each["correct"]) <= {"0", "1"} for each in results)
    if not results:
        pytest.skip("nothing is recorded yet")
    assert rows(results)
