"""Worker: the same clips straight from MP4 files, by PyAV, decord or torchcodec. The last two run without the project.

Each reader in its fastest way to the frames of one clip: one thread a video, as many videos at a time as threads, no
look ahead at the whole file where the reader can do without.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import random
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import worker

FRAMES, STRIDE, SIZE = 4, 12, 160  # XS
JITTER, EVALUATION_SCALE, VIEWS = (8 / 7, 1.425), 8 / 7, 10
WIDTH, HEIGHT, LENGTH, FPS = 340, 256, 300, 30
SPAN = (FRAMES - 1) * STRIDE + 1
CLIPS, VIDEOS = 64, 4  # of a step


def pyav(path, indices, short, top, left):
    import av

    height, width = scaled(short)
    wanted, pixels = set(indices), {}
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.thread_count = "NONE", 1
        per_frame = 1 / (FPS * stream.time_base)
        container.seek(int(indices[0] * per_frame), stream=stream)
        for frame in container.decode(stream):
            number = round(frame.pts / per_frame)
            if number in wanted:
                resized = frame.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
                pixels[number] = resized[top:top + SIZE, left:left + SIZE]
            if number >= indices[-1]:
                break
    return np.stack([pixels[number] for number in indices])


def decord(path, indices, short, top, left):
    from decord import VideoReader, cpu

    height, width = scaled(short)
    frames = VideoReader(path, ctx=cpu(0), width=width, height=height, num_threads=1).get_batch(indices).asnumpy()
    return frames[:, top:top + SIZE, left:left + SIZE]


def torchcodec(path, indices, short, top, left):
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate",
                           transforms=[Resize(scaled(short))])
    return decoder.get_frames_at(indices).data[:, top:top + SIZE, left:left + SIZE].numpy()


def scaled(short: int) -> tuple[int, int]:
    """Height and width of a video whose short side is scaled to `short`."""
    return short, round(short * WIDTH / HEIGHT)


def training_clip(read, path, draw):
    short = round(SIZE * draw.uniform(*JITTER))
    height, width = scaled(short)
    start = draw.randint(0, LENGTH - SPAN)
    indices = list(range(start, start + SPAN, STRIDE))
    top, left = draw.randint(0, height - SIZE), draw.randint(0, width - SIZE)
    return np.ascontiguousarray(read(path, indices, short, top, left))


def views(read, path):
    short = int(SIZE * EVALUATION_SCALE)
    height, width = scaled(short)
    starts = [round(view * (LENGTH - SPAN) / (VIEWS - 1)) for view in range(VIEWS)]
    needed = sorted({start + STRIDE * at for start in starts for at in range(FRAMES)})
    frames = read(path, needed, short, (height - SIZE) // 2, (width - SIZE) // 2)
    place = {number: at for at, number in enumerate(needed)}
    return np.stack([frames[[place[start + STRIDE * at] for at in range(FRAMES)]] for start in starts])


def ahead(pool, jobs, depth):
    """Results in order, with `depth` of them begun at any time: what is prefetched."""
    begun = deque(pool.submit(job) for job in itertools.islice(jobs, depth))
    while begun:
        yield begun.popleft().result()
        begun.extend(pool.submit(job) for job in itertools.islice(jobs, 1))


def start():
    settings = worker.settings()
    if settings["reader"] == "torchcodec":
        import torch

        torch.set_num_threads(1)
    read = {"pyav": pyav, "decord": decord, "torchcodec": torchcodec}[settings["reader"]]
    distribution = {"pyav": "av"}.get(settings["reader"], settings["reader"])
    about = {distribution: importlib.metadata.version(distribution)}
    paths, draw = sorted(str(path) for path in Path(settings["videos"]).glob("*.mp4"))[:16], random.Random(0)
    pool, depth = ThreadPoolExecutor(settings["threads"]), 2 * settings["threads"]
    if settings["mode"] == "views":
        jobs = [lambda p=path: views(read, p) for path in paths[:VIDEOS]]
        return lambda: [len(found) for found in ahead(pool, iter(jobs), depth)], VIDEOS, about
    jobs = (lambda p=draw.choice(paths), d=random.Random(draw.random()): training_clip(read, p, d)
            for _ in itertools.count())
    clips = ahead(pool, jobs, depth)
    return lambda: [clip.shape for clip in itertools.islice(clips, CLIPS)], CLIPS, about


if __name__ == "__main__":
    worker.serve(start)
