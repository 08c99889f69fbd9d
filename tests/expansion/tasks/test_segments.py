"""Segments: the official points, the worked video of Charades, and a sample with every oddity, counted by hand."""

import json

import numpy as np
import pytest

from expansion.tasks.segments import Segment, count_oddities, count_positives, labels_at, labels_of_video, point_times

# Video 46GP8 of Charades: c147 holds at points 0 to 12, c092 at 12 to 21.
WORKED = (Segment("c092", 11.90, 21.20), Segment("c147", 0.00, 12.60)), 24.83


def test_the_points_begin_at_zero_and_stop_before_the_end():
    times = point_times(24.83)
    assert len(times) == 25 and times[0] == 0
    assert times.tolist() == [(j / 25) * 24.83 for j in range(25)]


def test_the_worked_video():
    segments, length = WORKED
    found = labels_at(point_times(length), [0, 1], *zip(*(segment.bounds for segment in segments)), 2)
    assert np.flatnonzero(found[:, 1]).tolist() == list(range(13))
    assert np.flatnonzero(found[:, 0]).tolist() == list(range(12, 22))
    assert count_positives([WORKED]) == 23


# Each with the points that it makes positive, of a video of 25 seconds: the points are the seconds 0 to 24.
ODD = {
    "both ends count": ([Segment("a", 3, 5)], 3),
    "between two points": ([Segment("a", 3.1, 3.9)], 0),
    "ends after the video": ([Segment("a", 20, 99)], 5),
    "starts after the video": ([Segment("a", 26, 30)], 0),
    "starts at its end": ([Segment("a", 5, 5)], 1),
    "starts after its end": ([Segment("a", 9, 4)], 0),
    "the same class twice, overlapping": ([Segment("a", 0, 4), Segment("a", 2, 6)], 7),
    "two classes at once": ([Segment("a", 0, 4), Segment("b", 2, 6)], 10),
    "no action": ([], 0),
    "no times": ([Segment("a")], 25),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_segments_count_as_the_script_counts_them(name):
    segments, positives = ODD[name]
    assert count_positives([(segments, 25.0)]) == positives


def test_all_oddities_are_kept_and_named():
    videos = [(segments, 25.0) for segments, _ in ODD.values()]
    assert count_positives(videos) == sum(positives for _, positives in ODD.values()) == 51
    facts = count_oddities(videos)
    assert (facts.videos, facts.segments, facts.videos_without_labels) == (10, 11, 1)
    assert (facts.end_after_video, facts.start_not_before_end, facts.start_after_video) == (2, 2, 1)


def test_a_video_has_what_holds_at_any_time_of_it():
    assert labels_of_video([2, 0, 2], 4).tolist() == [True, False, True, False]
    assert not labels_of_video([], 3).any()


def test_the_golden_numbers(shared):
    golden = json.loads((shared / "paper" / "multigrid_golden.json").read_text())["charades"]["worked_video_46GP8"]
    assert (golden["length"], golden["positive_cells"]) == (WORKED[1], count_positives([WORKED]))
