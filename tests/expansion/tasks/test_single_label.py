"""One label per video: classes, the score of each video, and the paired test beside SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from expansion.tasks.single_label import SINGLE_LABEL


def test_classes_are_sorted_and_labels_are_their_numbers():
    classes, labels = SINGLE_LABEL.encode(["walk", "fall", "walk", "run"])
    assert classes == ("fall", "run", "walk") and labels.tolist() == [2, 0, 2, 1]


def test_views_are_averaged_and_the_largest_class_counts():
    sums = np.array([[1.2, 0.8], [0.3, 0.7]])
    probabilities = SINGLE_LABEL.combine(sums, np.array([2, 1]))
    assert probabilities.tolist() == [[0.6, 0.4], [0.3, 0.7]]
    assert SINGLE_LABEL.per_video(probabilities, np.array([0, 0])).tolist() == [True, False]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_the_paired_test_is_the_binomial_test_of_the_videos_that_differ(pairs):
    first, second = zip(*pairs)
    wins, losses = (sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs))
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert SINGLE_LABEL.p_value(first, second) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_wilsons(counts):
    right, videos = counts
    expected = binomtest(right, videos).proportion_ci(method="wilson")
    evidence = [True] * right + [False] * (videos - right)
    assert SINGLE_LABEL.interval(right / videos, evidence) == pytest.approx((expected.low, expected.high), abs=1e-6)
