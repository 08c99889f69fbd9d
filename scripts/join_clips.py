"""Joins the clips of a data set of single labels into videos of several, with segments: a check of localization on real footage.

    python scripts/join_clips.py LABELS.csv OUTPUT [--clips 4] [--videos 200 50 50] [--size 64]

LABELS.csv has the columns path, label and split. A video is clips of one split, drawn without repeats as far as they go, one
after another; OUTPUT/segments.csv says when each begins and ends.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import av
import numpy as np

from pipeline.demo_data import encode


def frames_of(path: Path, size: int) -> tuple[np.ndarray, float]:
    """A clip's frames at a square size, (frames, size, size, 3) of uint8, and frames per second."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24", width=size, height=size) for frame in container.decode(stream)]
        return np.stack(frames), float(stream.average_rate)


def join(labels: Path, output: Path, clips: int, videos: dict[str, int], size: int, seed: int = 0) -> Path:
    """Writes the videos and returns the path of segments.csv."""
    rng, of_split = np.random.default_rng(seed), defaultdict(list)
    with open(labels, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            of_split[row["split"]].append((row["path"], row["label"]))
    output.mkdir(parents=True)
    rows = []
    for split, count in videos.items():
        order: list[int] = []
        for number in range(count):
            while len(order) < clips:
                order += rng.permutation(len(of_split[split])).tolist()
            chosen, order = order[:clips], order[clips:]
            name, start, parts, fps = f"{split}_{number:04d}.mp4", 0, [], 25.0
            for index in chosen:
                path, label = of_split[split][index]
                frames, fps = frames_of(labels.parent / path, size)
                rows.append((name, label, f"{start / fps:.3f}", f"{(start + len(frames) - 1) / fps:.3f}", split))
                start += len(frames)
                parts.append(frames)
            encode(output / name, np.concatenate(parts), round(fps))
    with open(output / "segments.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("path", "label", "start", "end", "split"), *rows])
    return output / "segments.csv"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--videos", type=int, nargs=3, default=(200, 50, 50), help="train, val, test")
    parser.add_argument("--size", type=int, default=64)
    given = parser.parse_args()
    print(join(given.labels, given.output, given.clips, dict(zip(("train", "val", "test"), given.videos)), given.size))
