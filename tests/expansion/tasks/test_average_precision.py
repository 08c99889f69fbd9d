"""Average precision: the official definition by hand, the other one beside scikit-learn, and what resampling tells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from expansion.tasks.average_precision import mean_of_classes, merged, of_classes, official, resampled, weighted_mean

ROWS = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40)


def test_a_tie_by_both_definitions():
    scores, labels = [0.9, 0.8, 0.8, 0.1], [0, 1, 0, 1]
    assert official(scores, labels) == 0.5
    assert merged(scores, labels) == pytest.approx(0.4166667, abs=1e-7)


def test_the_official_sort_is_stable():
    assert official([0.5, 0.5], [1, 0]) == 1.0 and official([0.5, 0.5], [0, 1]) == 0.5


def test_a_missing_score_is_ranked_last():
    assert official([0.1, -np.inf, 0.2], [1, 1, 0]) == pytest.approx((1 / 2 + 2 / 3) / 2)
    # What is ranked behind all positives has no effect, as Charades' videos without actions.
    assert official([0.9, 0.2, -np.inf], [1, 1, 0]) == official([0.9, 0.2], [1, 1]) == 1.0


@given(ROWS)
def test_merged_is_scikit_learns(rows):
    scores, labels = (np.array(column) for column in zip(*rows))
    if not labels.any():
        assert np.isnan(merged(scores, labels)) and np.isnan(official(scores, labels))
        return
    assert merged(scores, labels) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@given(st.permutations(range(12)), st.lists(st.booleans(), min_size=12, max_size=12))
def test_without_ties_both_are_the_same(scores, labels):
    if any(labels):
        assert official(scores, labels) == pytest.approx(merged(scores, labels), abs=1e-12)


def test_constant_scores_give_the_prevalence_by_scikit_learn():
    labels = np.array([1] * 57 + [0] * 943)
    assert merged(np.zeros(1000), labels) == pytest.approx(0.057)


def test_classes_without_positives_are_left_out_of_the_mean():
    scores = np.array([[0.9, 0.1, 0.3], [0.1, 0.9, 0.2]])
    labels = np.array([[1, 0, 0], [0, 0, 1]])
    found = of_classes(scores, labels)
    assert found[0] == 1.0 and np.isnan(found[1]) and found[2] == 0.5
    assert mean_of_classes(found) == 0.75
    assert weighted_mean(found, labels) == 0.75


def test_points_of_all_videos_are_one_ranking():
    scores, labels = np.array([[[0.9], [0.1]], [[0.8], [0.7]]]), np.array([[[1], [0]], [[0], [1]]])
    assert of_classes(scores, labels)[0] == official([0.9, 0.1, 0.8, 0.7], [1, 0, 0, 1])


def test_resampling_weighs_videos_as_if_they_stood_there_so_often():
    rng = np.random.default_rng(3)
    scores, labels = rng.random((9, 3, 1)), rng.random((9, 3, 1)) < 0.4
    drawn = np.random.default_rng(0).multinomial(9, np.full(9, 1 / 9), 20)
    expected = [average_precision_score(np.repeat(labels[..., 0], count, 0).ravel(), np.repeat(scores[..., 0], count, 0).ravel())
                for count in drawn]
    assert resampled(scores, labels, 20)[:, 0] == pytest.approx(expected, abs=1e-9)
