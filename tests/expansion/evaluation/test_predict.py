"""A video file gets the answer that its record gets."""

import os
import shutil

import numpy as np
import pytest

from expansion import InputError, Prediction, build, evaluate, load_weights, open_network, predict, save_weights, train
from expansion.data.dataset import VideoDataset
from expansion.evaluation.export import export_saved_model, export_tflite
from expansion.evaluation.predict import video_paths
from expansion.network.model import X3D
from expansion.network.preprocessing import Preprocessing
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import parse_spec
from expansion.video.settings import VideoSettings
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


def test_one_bad_video_costs_no_other_its_answer(model, demo_labels, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    good = files(demo_labels)[:2]
    first, bad, missing, second = predict(model, [good[0], tmp_path / "bad.mp4", tmp_path / "none.mp4", good[1]], views=1)
    assert first.error is second.error is None and (first.video, second.video) == tuple(good) and first.fps > 0
    assert bad.error.startswith("unreadable: not a video") and missing.error == "missing: no such file"
    assert bad.label is None and bad.top(3) == [] and bad.views == 0


def test_a_folder_has_an_answer_for_each_video_in_it(model, demo_labels, tmp_path):
    for place, video in zip(("a.mp4", "deep/er/b.MP4", ".hidden/c.mp4"), files(demo_labels)):
        (tmp_path / "in" / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, tmp_path / "in" / place)
    shutil.copy(files(demo_labels)[3], tmp_path / "in" / "without_ending")
    (tmp_path / "in" / "labels.csv").write_text("path,label\n")
    (tmp_path / "in" / "bad.mp4").write_bytes(b"no video")
    found = predict(model, tmp_path / "in", views=1)
    names = [os.path.relpath(one.video, tmp_path / "in") for one in found]
    assert names == ["a.mp4", "bad.mp4", "without_ending", "deep/er/b.MP4"]
    assert [one.error is None for one in found] == [True, False, True, True]
    assert video_paths(str(tmp_path / "in"))[1] == [str(tmp_path / "in" / "labels.csv")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: empty: a folder without a video"):
        predict(model, tmp_path / "empty")
    both = predict(model, [tmp_path / "empty", files(demo_labels)[0]], views=1)
    assert [one.error is None for one in both] == [False, True]


@pytest.mark.slow
def test_a_network_looks_as_its_training_did(model, demo_labels, demo_records, tmp_path):
    """In any form, wherever its file lies, and without its records: at their rate, their size, and with the run's clips."""
    known = Preprocessing(video=VideoSettings(fps=4.0, short_side=26, max_frames=5), fps=4.0,
                          clips=ClipSettings(views=2, eval_scale=1.05))
    trained = X3D.from_config(model.get_config() | {"preprocessing": known.as_dict()})
    trained.set_weights(model.get_weights())
    paths = [str(tmp_path / name) for name in ("m.keras", "saved", "m.tflite", "m.pyth", "again.keras")]
    trained.save(paths[0])
    export_saved_model(trained, paths[1], known.clips)
    export_tflite(trained, paths[2], known.clips)
    save_weights(trained, paths[3])
    load_weights(trained.spec, paths[3]).save(paths[4])
    video = files(demo_labels)[0]
    expected = predict(model, video, views=2, fps=4, short_side=26)
    assert expected.fps == 4 and expected.views != predict(model, video).views
    for path in (paths[0], paths[1], paths[2], paths[4]):
        network = open_network(path)
        assert network.preprocessing == known and network.class_names == demo_records.classes, path
    for path in (paths[0], paths[4]):
        found = predict(path, video)
        assert (found.fps, found.views, found.classes) == (4, expected.views, expected.classes)
    assert predict(trained, video, fps=8).fps == 8  # what is asked for counts
    np.testing.assert_allclose(predict(paths[0], video).probabilities, predict(trained, video).probabilities, atol=1e-6)


def test_training_tells_a_network_what_it_looked_with(demo_records, tmp_path):
    settings, clips = demo_records.manifest.settings | {"fps": 6.0, "short_side": 24}, ClipSettings(views=3)
    assert demo_records.manifest.fps > 0
    data = VideoDataset(demo_records.path, demo_records.manifest.model_copy(update={"settings": settings}))
    model = build(SPEC, class_names=("wrong",) * 8)
    with pytest.raises(InputError, match="class 0 is .* there and 'wrong' in the network"):
        train(model, data, Recipe(), clips)
    model = build(SPEC, 8)
    train(model, data, Recipe(epochs=1), clips, until=0)
    assert model.class_names == demo_records.classes
    assert (model.preprocessing.video.fps, model.preprocessing.video.short_side, model.preprocessing.clips) == (6.0, 24, clips)
    assert model.preprocessing.fps == demo_records.manifest.fps


def test_what_is_no_video_is_one_line(model, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="a.mp4: unreadable: not a video"):
        predict(model, tmp_path / "a.mp4")
    with pytest.raises(InputError, match="b.mp4: missing: no such file"):
        predict(model, tmp_path / "b.mp4")
    with pytest.raises(InputError, match="clips: views is 0"):
        predict(model, tmp_path / "b.mp4", views=0)


def test_real_videos(model, shared):
    folder = shared / "data" / "fights"
    videos = sorted(folder.glob("**/*.mp4"))[:2] or sorted(folder.glob("**/*.avi"))[:2]
    assert all(np.isfinite(found.probabilities).all() for found in predict(model, videos))
