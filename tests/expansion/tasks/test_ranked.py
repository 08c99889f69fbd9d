"""Multi-label and localization: views, metrics, and the paired bootstrap that a search decides by."""

import json

import numpy as np
import pytest

from expansion.foundation.errors import InputError
from expansion.tasks.average_precision import mean_of_classes, of_classes
from expansion.tasks.localization import LOCALIZATION
from expansion.tasks.multi_label import MULTI_LABEL
from expansion.tasks.registry import TASKS, task_named


@pytest.fixture(scope="module")
def answers():
    """Labels of 200 videos with 4 classes, and the probabilities of a good and of a poor network."""
    rng = np.random.default_rng(1)
    labels = rng.random((200, 4)) < 0.3
    good, poor = (np.clip(labels * reach + rng.random((200, 4)) * 0.5, 0, 1) for reach in (0.4, 0.05))
    return labels, good, poor


def test_the_largest_of_the_views_counts():
    assert MULTI_LABEL.combine(np.array([[0.1, 0.7], [0.6, 0.2]])).tolist() == [0.6, 0.7]
    assert LOCALIZATION.combine(np.array([[0.1, 0.7], [0.6, 0.2]])).tolist() == [0.6, 0.7]


def test_scores_far_below_float32s_spacing_survive_the_views():
    """PySlowFast's sum begins at -1e10, where float32 tells no numbers below 1,024 apart: all scores become equal."""
    views = np.array([[1e-7, 2e-7], [3e-7, 1e-7]], np.float32)
    assert MULTI_LABEL.combine(views) == pytest.approx([3e-7, 2e-7])


def test_labels_are_many_hot():
    classes, labels = MULTI_LABEL.encode([["walk", "run"], [], ["run"]])
    assert classes == ("run", "walk") and labels.tolist() == [[True, True], [False, False], [True, False]]


def test_the_score_comes_first_and_has_a_title():
    labels = np.array([[1, 0], [0, 1]], bool)
    for task in TASKS.values():
        given = np.array([0, 1]) if task.labels == "class" else labels
        found = task.metrics(np.array([[0.9, 0.1], [0.2, 0.8]]), given)
        assert list(found)[0] == task.score and set(task.titles) <= set(found)
        assert found[task.score] == 1.0
        assert task.score_of(task.evidence(np.array([[0.9, 0.1], [0.2, 0.8]]), given)) == 1.0


def test_metrics_are_named_by_their_definition():
    probabilities = np.array([0.9, 0.8, 0.8, 0.1])[:, None]
    labels = np.array([0, 1, 0, 1])[:, None]
    found = LOCALIZATION.metrics(probabilities[:, None], labels[:, None])
    assert found["map"] == 0.5 and found["map_sklearn"] == pytest.approx(5 / 12) and found["wap"] == 0.5
    assert found["loss"] == pytest.approx(-np.log([0.1, 0.8, 0.2, 0.1]).mean())


def test_a_better_network_is_told_from_a_poor_one(answers):
    labels, good, poor = answers
    first, second = MULTI_LABEL.evidence(good, labels), MULTI_LABEL.evidence(poor, labels)
    assert MULTI_LABEL.p_value(first, second) == MULTI_LABEL.p_value(second, first) < 0.05
    assert MULTI_LABEL.p_value(first, first) == 1.0
    low, high = MULTI_LABEL.interval(MULTI_LABEL.score_of(first), first)
    assert low < MULTI_LABEL.metrics(good, labels)["map"] < high
    assert MULTI_LABEL.variance(first - second) == pytest.approx(np.var((first - second)[1:]))


def test_networks_that_differ_by_chance_are_within_noise(answers):
    labels, _, poor = answers
    other = np.clip(labels * 0.05 + np.random.default_rng(2).random(labels.shape) * 0.5, 0, 1)
    assert MULTI_LABEL.p_value(MULTI_LABEL.evidence(poor, labels), MULTI_LABEL.evidence(other, labels)) > 0.05


def test_evidence_of_other_replicates_cannot_be_paired():
    with pytest.raises(ValueError, match="3 and 2 replicates"):
        MULTI_LABEL.p_value([0.1, 0.2, 0.3], [0.1, 0.2])


def test_classes_have_intervals_and_those_without_positives_none(answers):
    labels, good, _ = answers
    labels = labels.copy()
    labels[:, 3] = False
    rows = LOCALIZATION.per_class(good[:, None], labels[:, None], ["a", "b", "c", "d"])
    assert [row["positives"] for row in rows] == labels.sum(0).tolist()
    assert all(row["low"] <= row["ap"] <= row["high"] for row in rows[:3])
    assert rows[3]["ap"] is rows[3]["low"] is None


def test_points_of_localization_are_one_ranking(answers):
    labels, good, _ = answers
    points = LOCALIZATION.metrics(good.reshape(20, 10, 4), labels.reshape(20, 10, 4))
    assert points["map"] == mean_of_classes(of_classes(good, labels))


def test_videos_without_a_label_are_ranked_last_in_classification_and_count_in_localization():
    probabilities, labels = np.array([[0.9], [0.8], [0.7]]), np.array([[0], [1], [0]])
    assert MULTI_LABEL.metrics(probabilities, labels)["map"] == 1.0
    missing = np.where(labels.any(axis=1)[:, None], probabilities, -np.inf)
    assert of_classes(missing, labels)[0] == 1.0  # as the script has it
    assert LOCALIZATION.metrics(probabilities[:, None], labels[:, None])["map"] == 0.5


def test_an_unknown_task_is_named():
    with pytest.raises(InputError, match="task 'detection' is not known; allowed are single-label, multi-label, localization"):
        task_named("detection")


def test_the_golden_numbers(shared):
    golden = json.loads((shared / "paper" / "multigrid_golden.json").read_text())["charades"]["average_precision_example"]
    found = LOCALIZATION.metrics(np.array(golden["scores"])[:, None, None], np.array(golden["labels"])[:, None, None])
    assert found["map"] == golden["official (stable order, no merging of ties)"]
    assert found["map_sklearn"] == pytest.approx(golden["sklearn average_precision_score (ties merged)"], abs=1e-9)


def test_what_varies_between_trainings_is_taken_off_the_resampling(answers):
    """Where replicates differ by the trainings alone, the second variance is all of a training's sampling variance."""
    rng = np.random.default_rng(5)
    trainings = np.concatenate([[[0.4], [0.5], [0.6]], 0.5 + rng.normal(0, 0.1, (3, 500))], axis=1)
    of_score, resampled = MULTI_LABEL.between(trainings)
    assert of_score == pytest.approx(0.01)
    assert resampled / 501 == pytest.approx(MULTI_LABEL.variance(trainings[0]), rel=0.2)
    labels, good, _ = answers
    one = MULTI_LABEL.evidence(good, labels)
    assert MULTI_LABEL.between(np.stack([one, one])) == (0.0, 0.0)
