"""Videos for several labels and for localization: digits that do several motions one after another and at once.

The scenes, the motions and the files are those of demo_data; here a motion has a beginning and an end.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from expansion.foundation.errors import InputError
from expansion.foundation.machine import cores
from pipeline.demo_data import (
    COORDINATES,
    COUNT,
    DIMMED,
    MOTIONS,
    OPACITY,
    SPLITS,
    TRAVEL,
    Settings,
    Source,
    background,
    encode,
    masks,
)

SEGMENTS = "segments.csv"
MOST = 3  # motions of a video; each is of another coordinate
HOLDS = (0.35, 0.6)  # share of the video that a motion holds for, least and most
TRAVEL_FRAMES = 16  # frames that TRAVEL is stated for


def make_segment_videos(folder: str | os.PathLike, *, train: int = 300, val: int = 100, test: int = 100, frames: int = 32,
                        size: int = 48, fps: int = 12, seed: int = 0,
                        progress: Callable[[int, int], None] | None = None) -> Path:
    """Makes videos and returns the path of their segments.csv (path,label,start,end,split).

    A video has two or three motions of different coordinates, each from a random time on and for a random time, so that they
    follow each other, overlap, and leave times at which nothing moves. The phases of all digits start uniform, so a single
    frame says nothing of the motions (see demo_data.states).

    Args:
        folder: for the videos, as folder/<split>_<n>.mp4; it must not exist or be empty.
        train, val, test: videos in each split.
        frames, size, fps: of a video.
        seed: the same settings give the same bytes with the same libraries.
        progress: called with (videos made, videos in all).

    Raises:
        InputError: a setting is out of range, or the folder holds something.
    """
    settings = Settings(train, val, test, frames, size, fps, seed)
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} exists and holds something")
    folder.mkdir(parents=True, exist_ok=True)
    source = Source.load(seed)
    names = [(split, number) for split in SPLITS for number in range(getattr(settings, split))]

    def write(name: tuple[str, int]) -> None:
        split, number = name
        encode(folder / f"{split}_{number:04d}.mp4", render(source, split, number, settings), fps)

    with ThreadPoolExecutor(cores()) as pool:
        for done, _ in enumerate(pool.map(write, names), start=1):
            if progress:
                progress(done, len(names))
    with open(folder / SEGMENTS, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "start", "end", "split"))
        for split, number in names:
            for label, first, last in motions(split, number, settings):
                writer.writerow((f"{split}_{number:04d}.mp4", label, f"{first / fps:.3f}", f"{last / fps:.3f}", split))
    return folder / SEGMENTS


def motions(split: str, number: int, settings: Settings) -> list[tuple[str, int, int]]:
    """The motions of a video: name, first frame, and the frame at which it has ended."""
    rng = np.random.default_rng([settings.seed, 3, SPLITS.index(split), number])
    found = []
    for coordinate in rng.permutation(COORDINATES)[:rng.integers(2, MOST + 1)]:
        name = rng.choice([label for label, (moved, _) in MOTIONS.items() if moved == coordinate])
        length = round(settings.frames * rng.uniform(*HOLDS))
        first = int(rng.integers(settings.frames - length))
        found.append((str(name), first, first + length))
    return found


def phases(rng: np.random.Generator, moved: list[tuple[str, int, int]], frames: int, pace: float) -> np.ndarray:
    """The phases of x, y, angle and size in every frame, (frames, 4), in [0, 1)."""
    speed = np.zeros((frames, len(COORDINATES)))
    for name, first, last in moved:
        coordinate, sign = MOTIONS[name]
        speed[first:last, COORDINATES.index(coordinate)] = sign * np.interp(pace, (0, 1), TRAVEL[coordinate]) / TRAVEL_FRAMES
    travelled = np.concatenate([np.zeros((1, len(COORDINATES))), np.cumsum(speed, axis=0)[:-1]])
    return (rng.uniform(size=len(COORDINATES)) + travelled) % 1.0


def render(source: Source, split: str, number: int, settings: Settings) -> np.ndarray:
    """A video, (frames, height, width, 3), uint8."""
    scene = np.random.default_rng([settings.seed, 1, SPLITS.index(split), number])
    motion = np.random.default_rng([settings.seed, 4, SPLITS.index(split), number])
    moved, pool = motions(split, number, settings), source.digits[split]
    clip = background(scene, source.photos[split], settings.size) * scene.uniform(*DIMMED)
    pace = motion.uniform()
    for index in range(COUNT * number, COUNT * (number + 1)):
        colour, opacity = scene.uniform(0.8, 1.0, 3), scene.uniform(*OPACITY)
        mask = opacity * masks(pool[index % len(pool)], phases(motion, moved, settings.frames, pace), settings.size)[..., None]
        clip = clip * (1 - mask) + colour * mask
    return np.rint(255 * clip).astype(np.uint8)
