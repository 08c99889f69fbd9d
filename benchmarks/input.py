"""Clips of XS from 10-second videos: ours from records, the seed's way from the same records, and readers of MP4 files.

All read with two threads, from files that the operating system has in memory. The videos are made on the spot.
"""

from __future__ import annotations

import os
from functools import partial

from benchmarks.harness import PEER_PYTHON, ROOT, Case, Contender, Target

DATA = ROOT / "runs" / "benchmarks" / "data"
VIDEO = {"seconds": 10, "fps": 30, "width": 340, "height": 256}
THREADS = 2
READERS, SEED = "MP4 readers", "the seed's way"


def folder_of(keyframes: int | None) -> str:
    return str(DATA / f"keyframes_{keyframes or 'x264'}")


def prepare(keyframes: int | None) -> None:
    """Makes the videos and ingests them, unless that is done."""
    from benchmarks.videos import make_labelled
    from components.ingestion.ingest import ingest_folder
    from components.ingestion.settings import IngestSettings

    folder = folder_of(keyframes)
    if not os.path.exists(os.path.join(folder, "records", "manifest.json")):
        labels = make_labelled(DATA / folder / "videos", 16, 4, keyframes=keyframes, **VIDEO)
        ingest_folder(IngestSettings(videos=str(labels.parent), labels=str(labels), short_side=VIDEO["height"]),
                      os.path.join(folder, "records"))


def _case(name: str, title: str, keyframes: int | None, mode: str, targets, *, seed: bool) -> Case:
    folder = folder_of(keyframes)
    shared = {"mode": mode, "threads": THREADS}
    records = shared | {"records": os.path.join(folder, "records")}
    videos = shared | {"videos": os.path.join(folder, "videos")}
    contenders = [Contender("ours", "benchmarks.input_ours", records | {"way": "ours", "unmeasured": 1})]
    if mode == "train":
        contenders += [Contender(f"ours, without the index: {name}", "benchmarks.input_ours",
                                 records | {"way": way, "unmeasured": 1})
                       for way, name in (("memory", "records in memory"), ("whole", "records read for every clip"))]
    if seed:
        contenders.append(Contender(SEED, "benchmarks.input_ours",
                                    records | {"way": "seed", "warmup": 0, "unmeasured": 3}, group=SEED))
    contenders.append(Contender("PyAV", "benchmarks.input_mp4", videos | {"reader": "pyav"}, group=READERS))
    contenders += [Contender(reader, "benchmarks.input_mp4", videos | {"reader": reader}, PEER_PYTHON, READERS)
                   for reader in ("decord", "torchcodec")]
    return Case(name, f"{title}, 10 s of 340x256 at 30 frames/s, {THREADS} threads", contenders, targets,
                "video" if mode == "views" else "clip", prepare=partial(prepare, keyframes))


_TWICE = Target(READERS, at_least=2)
CASES = (
    _case("input-train", "training clips of XS (4x12, 160 pixels)", None, "train",
          (Target(SEED, at_least=20), _TWICE), seed=True),
    _case("input-train-keys", "training clips of XS, a keyframe a second", VIDEO["fps"], "train", (_TWICE,),
          seed=False),
    _case("input-views", "10 views of XS (4x12, 160 pixels)", None, "views", (), seed=False),
)
