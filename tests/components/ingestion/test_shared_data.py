"""Real files that ingestion meets in the wild; left out where the developers' data is not there."""

import csv
import json
import os

import pytest

from components.ingestion.ingest import ingest_folder, make_plan
from components.ingestion.settings import IngestSettings


@pytest.fixture(scope="module")
def odd(shared, tmp_path_factory):
    """(manifest, name -> line of videos.jsonl) of the odd files, all labelled by turns with two classes."""
    out = tmp_path_factory.mktemp("odd")
    folder = shared / "data" / "odd"
    with open(out / "labels.csv", "w", newline="") as file:
        names = sorted(os.listdir(folder))
        csv.writer(file).writerows([("path", "label"), *((name, "ab"[at % 2]) for at, name in enumerate(names))])
    settings = IngestSettings(videos=str(folder), labels=str(out / "labels.csv"), max_reject_share=0.5, short_side=96)
    manifest = ingest_folder(settings, str(out / "data"))
    lines = [json.loads(line) for line in (out / "data" / "videos.jsonl").read_text().splitlines()]
    return manifest, {line["source"]: line for line in lines}


def test_all_are_accounted_for(odd):
    manifest, lines = odd
    assert len(lines) == 14 and manifest.accepted == 8
    assert manifest.reject_reasons == {"decode_error": 1, "empty": 1, "no_frames": 1, "no_video": 1, "too_small": 2}


@pytest.mark.parametrize(
    ("name", "reason", "detail"),
    [
        ("corrupted.mp4", "decode_error", "after 28 frames"),
        ("empty.webm", "empty", "0 bytes"),
        ("Mpeg4.mp4", "no_video", ""),
        ("webm.webm", "too_small", "8x8"),
        ("gif.gif", "no_frames", ""),
        ("-video-with-dash-.mp4", "too_small", "1x1"),
    ],
)
def test_rejected(odd, name, reason, detail):
    line = odd[1][name]
    assert line["reason"] == reason and detail in line["detail"]


@pytest.mark.parametrize(
    ("name", "frames", "fps", "size"),
    [
        ("video_90.mov", 3, 30, (96, 170)),
        ("no_duration.webm", 74, 14.984, (171, 96)),
        ("h265_video.mp4", 10, 10, (96, 96)),
        ("av1_video.mkv", 125, 25, (171, 96)),
        ("test.avi", 164, 25, (128, 96)),
        ("test_video.mp4", 13, 12, (40, 30)),
        ("video_with_failing_audio.mp4", 280, 25, (171, 96)),
        ("flipping_a_pancake.mkv", 310, 30, (170, 96)),
    ],
)
def test_accepted(odd, name, frames, fps, size):
    line = odd[1][name]
    assert line["frames"] == frames and line["fps"] == pytest.approx(fps, rel=1e-3)
    assert (line["width"], line["height"]) == size


def test_fights_keep_their_splits(shared):
    folder = shared / "data" / "fights"
    plan = make_plan(IngestSettings(videos=str(folder), labels=str(folder / "labels.csv")))
    count = {split: 0 for split in ("train", "val", "test")}
    for part in plan.parts:
        count[part.entries[0].split] += len(part.entries)
    assert count == {"train": 200, "val": 50, "test": 50} and plan.classes == ("fight", "noFight")
