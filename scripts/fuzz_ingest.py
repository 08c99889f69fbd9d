"""Ingests mutated videos and checks that none stops the ingestion, gets lost, or shows under another's label.

    python scripts/fuzz_ingest.py --mutants 500 --seed 0 [--more FOLDER_OF_VIDEOS]

Each source video shows a pattern of its own, so that a frame under another's label is seen.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import av  # noqa: E402
import numpy as np  # noqa: E402

from components.ingestion.ingest import ingest_folder  # noqa: E402
from components.ingestion.settings import IngestSettings  # noqa: E402

# name -> codec, pixel format, options of the container
KINDS = {
    "h264.mp4": ("libx264", "yuv420p", {}), "mpeg4.mp4": ("mpeg4", "yuv420p", {}), "hevc.mp4": ("libx265", "yuv420p", {}),
    "fragments.mp4": ("libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "mjpeg.mov": ("mjpeg", "yuvj420p", {}), "ffv1.mkv": ("ffv1", "yuv444p", {}), "ten.mkv": ("ffv1", "yuv420p10le", {}),
    "live.mkv": ("libx264", "yuv420p", {"live": "1"}), "vp8.webm": ("libvpx", "yuv420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {}), "mpeg4.avi": ("mpeg4", "yuv420p", {}), "h264.ts": ("libx264", "yuv420p", {}),
    "mpeg2.mpg": ("mpeg2video", "yuv420p", {}), "flv1.flv": ("flv1", "yuv420p", {}), "wmv2.wmv": ("wmv2", "yuv420p", {}),
    "still.gif": ("gif", "rgb8", {}),
}  # fmt: skip
GRID, CELL, FRAMES = 4, 16, 12
ALIKE = 0.9  # correlation with a pattern above which a frame shows it


def patterns(count: int, seed: int = 7) -> np.ndarray:
    """(count, 16) of -1 and 1: half of each is 1; any two differ in at least 6 places: correlation below 0.3."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        one = rng.permutation(np.repeat([-1, 1], GRID * GRID // 2))
        if all((one != other).sum() >= 6 for other in found):
            found.append(one)
    return np.array(found)


def write_source(path: Path, pattern: np.ndarray, step: int, codec: str, pix_fmt: str, options: dict[str, str]) -> None:
    """A video of the pattern; its contrast grows by `step` from frame to frame, so that frames differ."""
    cells = pattern.reshape(GRID, GRID).repeat(CELL, 0).repeat(CELL, 1)
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream(codec, rate=10)
        stream.width = stream.height = GRID * CELL
        stream.pix_fmt, stream.gop_size = pix_fmt, 4
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        for at in range(FRAMES):
            grey = (128 + cells * (60 + step * at)).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, 2), format="rgb24")))
        out.mux(stream.encode(None))


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 4, 32, 256])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def damage_header(data: bytearray, rng: random.Random) -> None:
    """Bytes at either end, where containers keep their tables."""
    span = min(len(data), 1024)
    base = rng.choice([0, len(data) - span])
    for _ in range(rng.choice([1, 2, 8])):
        data[base + rng.randrange(span)] = rng.randrange(256)


def change_length(data: bytearray, rng: random.Random) -> None:
    """Four bytes that say "very many", "none" or "negative", wherever they fall."""
    at = rng.randrange(max(1, len(data) - 4))
    data[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"])


def _chunk(data: bytearray, rng: random.Random) -> slice:
    at = rng.randrange(len(data))
    return slice(at, at + rng.randrange(1, max(2, len(data) // 4)))


def swap_chunks(data: bytearray, rng: random.Random) -> None:
    one, two = _chunk(data, rng), _chunk(data, rng)
    data[one], data[two] = bytes(data[two]), bytes(data[one])


def repeat_chunk(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = bytes(data[_chunk(data, rng)]) * rng.choice([1, 3])


def drop_chunk(data: bytearray, rng: random.Random) -> None:
    del data[_chunk(data, rng)]


def insert_noise(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data))
    data[at:at] = rng.randbytes(rng.choice([1, 16, 999]))


MUTATIONS = (flip_bits, truncate, damage_header, change_length, swap_chunks, repeat_chunk, drop_chunk, insert_noise)


def make_input(folder: Path, mutants: int, seed: int, more: Path | None) -> dict[str, np.ndarray]:
    """Writes source and mutated videos and labels.csv; returns class -> pattern. Videos of `more` have no pattern."""
    rng, rows, shown = random.Random(seed), [], {}
    sources: list[Path] = []
    for (name, kind), pattern in zip(KINDS.items(), patterns(len(KINDS))):
        label = name.replace(".", "-")
        (folder / label).mkdir(parents=True)
        for step in (3, 4):
            path = folder / label / f"whole{step}-{name}"
            write_source(path, pattern, step, *kind)
            rows.append((path, label))
        shown[label] = pattern
        sources.append(path)
    for path in sorted(more.iterdir()) if more else ():
        if path.is_file() and path.stat().st_size:
            sources.append(path)
    for number in range(mutants):
        source, mutate = sources[number % len(sources)], MUTATIONS[rng.randrange(len(MUTATIONS))]
        data = bytearray(source.read_bytes())
        mutate(data, rng)
        label = source.parent.name if source.parent.name in shown else "other"
        path = folder / label / f"{number:05d}-{mutate.__name__}{source.suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        rows.append((path, label))
    with open(folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *((path.relative_to(folder), label) for path, label in rows)])
    return shown


def strangers(records: Path, shown: dict[str, np.ndarray]) -> tuple[list[str], int, int]:
    """(videos that show another class's pattern, frames looked at, frames that show their own)."""
    import tensorflow as tf
    from PIL import Image

    found, looked, own = [], 0, 0
    names = list(shown)
    known = np.array([shown[name] for name in names], float) / GRID
    for raw in tf.data.TFRecordDataset(sorted(str(path) for path in records.glob("Split-*/*"))).as_numpy_iterator():
        feature = tf.train.Example.FromString(raw).features.feature
        label, source = (feature[key].bytes_list.value[0].decode() for key in ("label_text", "source"))
        assert source.split("/")[0] == label, f"{source} is stored as {label}"
        for jpeg in feature["jpeg"].bytes_list.value:
            cells = np.asarray(Image.open(io.BytesIO(jpeg)).convert("L").resize((GRID, GRID), Image.BOX), float).ravel()
            cells -= cells.mean()
            alike = known @ cells / max(np.linalg.norm(cells), 1e-9)
            seen = {name for name, value in zip(names, alike) if value > ALIKE}
            looked, own = looked + 1, own + (label in seen)
            if seen - {label}:
                found.append(f"{source} shows {', '.join(seen - {label})}")
    return found, looked, own


def fuzz(mutants: int, seed: int, more: Path | None = None, timeout: float = 30.0) -> dict:
    """Makes mutants, ingests them, checks; what was found. An ingestion that raises is passed on."""
    with tempfile.TemporaryDirectory() as folder:
        videos, records = Path(folder, "videos"), Path(folder, "records")
        shown = make_input(videos, mutants, seed, more)
        started = time.monotonic()
        manifest = ingest_folder(
            IngestSettings(
                videos=str(videos), labels=str(videos / "labels.csv"), max_reject_share=1.0, short_side=64, timeout=timeout,
                copies="keep", ratios=(1, 0, 0),
            ),
            str(records),
        )  # fmt: skip
        seconds = time.monotonic() - started
        lines = [json.loads(line) for line in (records / "videos.jsonl").read_text().splitlines()]
        listed = Counter(line["source"] for line in lines)
        files = {path.relative_to(videos).as_posix() for path in videos.rglob("*") if path.is_file()} - {"labels.csv"}
        wrong, looked, own = strangers(records, shown)
        mutated = [Path(line["source"]).stem for line in lines if line["accepted"] and "whole" not in line["source"]]
        taken = Counter(name.split("-", 1)[1] for name in mutated)
        return {
            "mutants": mutants, "seed": seed, "videos": len(files), "accepted": manifest.accepted,
            "rejected": manifest.rejected, "reasons": manifest.reject_reasons,
            "unaccounted": sorted(files ^ set(listed)) + [name for name, times in listed.items() if times > 1],
            "miscounted": manifest.accepted + manifest.rejected - len(files),
            "accepted_by_mutation": dict(sorted(taken.items())), "frames": looked, "frames_of_own_pattern": own,
            "frames_of_another": wrong, "seconds": round(seconds, 1),
            "details": {line["source"]: line["detail"] for line in lines if line["reason"] in ("crashed", "timeout")},
        }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", type=Path, help="folder of further videos to mutate")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds a video may take")
    args = parser.parse_args()
    found = fuzz(args.mutants, args.seed, args.more, args.timeout)
    print(json.dumps(found, indent=1))
    return bool(found["unaccounted"] or found["miscounted"] or found["frames_of_another"])


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main())
