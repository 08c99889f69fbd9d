"""The demo's videos: whole, the same in every run, and no hint in a single frame."""

import csv
import json
from itertools import combinations

import av
import numpy as np
import pytest

from expansion.foundation.errors import InputError
from pipeline import demo_data
from pipeline.demo_data import COORDINATES, MOTIONS, SPLITS, Settings, Source, make_demo_videos, render, states

FEW = dict(train=2, val=1, test=1, frames=4, size=32, fps=10)


def rows(labels):
    with open(labels, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(frames), stream.codec_context.name, stream.average_rate


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return make_demo_videos(tmp_path_factory.mktemp("videos") / "demo", **FEW)


@pytest.fixture(scope="module")
def source():
    return Source.load(seed=0)


def test_every_class_has_its_clips_in_every_split(videos):
    found = [(row["label"], row["split"]) for row in rows(videos)]
    expected = [(label, split) for label in MOTIONS for split in SPLITS for _ in range(FEW[split])]
    assert sorted(found) == sorted(expected)


def test_a_group_stays_in_its_split_and_has_one_clip_of_each_class(videos):
    groups = {}
    for row in rows(videos):
        groups.setdefault(row["group"], []).append(row)
    for members in groups.values():
        assert len({row["split"] for row in members}) == 1
        assert sorted(row["label"] for row in members) == sorted(MOTIONS)


def test_the_files_are_h264_of_the_size_and_rate_asked_for(videos):
    for row in rows(videos):
        clip, codec, rate = decode(videos.parent / row["path"])
        assert clip.shape == (4, 32, 32, 3)
        assert (codec, rate) == ("h264", 10)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(videos, tmp_path):
    again = make_demo_videos(tmp_path / "again", **FEW)
    other = make_demo_videos(tmp_path / "other", **FEW, seed=1)
    assert again.read_bytes() == videos.read_bytes()
    for row in rows(videos):
        first = (videos.parent / row["path"]).read_bytes()
        assert first == (again.parent / row["path"]).read_bytes()
        assert first != (other.parent / row["path"]).read_bytes()


def test_a_whole_folder_is_left_alone_and_one_of_other_settings_is_replaced(tmp_path):
    few = FEW | dict(train=1, val=0, test=0)
    labels = make_demo_videos(tmp_path / "demo", **few)
    made = labels.stat().st_mtime_ns
    assert make_demo_videos(tmp_path / "demo", **few).stat().st_mtime_ns == made
    (tmp_path / "demo" / rows(labels)[0]["path"]).unlink()
    make_demo_videos(tmp_path / "demo", **few)
    assert labels.stat().st_mtime_ns != made
    make_demo_videos(tmp_path / "demo", **few | dict(train=2))
    assert len(rows(labels)) == 2 * len(MOTIONS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo"]


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="something other than"):
        make_demo_videos(tmp_path, **FEW)
    (tmp_path / demo_data.MARKER).write_text(json.dumps({"name": "not ours"}))
    with pytest.raises(InputError, match="something other than"):
        make_demo_videos(tmp_path, **FEW)
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_a_failure_leaves_nothing_behind(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo_videos(tmp_path / "demo", **FEW, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_clip(tmp_path):
    seen = []
    make_demo_videos(tmp_path / "demo", **FEW | dict(val=0, test=0), progress=lambda *call: seen.append(call))
    assert seen == [(done, 16) for done in range(1, 17)]


@pytest.mark.parametrize(
    "name, value", [("train", 0), ("val", -1), ("frames", 1), ("size", 33), ("fps", 0), ("seed", "a")])
def test_an_impossible_setting_is_named(tmp_path, name, value):
    with pytest.raises(InputError, match=name):
        make_demo_videos(tmp_path / "demo", **FEW | {name: value})


def test_digits_and_pieces_of_photographs_are_disjoint_across_splits(source):
    for one, other in combinations(SPLITS, 2):
        assert not set(source.ids[one]) & set(source.ids[other])
        for piece, another in zip(source.photos[one], source.photos[other]):
            assert not np.shares_memory(piece, another)
    assert {sum(source.photos[split][k].shape[1] for split in SPLITS) for k in range(2)} == {640}


def test_the_scenes_of_all_classes_are_the_same(source):
    """Digits, colours and background of a group do not depend on the class: with the motion gone the clips agree."""
    settings = Settings(train=1, val=0, test=0, frames=2, size=32, fps=10, seed=0)
    clips = [np.sort(render(source, label, "train", 0, settings)[0].reshape(-1, 3), axis=0)[:20] for label in MOTIONS]
    for clip in clips[1:]:
        assert np.abs(clip.astype(int) - clips[0]).max() <= 8  # the darkest places of the shared background


@pytest.mark.slow
@pytest.mark.parametrize("frame", [0, 7, 15])
def test_the_state_of_one_frame_is_uniform_in_every_class(frame):
    """Kolmogorov-Smirnov distance to the uniform distribution, below its 0.1 % critical value."""
    draws = 4000
    for index, label in enumerate(MOTIONS):
        rng = np.random.default_rng([index, frame])
        phases = np.sort([states(rng, label, 16, rng.uniform())[frame] for _ in range(draws)], axis=0)
        steps = np.arange(draws)[:, None] / draws
        distance = np.maximum(np.abs(phases - steps), np.abs(phases - steps - 1 / draws)).max(axis=0)
        assert (distance < 1.95 / np.sqrt(draws)).all(), label


def test_a_class_moves_its_own_coordinate_only_and_less_than_half_a_period_in_half_a_clip():
    for label, (name, sign) in MOTIONS.items():
        for pace in (0.0, 1.0):
            phases = states(np.random.default_rng(0), label, 16, pace)
            steps = (np.diff(phases, axis=0) + 0.5) % 1.0 - 0.5
            moving = COORDINATES.index(name)
            assert np.allclose(np.delete(steps, moving, axis=1), 0)
            assert np.allclose(steps[:, moving], steps[0, moving]) and np.sign(steps[0, moving]) == sign
            assert abs(steps[0, moving]) * 8 < 0.5


@pytest.mark.slow
def test_brightness_of_a_frame_does_not_depend_on_the_class(source):
    """Mean and spread of single frames: classes differ by less than four standard errors."""
    settings = Settings(train=60, val=0, test=0, frames=2, size=32, fps=10, seed=0)
    for measure in (np.mean, np.std):
        values = np.array([
            [measure(render(source, label, "train", n, settings)[1]) for n in range(60)] for label in MOTIONS])
        values -= values.mean(axis=0)  # the scene is shared by the classes
        error = values.std() / np.sqrt(values.shape[1])
        assert np.abs(values.mean(axis=1)).max() < 4 * error
