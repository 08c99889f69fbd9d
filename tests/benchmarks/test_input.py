"""The bench of the input: its videos are what they should be, and a reader of MP4 files gives the frames asked for."""

import av
import numpy as np
import pytest

from benchmarks import input_mp4
from benchmarks.videos import write_video


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "a.mp4"
    write_video(path, 1.5, input_mp4.FPS, input_mp4.WIDTH, input_mp4.HEIGHT, keyframes=10)
    return str(path)


def test_keyframes_are_where_they_were_asked_for(video):
    with av.open(video) as container:
        stream = container.streams.video[0]
        keys = [round(float(p.pts * p.time_base) * input_mp4.FPS) for p in container.demux(stream) if p.is_keyframe]
    assert np.diff([*keys, 45]).max() <= 10


def test_a_reader_seeks_to_the_frames_asked_for(video):
    clip = input_mp4.pyav(video, [13, 25, 37], input_mp4.HEIGHT, 40, 60)
    with av.open(video) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    side = slice(40, 40 + input_mp4.SIZE), slice(60, 60 + input_mp4.SIZE)
    distance = [[np.abs(pixels.astype(int) - frame[side]).mean() for frame in frames] for pixels in clip]
    assert np.argmin(distance, axis=1).tolist() == [13, 25, 37] and np.min(distance) < 1


def test_results_come_in_order_and_a_few_ahead():
    from concurrent.futures import ThreadPoolExecutor

    begun = []
    jobs = (lambda n=n: begun.append(n) or n for n in range(10))
    with ThreadPoolExecutor(1) as pool:
        results = input_mp4.ahead(pool, jobs, 3)
        assert [next(results), next(results)] == [0, 1]
        assert len(begun) <= 4
        assert list(results) == list(range(2, 10))
