"""Windows: each time has its own, inside of the video; a video's scores do not depend on the others, to the bit."""

import numpy as np
import pytest

from expansion.data.videos import labelled_videos
from expansion.evaluation.evaluate import evaluate_network
from expansion.evaluation.networks import Network, keras_network
from expansion.evaluation.windows import at_frames, centred_starts, spread_starts, window_answers
from expansion.foundation.errors import InputError
from expansion.network.model import build_model
from expansion.recipe import ClipSettings
from expansion.spec import Spec
from tests.expansion.networks import awake

SPEC = Spec(frames=3, stride=2, size=32, depth=0.2)  # a span of 5 frames


@pytest.fixture(scope="module")
def localizer(segment_records):
    return awake(build_model(SPEC, 8, task="localization", class_names=segment_records.classes))


def test_windows_are_about_their_times_and_inside():
    assert centred_starts(np.array([0.0, 2.0, 10.4, 23.0]), 24, SPEC).tolist() == [0, 0, 8, 19]
    assert centred_starts(np.array([0.0, 2.0]), 3, SPEC).tolist() == [0, 0]  # shorter than a window
    assert spread_starts(24, SPEC, 3).tolist() == [0, 10, 19] and spread_starts(3, SPEC, 3).tolist() == [0]


def test_between_two_frames_the_answers_are_interpolated():
    answers = np.array([[[0.0], [1.0], [0.5]]] * 5)
    assert at_frames(answers, np.array([-1.0, 0.0, 1.0, 3.0, 9.0]), 2)[:, 0].tolist() == [0.0, 0.0, 0.5, 0.75, 0.5]
    one = np.array([[[0.3]], [[0.6]]])
    assert at_frames(one, np.array([0.0, 3.0]), 2)[:, 0].tolist() == [0.3, 0.6]


def test_scores_do_not_depend_on_the_company_or_on_the_order(localizer, segment_records):
    network, settings = keras_network(localizer), ClipSettings()
    plans = [np.array([0, 4, 11], np.int32)] * 5
    alone = list(window_answers(network, segment_records, "val", settings, plans, batch=4))
    mixed = [plans[0], np.arange(17, dtype=np.int32), np.array([3], np.int32), plans[3], np.arange(9, dtype=np.int32)]
    other = list(window_answers(network, segment_records, "val", settings, mixed, batch=4))
    assert alone[0].shape == (1, 3, 3, 8)
    np.testing.assert_array_equal(alone[0], other[0])
    np.testing.assert_array_equal(alone[3], other[3])
    backwards = list(window_answers(network, segment_records, "val", settings, [plan[::-1] for plan in plans], batch=4))
    np.testing.assert_allclose(alone[1], backwards[1][:, ::-1], atol=1e-6)


def test_batch_sizes_differ_by_rounding_alone(localizer, segment_records):
    network = keras_network(localizer)
    found = [evaluate_network(network, segment_records, "val", batch=batch).probabilities for batch in (1, 3, 8)]
    assert found[0].shape == (5, 25, 8)
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, atol=1e-5)


def test_labels_of_points_are_those_of_the_official_script(localizer, segment_records):
    found = evaluate_network(keras_network(localizer), segment_records, "val")
    for video, labels in zip(labelled_videos(segment_records, "val"), found.labels):
        for number, start, end in zip(*video.segments[:3]):
            times = [j / 25 * 2.0 for j in range(25)]
            assert [bool(value) for value in labels[:, number]] == [start <= time <= end for time in times]
    assert set(found.metrics) == {"map", "map_sklearn", "wap", "loss"} and 0 < found.score < 1
    assert len(found.evidence) == 501


class Brightness:
    """A network's place: says of each frame how bright it is, so that its answers are known."""

    @staticmethod
    def network(task: str, classes: int = 8) -> Network:
        from expansion.tasks.registry import task_named

        def predict(clips):
            frames = clips.mean(axis=(2, 3, 4))[..., None] / 255 * np.ones(classes)
            return frames if task == "localization" else frames.mean(axis=1)

        return Network("keras", SPEC, classes, (), SPEC.size, predict, task=task_named(task))


def test_views_of_a_video_give_their_maximum(segment_records):
    network = Brightness.network("multi-label")
    found = evaluate_network(network, segment_records, "val", ClipSettings(views=4))
    plans = [spread_starts(24, SPEC, 4)] * 5
    each = list(window_answers(network, segment_records, "val", ClipSettings(), plans))
    np.testing.assert_array_equal(found.probabilities, [answers.max(axis=(0, 1, 2)) for answers in each])
    assert found.labels.shape == (5, 8) and found.labels.any(axis=1).all()


def test_a_classifier_slides_over_the_points(segment_records):
    network = Brightness.network("multi-label")
    found = evaluate_network(network, segment_records, "val", protocol="points")
    assert found.task.name == "localization" and found.probabilities.shape == (5, 25, 8)


def test_a_network_for_another_task_is_refused(segment_records, demo_records):
    with pytest.raises(InputError, match="its labels are for single-label, but the network is for multi-label"):
        evaluate_network(Brightness.network("multi-label"), demo_records)
    with pytest.raises(InputError, match="for localization, but the network is for single-label; allowed are networks for "
                                         "localization and multi-label"):
        evaluate_network(Brightness.network("single-label"), segment_records)
    with pytest.raises(InputError, match="8 classes, but the network has 3"):
        evaluate_network(Brightness.network("localization", 3), segment_records)
