"""Videos for the benches, made on the spot: textured, moving and a little noisy, about as large as real footage."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np

PATCH, PATCHES, NOISE = 96, 4, 3.0


def write_video(path: Path, seconds: float, fps: int, width: int, height: int, seed: int = 0,
                keyframes: int | None = None) -> None:
    """A camera that wanders over a texture in which four others move: H.264, crf 23.

    Args:
        path: in an existing folder.
        seed: settles textures and paths.
        keyframes: frames from one keyframe to the next; None for what x264 does: a cut, or 250.
    """
    rng = np.random.default_rng(seed)
    reach = 2 * max(width, height)
    ground = 110 + 35 * _texture(rng, reach)
    patches = [60 + 35 * _texture(rng, PATCH) + 60 * rng.random(3) for _ in range(PATCHES)]
    phases = 2 * np.pi * rng.random((PATCHES + 1, 2))

    def place(phase, speed, at, free):
        """A corner (top, left) on its way at frame `at`, inside (height, width) that are free."""
        return [int((0.5 + 0.5 * np.sin(phase[k] + speed * (1 + 0.3 * k) * at)) * free[k]) for k in (0, 1)]

    with av.open(str(path), "w") as out:
        options = {"preset": "medium", "crf": "23"} | ({"g": str(keyframes)} if keyframes else {})
        stream = out.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for at in range(round(seconds * fps)):
            top, left = place(phases[-1], 0.3 / fps, at, (reach - height, reach - width))
            picture = ground[top:top + height, left:left + width].copy()
            for patch, phase in zip(patches, phases):
                top, left = place(phase, 1.2 / fps, at, (height - PATCH, width - PATCH))
                picture[top:top + PATCH, left:left + PATCH] = patch
            picture += rng.normal(0, NOISE, (height, width, 1))
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _texture(rng, size: int) -> np.ndarray:
    """(size, size, 3) around 0: coarse and fine structure as in photographs, whose spectrum falls with the frequency."""
    layers = []
    for octave in range(6):
        cells = 4 * 2**octave
        at = np.linspace(0, cells - 1, size)
        low = np.minimum(at.astype(int), cells - 2)
        part = (at - low)[:, None]
        coarse = rng.standard_normal((cells, cells, 3)) / 2 ** (0.9 * octave)
        rows = coarse[low] * (1 - part[..., None]) + coarse[low + 1] * part[..., None]
        layers.append(rows[:, low] * (1 - part) + rows[:, low + 1] * part)
    return sum(layers)


def make_labelled(folder: Path, train: int, val: int, **video) -> Path:
    """labels.csv beside videos of two classes; what is there already is kept. Returns the label file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(train + val):
        name = f"{number:03d}.mp4"
        rows.append((name, "ab"[number % 2], "train" if number < train else "val"))
        if not (folder / name).exists():
            partial = folder / f"partial_{name}"
            write_video(partial, seed=number, **video)
            partial.rename(folder / name)
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return folder / "labels.csv"
