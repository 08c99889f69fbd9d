"""Clips with what a network says of them: which are shown, that they are the right ones, and the picture."""

import numpy as np
import pytest

from expansion.data.views import evaluation_views
from expansion.display.samples import FRAMES_SHOWN, RIGHT_COLOUR, WRONG_COLOUR, samples_figure
from expansion.evaluation.evaluate import Evaluation
from expansion.evaluation.samples import Sample, choose, take_samples
from expansion.recipe import ClipSettings
from expansion.spec import Spec

CLIPS = ClipSettings(views=3, eval_scale=1.0)


def evaluation(labels, predictions, sure):
    probabilities = np.full((len(labels), 3), 0.1)
    probabilities[np.arange(len(labels)), predictions] = sure
    return Evaluation(probabilities, np.array(labels), tuple(f"v{place}" for place in range(len(labels))))


def test_wrong_ones_first_the_surest_of_each_label_before_a_second():
    found = evaluation(labels=[0, 0, 0, 1, 2, 2], predictions=[1, 1, 0, 0, 2, 2], sure=[0.9, 0.8, 0.5, 0.4, 0.7, 0.6])
    assert choose(found, 2) == [0, 3, 4, 2]
    assert choose(found, 9) == [0, 3, 1, 4, 2, 5]
    assert choose(found, 9, first=2) == [0, 1]


@pytest.mark.slow
def test_the_clips_are_the_middle_of_the_videos_they_name(demo_records):
    spec = Spec(frames=3, stride=2, size=24)
    total = demo_records.videos("val")
    labels = np.arange(total) % len(demo_records.classes)
    probabilities = np.eye(len(demo_records.classes))[np.zeros(total, int)]
    found = Evaluation(probabilities, labels, tuple(str(place) for place in range(total)))
    samples = take_samples(demo_records, "val", spec, CLIPS, found, count=2)
    assert [(s.label == s.prediction) for s in samples] == [False, False, True, True]
    single = ClipSettings(views=1, eval_scale=1.0)
    views, numbers = next(iter(evaluation_views(demo_records, "val", spec, single, batch=1000)))
    assert numbers.numpy().tolist() == list(range(total))
    for sample in samples:
        assert sample.label == labels[int(sample.video_id)] and sample.probability == 1
        np.testing.assert_array_equal(sample.clip, views[int(sample.video_id)])


@pytest.mark.parametrize("frames", [1, 3, 30])
def test_a_row_tells_label_prediction_and_how_sure(frames):
    clip = np.arange(frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, 16, 16, 3), np.uint8)
    figure = samples_figure([Sample("a", clip, 0, 1, 0.756), Sample("b", clip, 1, 1, 1.0)], ["fall", "a" * 40])
    words, strips = figure.axes[::2], figure.axes[1::2]
    texts = [[text.get_text() for text in axes.texts] for axes in words]
    assert texts == [["fall", f"predicted as {'a' * 27}…, 76 %"], [f"{'a' * 27}…", "correct, 100 %"]]
    assert [axes.texts[1].get_color() for axes in words] == [WRONG_COLOUR, RIGHT_COLOUR]
    strip = strips[0].images[0].get_array()
    shown = min(frames, FRAMES_SHOWN)
    assert strip.shape == (16, shown * 17 - 1, 3) and strip[0, 0, 0] == 0 and strip[0, -1, 0] == frames - 1


def test_no_samples_is_an_empty_picture():
    assert choose(evaluation([], [], [])) == []
    assert samples_figure([]).axes == []
