"""The demo's videos: handwritten digits that move over photographs, eight classes told apart by motion alone."""

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from expansion.foundation.errors import InputError
from expansion.foundation.machine import cores

# Name of a class: the coordinate that moves and its sign. y points down and angles turn clockwise, as on a screen.
MOTIONS = {
    "clockwise": ("angle", 1),
    "counterclockwise": ("angle", -1),
    "down": ("y", 1),
    "growing": ("size", 1),
    "left": ("x", -1),
    "right": ("x", 1),
    "shrinking": ("size", -1),
    "up": ("y", -1),
}
SPLITS = ("train", "val", "test")
LABELS = "labels.csv"
MARKER = "demo.json"  # written last: the settings that made the folder
RECIPE = 1  # raise it when the same settings would give other videos

COORDINATES = ("x", "y", "angle", "size")  # a state: four phases in [0, 1), each on a circle
# Periods travelled in a clip, slowest and fastest; half a clip stays below half a period.
TRAVEL = {"x": (0.25, 0.5), "y": (0.25, 0.5), "angle": (0.4, 0.7), "size": (0.5, 0.9)}
SIZES = (0.25, 0.55)  # side of a digit's box over the side of the frame, smallest and largest
DIGITS = (2, 3, 4, 5, 6, 7, 9)  # 0, 1 and 8 look nearly the same after half a turn
COUNT = 5  # digits in a clip
OPACITY = (0.85, 1.0)  # of a digit
DIMMED = (0.3, 0.6)  # brightness left to the photograph
SHARES = {"train": (0.0, 0.6), "val": (0.6, 0.8), "test": (0.8, 1.0)}  # of the digits and of each photograph's width
CRF = 16


@dataclass(frozen=True)
class Settings:
    """What decides every byte of the videos."""

    train: int
    val: int
    test: int
    frames: int
    size: int
    fps: int
    seed: int
    recipe: int = RECIPE

    def __post_init__(self):
        for name, least in (("train", 1), ("val", 0), ("test", 0), ("frames", 2), ("size", 16), ("fps", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if self.size % 2:
            raise InputError(f"size must be even (H.264 halves the colour planes), got {self.size}")


def make_demo_videos(
    folder: str | os.PathLike,
    *,
    train: int = 80,
    val: int = 25,
    test: int = 30,
    frames: int = 16,
    size: int = 48,
    fps: int = 12,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Makes the demo's data set as H.264 MP4 files and returns the path of its labels.csv (path,label,split,group).

    A clip shows several digits over a still photograph, all moving the same way: to a side, turning, growing or
    shrinking. One frame does not give the class away. Place (on a torus), angle and log-size of every digit are
    phases on circles; they start uniform and the class adds a constant speed to one of them, so any single frame has
    exactly the same distribution in every class. All frames are sampled alike, without motion blur. A group is one
    scene in all eight motions: the same digits, colours and background, which therefore say nothing of the class.
    No digit and no piece of a photograph stands in two splits.

    Measured with the defaults, decoded from the files; chance is 0.125. X2D and its expansions at 40 pixels, batch 32,
    rate 0.2, 15 epochs, 10 views, test accuracy: 1 frame 0.14 and 0.17 (two seeds); 2 frames at stride 4 0.54; 4 frames
    at stride 4 0.80 and 0.88 (two seeds), at stride 2 0.89; 8 frames at stride 2 0.94. A plain 2D network of 0.63
    million parameters, 12 epochs, mean of 10 views: on single frames 0.64 in training and 0.13 in the test; on three
    stacked frames at stride 4 0.99 and 0.77. Making the files (13 MB) took 16 s on 2 cores.

    Args:
        folder: where the videos go, as folder/<class>/<split>_<n>.mp4. A folder that already holds the videos
            of these settings is left as it is; one made with other settings is replaced as a whole.
        train, val, test: int, clips per class in each split.
        frames: int, frames of a clip.
        size: int, height and width of a frame in pixels, even.
        fps: int, frames per second.
        seed: int. The same settings give the same bytes with the same libraries.
        progress: called with (clips made, clips in all) after each clip.

    Raises:
        InputError: a setting is out of range, or the folder holds something that this function did not make.
    """
    settings = Settings(train, val, test, frames, size, fps, seed)
    folder = Path(folder)
    if _is_whole(folder, settings):
        return folder / LABELS
    if not _is_ours(folder):
        raise InputError(f"{folder} exists and holds something other than the demo's videos")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write_all(partial, settings, progress or (lambda done, total: None))
        partial.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return folder / LABELS


def _is_ours(folder: Path) -> bool:
    """Whether the folder may be replaced: it is missing, empty, or holds nothing but what this module writes."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    return not names or (MARKER in names and names <= {MARKER, LABELS, *MOTIONS})


def _is_whole(folder: Path, settings: Settings) -> bool:
    try:
        if json.loads((folder / MARKER).read_text(encoding="utf-8")) != asdict(settings):
            return False
        with open(folder / LABELS, encoding="utf-8", newline="") as file:
            return all((folder / row["path"]).is_file() for row in csv.DictReader(file))
    except (OSError, ValueError):
        return False


def _write_all(folder: Path, settings: Settings, progress) -> None:
    source = Source.load(settings.seed)
    rows = []
    for split in SPLITS:
        for n in range(getattr(settings, split)):
            for label in MOTIONS:
                rows.append((f"{label}/{split}_{n:03d}.mp4", label, split, f"{split}_{n:03d}"))
    for label in MOTIONS:
        (folder / label).mkdir()

    def write(row):
        path, label, split, group = row
        clip = render(source, label, split, int(group.split("_")[1]), settings)
        encode(folder / path, clip, settings.fps)

    with ThreadPoolExecutor(cores()) as pool:
        for done, _ in enumerate(pool.map(write, rows), start=1):
            progress(done, len(rows))
    with open(folder / LABELS, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "split", "group"))
        writer.writerows(rows)
    (folder / MARKER).write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Source:
    """What the scenes are made of: per split, digits (n, 8, 8) in [0, 1] with their ids, and pieces of photographs."""

    digits: dict[str, np.ndarray]
    ids: dict[str, np.ndarray]
    photos: dict[str, list[np.ndarray]]

    @classmethod
    def load(cls, seed: int) -> "Source":
        from sklearn.datasets import load_digits, load_sample_images

        data = load_digits()
        chosen = np.flatnonzero(np.isin(data.target, DIGITS))
        chosen = np.random.default_rng([seed, 0]).permutation(chosen)
        images = load_sample_images().images
        digits, ids, photos = {}, {}, {}
        for split, (low, high) in SHARES.items():
            ids[split] = chosen[round(low * len(chosen)) : round(high * len(chosen))]
            digits[split] = data.images[ids[split]] / 16.0
            photos[split] = [i[:, round(low * i.shape[1]) : round(high * i.shape[1])] / 255.0 for i in images]
        return cls(digits, ids, photos)


def states(rng: np.random.Generator, label: str, frames: int, pace: float) -> np.ndarray:
    """The phases of x, y, angle and size in every frame, (frames, 4), in [0, 1).

    The start is uniform on the torus of the four phases and a class adds a constant speed on one of them. A shift
    maps the uniform distribution on a circle to itself, so the state of any single frame has the same distribution
    in every class.
    """
    name, sign = MOTIONS[label]
    start = rng.uniform(size=len(COORDINATES))
    speed = np.zeros(len(COORDINATES))
    speed[COORDINATES.index(name)] = sign * np.interp(pace, (0, 1), TRAVEL[name]) / frames
    return (start + np.arange(frames)[:, None] * speed) % 1.0


def render(source: Source, label: str, split: str, n: int, settings: Settings) -> np.ndarray:
    """The clip n of a class, (frames, height, width, 3), uint8."""
    scene = np.random.default_rng([settings.seed, 1, SPLITS.index(split), n])
    motion = np.random.default_rng([settings.seed, 2, SPLITS.index(split), n, list(MOTIONS).index(label)])
    pool = source.digits[split]
    clip = background(scene, source.photos[split], settings.size) * scene.uniform(*DIMMED)
    pace = motion.uniform()
    for index in range(COUNT * n, COUNT * (n + 1)):
        colour, opacity = scene.uniform(0.8, 1.0, 3), scene.uniform(*OPACITY)
        phases = states(motion, label, settings.frames, pace)
        mask = opacity * masks(pool[index % len(pool)], phases, settings.size)[..., None]
        clip = clip * (1 - mask) + colour * mask
    return np.rint(255 * clip).astype(np.uint8)


def background(rng: np.random.Generator, photos: list[np.ndarray], size: int) -> np.ndarray:
    """A random square of a random photograph, turned and mirrored at random, (size, size, 3) in [0, 1]."""
    from PIL import Image

    photo = photos[rng.integers(len(photos))]
    short = min(photo.shape[:2])
    side = int(rng.integers(min(size, short), short + 1))
    top, left = (int(rng.integers(extent - side + 1)) for extent in photo.shape[:2])
    crop = np.rot90(photo[top : top + side, left : left + side], rng.integers(4))
    crop = crop[:, :: rng.choice((-1, 1))]
    crop = np.asarray(Image.fromarray(np.rint(255 * crop).astype(np.uint8)).resize((size, size), Image.BICUBIC))
    return crop / 255.0


def masks(digit: np.ndarray, phases: np.ndarray, size: int) -> np.ndarray:
    """The digit's coverage in every frame, (frames, size, size) in [0, 1].

    Every frame samples the same cubic spline of the digit at the place, angle and size of its own state, still or
    not, so sharpness does not tell which coordinate moves. The frame is a torus: what leaves on one side enters on
    the other.
    """
    from scipy.ndimage import map_coordinates, spline_filter

    margin = 2
    spline = spline_filter(np.pad(digit, margin), order=3)
    x, y, angle, scale = phases.T[:, :, None, None]
    side = size * SIZES[0] * (SIZES[1] / SIZES[0]) ** scale
    pixel = (np.arange(size) + 0.5) / size
    dx = size * ((pixel[None, None, :] - x + 0.5) % 1.0 - 0.5)
    dy = size * ((pixel[None, :, None] - y + 0.5) % 1.0 - 0.5)
    cos, sin = np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)
    cells, centre = digit.shape[0] / side, (spline.shape[0] - 1) / 2
    column = (cos * dx + sin * dy) * cells + centre
    row = (cos * dy - sin * dx) * cells + centre
    mask = map_coordinates(spline, np.stack([row, column]), order=3, mode="constant", prefilter=False)
    mask = np.clip((mask - 0.2) / 0.4, 0.0, 1.0)
    return mask * mask * (3 - 2 * mask)


def encode(path: Path, clip: np.ndarray, fps: int) -> None:
    """Writes a clip, (frames, height, width, 3) uint8, as an H.264 MP4 file."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = clip.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        stream.thread_count = 1  # more would not pay on so few pixels, and one gives the same bytes everywhere
        # With its macroblock tree x264 gave other bytes in one of a hundred files from run to run.
        stream.options = {"crf": str(CRF), "preset": "veryfast", "g": "8", "x264-params": "mbtree=0"}
        for image in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
