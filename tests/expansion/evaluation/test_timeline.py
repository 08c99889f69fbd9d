"""Timelines: every time has a score, as evaluation would give it; of a long video no more is held than of a short one."""

import io
import json
import weakref

import numpy as np
import pytest
from PIL import Image

from expansion.evaluation.networks import Network
from expansion.evaluation.timeline import Timeline, timeline
from expansion.foundation.errors import InputError
from expansion.recipe import ClipSettings
from expansion.spec import Spec
from expansion.tasks.registry import task_named
from expansion.video import frames as frames_module
from expansion.video.settings import VideoSettings
from pipeline.commands.timeline_files import as_csv, as_json, as_vtt, write_timeline
from pipeline.demo_data import encode

SPEC = Spec(frames=3, stride=2, size=32)  # a span of 5 frames
STORED = VideoSettings(short_side=32)


def network(task: str = "localization", seen: list | None = None) -> Network:
    """Says of each frame, or of a clip, how bright it is."""

    def predict(clips):
        if seen is not None:
            seen.append(clips.shape)
        frames = clips.mean(axis=(2, 3, 4))[..., None] / 255 * np.array([1.0, 0.5])
        return frames if task == "localization" else frames.mean(axis=1)

    return Network("keras", SPEC, 2, ("bright", "half"), 32, predict, most=4, task=task_named(task))


@pytest.fixture(scope="module")
def ramp(tmp_path_factory):
    """A video of 40 frames at 10 a second that becomes brighter evenly: at t seconds (t / 4) of white."""
    path = tmp_path_factory.mktemp("ramp") / "ramp.mp4"
    frames = np.rint(255 * np.arange(40) / 40).astype(np.uint8)
    encode(path, np.broadcast_to(frames[:, None, None, None], (40, 32, 32, 3)), 10)
    return str(path)


@pytest.mark.parametrize("task", ["localization", "multi-label"])
def test_each_time_has_the_score_of_its_frames(ramp, task):
    found = timeline(network(task), ramp, ClipSettings(), STORED, every=0.25)
    assert found.classes == ("bright", "half") and found.length == pytest.approx(4.0)
    assert found.times.tolist() == [0.25 * step for step in range(16)]
    expected = np.clip(found.times, *((0.0, 3.9) if task == "localization" else (0.2, 3.7))) / 4
    np.testing.assert_allclose(found.probabilities[:, 0], expected, atol=0.03)
    np.testing.assert_allclose(found.probabilities[:, 1], found.probabilities[:, 0] / 2, atol=1e-6)


def test_forward_passes_have_one_size_and_windows_the_trained_length(ramp):
    seen = []
    timeline(network(seen=seen), ramp, ClipSettings(), STORED, every=0.25)
    assert set(seen) == {(4, 3, 32, 32, 3)}


def test_a_video_shorter_than_a_window_has_its_times(tmp_path):
    encode(tmp_path / "short.mp4", np.full((2, 32, 32, 3), 128, np.uint8), 10)
    found = timeline(network(), str(tmp_path / "short.mp4"), ClipSettings(), STORED, every=0.1)
    assert found.times.tolist() == pytest.approx([0.0, 0.1]) and found.probabilities[:, 0] == pytest.approx(0.5, abs=0.02)


def test_memory_is_flat_in_the_length(ramp, monkeypatch):
    """Frames are let go as windows pass: of 300 frames never more than a window and a few in the decoder's hands are alive."""
    alive, most = weakref.WeakSet(), [0]

    (jpeg, _, picture, shape), *_ = frames_module.stored_frames(ramp, STORED)

    class Picture:
        def __init__(self, number):
            self.time, self.until = number / 10, (number + 1) / 10
            alive.add(self)
            most[0] = max(most[0], len(alive))

    monkeypatch.setattr(frames_module, "stored_frames",
                        lambda path, settings: ((jpeg, 1, Picture(number), shape) for number in range(300)))
    found = timeline(network(), ramp, ClipSettings(), STORED, every=5.0)
    assert len(found.times) == 6 and found.length == 30 and most[0] < 10


def test_one_line_for_what_is_no_video(tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="no.mp4: unreadable"):
        timeline(network(), str(tmp_path / "no.mp4"), ClipSettings(), STORED)
    with pytest.raises(InputError, match="every is 0 s"):
        timeline(network(), str(tmp_path / "no.mp4"), ClipSettings(), STORED, every=0)


FOUND = Timeline("v/a.mp4", ("walk", "run & <jump>"), np.array([0.0, 0.5, 1.0, 1.5]),
                 np.array([[0.9, 0.1], [0.6, 0.7], [0.2, 0.8], [0.55, 0.1]], np.float32), 3700.25)


def test_stretches_in_which_a_class_holds():
    held = FOUND.held(0.5)
    assert [(one.label, one.start, one.end) for one in held] == [
        ("walk", 0.0, 1.0), ("run & <jump>", 0.5, 1.5), ("walk", 1.5, 3700.25)]
    assert held[1].probability == pytest.approx(0.8) and FOUND.held(0.95) == []


def test_captions_for_a_player():
    assert as_vtt(FOUND, 0.5) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nwalk 90 %\n\n00:00:00.500 --> 00:00:01.500\nrun &amp; &lt;jump&gt; 80 %\n\n"
        "00:00:01.500 --> 01:01:40.250\nwalk 55 %\n")


def test_files(tmp_path):
    paths = write_timeline(FOUND, str(tmp_path), 0.5)
    assert paths == {form: str(tmp_path / f"a.{form}") for form in ("png", "json", "csv", "vtt")}
    kept = json.loads((tmp_path / "a.json").read_text())
    assert kept["held"][0] == {"class": "walk", "start": 0.0, "end": 1.0, "probability": 0.9} and len(kept["times"]) == 4
    assert as_json(FOUND, 0.5) == (tmp_path / "a.json").read_text()
    assert as_csv(FOUND).splitlines()[1] == "0.000,0.900000,0.100000"
    assert Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())).size[0] > 500
