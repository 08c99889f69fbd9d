"""A video file gets the answer that its record gets."""

import os

import numpy as np
import pytest

from expansion import InputError, Prediction, build, evaluate, predict
from expansion.evaluation.export import export_tflite
from expansion.recipe import ClipSettings
from expansion.spec import parse_spec
from tests.expansion.networks import opinionated

SPEC = "frames=2,stride=3,size=24,width=0.34,depth=0.2,bottleneck=1.5"
CLIPS = ClipSettings(views=3, crops=3)


@pytest.fixture(scope="module")
def model(demo_records):
    return opinionated(parse_spec(SPEC), demo_records.classes)


def files(labels, split: str = "val") -> list[str]:
    lines = labels.read_text().splitlines()[1:]
    return [str(labels.parent / line.split(",")[0]) for line in lines if line.split(",")[2] == split]


@pytest.mark.slow
def test_a_file_is_answered_as_its_record(model, demo_records, demo_labels):
    recorded = evaluate(model, demo_records, "val", CLIPS)
    videos = files(demo_labels)
    found = predict(model, videos, views=3, crops=3, short_side=demo_records.short_side)
    of_record = dict(zip(recorded.video_ids, recorded.probabilities))
    for video, prediction in zip(videos, found, strict=True):
        expected = of_record[os.path.relpath(video, demo_labels.parent)]
        np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-5)
        assert prediction.label == demo_records.classes[expected.argmax()]
    assert np.ptp(recorded.probabilities, axis=0).max() > 1e-3  # the answers depend on the video


def test_one_path_gives_one_answer_with_names(model, demo_records, demo_labels):
    video = files(demo_labels)[0]
    found = predict(model, video)
    assert isinstance(found, Prediction) and found.classes == tuple(demo_records.classes)
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert found.views == 9  # 12 frames hold no more different clips that span 4
    ranked = found.top(3)
    assert ranked[0][0] == found.label and [share for _, share in ranked] == sorted((s for _, s in ranked), reverse=True)


@pytest.mark.slow
def test_forms_agree(model, demo_labels, tmp_path):
    video, paths = files(demo_labels)[0], [str(tmp_path / "m.keras"), str(tmp_path / "m.tflite")]
    model.save(paths[0])
    export_tflite(model, paths[1], CLIPS)
    first, second = (predict(path, video, views=3, crops=3) for path in paths)
    np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-4)


def test_without_names_classes_are_numbers(demo_labels):
    found = predict(build(SPEC, 3), files(demo_labels)[0], views=1)
    assert found.classes == ("0", "1", "2") and found.views == 1


def test_what_is_no_video_is_one_line(model, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="a.mp4: unreadable: not a video"):
        predict(model, tmp_path / "a.mp4")
    with pytest.raises(InputError, match="b.mp4: missing: no such file"):
        predict(model, tmp_path / "b.mp4")
    with pytest.raises(InputError, match="predict: views"):
        predict(model, tmp_path / "b.mp4", views=0)


def test_real_videos(model, shared):
    folder = shared / "data" / "fights"
    videos = sorted(folder.glob("**/*.mp4"))[:2] or sorted(folder.glob("**/*.avi"))[:2]
    assert all(np.isfinite(found.probabilities).all() for found in predict(model, videos))
