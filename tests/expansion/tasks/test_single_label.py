"""One label per video: classes, the score of each video, and the paired test beside SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score

from expansion.tasks.single_label import SINGLE_LABEL, Baseline


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


def test_an_accuracy_beside_what_the_largest_class_gives():
    found = Baseline.of([[3, 0, 0], [1, 0, 0], [0, 0, 0]])  # fall, walk, and a class without videos
    assert (found.accuracy, found.share, found.largest) == (0.75, 0.75, 0)
    assert found.balanced == 0.5 and found.never == (1,) and not found.reached
    better = Baseline.of([[3, 0], [0, 1]])
    assert better.reached and better.never == () and better.balanced == 1


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3).filter(lambda m: sum(map(sum, m))))
def test_a_baseline_is_that_of_the_videos(confusion):
    labels = [row for row in range(3) for column in range(3) for _ in range(confusion[row][column])]
    named = [column for row in range(3) for column in range(3) for _ in range(confusion[row][column])]
    found = Baseline.of(confusion)
    assert found.share == pytest.approx(max(labels.count(c) for c in range(3)) / len(labels))
    assert found.balanced == pytest.approx(balanced_accuracy_score(labels, named))
    assert found.accuracy == pytest.approx(np.mean(np.array(labels) == named))
    assert found.never == tuple(c for c in range(3) if c in labels and c not in named)
