"""What a folder of videos from the wild may hold: each is taken, or rejected with its reason, and none stops the rest."""

import json
import os
import subprocess

import av
import numpy as np
import pytest

from components.ingestion import beam
from components.ingestion.ingest import ingest_folder, make_plan
from components.ingestion.settings import IngestSettings
from expansion.foundation import child_process, files
from expansion.foundation.errors import InputError
from expansion.video.decode import TS_PACKETS, Rejected
from expansion.video.frames import store
from tests.components.ingestion.videos import class_folders, grey, write_video

IN_MEMORY = ("--runner=DirectRunner", "--direct_running_mode=in_memory")
NOISE = np.random.default_rng(0).integers(0, 255, (24, 48, 64, 3), dtype=np.uint8)


def settings(**kwargs):
    return IngestSettings(**{"videos": "v", "short_side": 32, **kwargs})


def reason(path, **kwargs):
    with pytest.raises(Rejected) as rejected:
        store(str(path), settings(**kwargs))
    return rejected.value.code


def fates(folder):
    lines = [json.loads(line) for line in (folder / "videos.jsonl").read_text().splitlines()]
    return {line["source"]: line["reason"] for line in lines}


@pytest.mark.parametrize(
    ("name", "codec", "more"),
    [
        ("a.mkv", "mpeg4", {}),
        ("live.mkv", "libx264", {"options": {"live": "1"}}),  # no duration anywhere, clusters of unknown size
        ("live.webm", "libvpx", {"options": {"live": "1"}}),
        ("a.avi", "mpeg4", {}),
        ("a.flv", "flv1", {}),
        ("a.ts", "libx264", {}),
        ("fragments.mp4", "libx264", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
        ("a.gif", "gif", {"pix_fmt": "rgb8"}),
        ("a.wmv", "wmv2", {}),
    ],
)
def test_truncated(tmp_path, name, codec, more):
    path = write_video(tmp_path / name, NOISE, codec=codec, **more)
    assert len(store(str(path), settings()).jpegs) == len(NOISE)
    data = path.read_bytes()
    for share in (0.3, 0.5, 0.8):
        cut = int(len(data) * share)
        while any(cut % size == 0 for size in TS_PACKETS):  # between two packets nothing is cut off
            cut -= 1
        path.write_bytes(data[:cut])
        assert reason(path) in ("truncated", "decode_error", "no_frames"), share


def test_zero_frames(tmp_path):
    for name in ("a.mkv", "a.avi", "a.mp4"):
        with av.open(str(tmp_path / name), "w") as out:
            stream = out.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
            out.start_encoding()
        assert reason(tmp_path / name) in ("no_frames", "no_video", "unreadable"), name


def test_a_name_with_the_wrong_ending_is_what_it_holds(tmp_path):
    path = write_video(tmp_path / "a.mkv", 5, codec="libvpx").rename(tmp_path / "a.mp4")
    assert len(store(str(path), settings()).jpegs) == 5
    (tmp_path / "b.mp4").write_bytes(store(str(path), settings()).jpegs[0])
    assert reason(tmp_path / "b.mp4") == "unreadable"


def test_one_pixel(tmp_path):
    assert reason(write_video(tmp_path / "a.mkv", grey(3, 1, 1), codec="ffv1", pix_fmt="yuv444p")) == "too_small"


def test_huge(tmp_path):
    assert reason(write_video(tmp_path / "wide.mkv", grey(1, 16, 9000), codec="ffv1")) == "too_big"
    path = write_video(tmp_path / "lies.avi", 3, codec="ffv1")
    data = path.read_bytes()
    sizes = (48).to_bytes(4, "little") + (32).to_bytes(4, "little")
    assert sizes in data
    path.write_bytes(data.replace(sizes, (60_000).to_bytes(4, "little") * 2))
    assert reason(path) in ("too_big", "decode_error")


def test_a_time_far_off_does_not_fill_the_disk(tmp_path):
    path = write_video(tmp_path / "a.mkv", 3, times=[0, 100, 2_000_000_000])
    assert reason(path, fps=1000, max_record_mb=1) == "too_long"


def test_no_right_to_read(tmp_path, as_nobody):
    path = write_video(tmp_path / "a.mp4", 3)
    path.chmod(0)
    with as_nobody():
        assert reason(path) == "unreadable"


def test_a_pipe_is_no_video(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    assert reason(tmp_path / "a.mp4") == "unreadable"


def test_a_name_that_is_not_utf8(tmp_path):
    root = class_folders(tmp_path / "videos")
    for label in ("jump", "run"):
        os.rename(root / label / "0.mp4", os.fsencode(root / label) + b"/\xff.mp4")
    assert ingest_folder(settings(videos=str(root)), str(tmp_path / "out"), IN_MEMORY).accepted == 8


def test_a_class_missing_in_val_is_named(tmp_path):
    root = class_folders(tmp_path / "videos", each=3)
    labels = tmp_path / "l.csv"
    rows = [f"{c}/{n}.mp4,{c},{'val' if (c, n) == ('run', 2) else 'train'}\n" for c in ("jump", "run") for n in range(3)]
    labels.write_text("path,label,split\n" + "".join(rows))
    manifest = ingest_folder(settings(videos=str(root), labels=str(labels)), str(tmp_path / "out"), IN_MEMORY)
    assert manifest.without_videos() == {"val": ["jump"]}
    labels.write_text("path,label,split\n" + "".join(rows[:3]).replace("train", "val") + "".join(rows[3:]))
    with pytest.raises(InputError, match="class without a training video: 'jump'"):
        make_plan(settings(videos=str(root), labels=str(labels)))


def test_links_stay_in_the_folder(tmp_path):
    root, labels = class_folders(tmp_path / "videos"), tmp_path / "l.csv"
    other = class_folders(tmp_path / "other")
    (root / "run" / "inside.mp4").symlink_to(root / "run" / "0.mp4")
    assert make_plan(settings(videos=str(root))).videos == 8, "the link is a copy of its target"
    (root / "run" / "out.mp4").symlink_to(write_video(other / "run" / "x.mp4", 8))
    with pytest.raises(InputError, match="link out of the folder of videos: 'run/out.mp4'; links='follow' allows it"):
        make_plan(settings(videos=str(root)))
    assert make_plan(settings(videos=str(root), links="follow")).videos == 9
    (root / "run" / "out.mp4").unlink()
    (root / "walk").symlink_to(class_folders(tmp_path / "third", classes=("walk",), height=16) / "walk")
    (root / "walk" / "again").symlink_to(root / "walk")
    labels.write_text("path,label\nwalk/0.mp4,a\nrun/0.mp4,a\n")
    for more in ({}, {"labels": str(labels)}):
        with pytest.raises(InputError, match="link out of the folder"):
            make_plan(settings(videos=str(root), **more))
    assert make_plan(settings(videos=str(root), links="follow", copies="keep")).videos >= 8


@pytest.mark.slow
def test_a_decoder_that_hangs_or_crashes_costs_its_file_only(tmp_path, monkeypatch):
    monkeypatch.setattr(beam, "ENCODER", "tests.components.ingestion.fakes:answer_or_fail")
    monkeypatch.setattr(child_process, "GRACE", 0.1)
    root = class_folders(tmp_path / "videos")
    for at, name in enumerate(("hang1", "crash1", "raise1")):
        write_video(root / "jump" / f"{name}.mp4", 7 + at)
    out = tmp_path / "out"
    manifest = ingest_folder(settings(videos=str(root), timeout=2, max_reject_share=0.5), str(out), IN_MEMORY)
    assert manifest.reject_reasons == {"crashed": 2, "timeout": 1} and manifest.accepted == 8
    found = fates(out)
    assert [found[f"jump/{name}.mp4"] for name in ("hang1", "crash1", "raise1")] == ["timeout", "crashed", "crashed"]


class Full:
    """A file on a disk with room for some bytes."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def write(self, data):
        if self._file.tell() + len(data) > self._room:
            self._file.write(bytes(data)[: self._room - self._file.tell()])
            raise OSError(28, "No space left on device")
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(settings, folder of their records)."""
    folder = tmp_path_factory.mktemp("undisturbed")
    wanted = settings(videos=str(class_folders(folder / "videos", each=3)))
    ingest_folder(wanted, str(folder / "out"), IN_MEMORY)
    return wanted, folder / "out"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tfrecord", "data_tfrecord", "manifest.json"])
def test_a_full_disk(undisturbed, tmp_path, monkeypatch, kind):
    (wanted, whole), out = undisturbed, tmp_path

    def creating(path, mode):
        name, file = os.path.basename(path), open(path, mode)
        shard = name.startswith("data_tfrecord")
        full = shard if kind == "data_tfrecord" else kind in name and not shard
        return Full(file, 100) if full and mode == "wb" else file

    with monkeypatch.context() as patched:
        patched.setattr(files, "open", creating, raising=False)
        with pytest.raises(InputError, match="^cannot write .*: No space left on device; what is finished is kept") as error:
            ingest_folder(wanted, str(out), IN_MEMORY)
    assert "\n" not in str(error.value)
    left = [path for path in out.rglob("*") if path.is_file()]
    assert not [path for path in left if path.name == "manifest.json" or "unfinished" in path.name]
    for path in out.glob("Split-*/*"):
        assert path.read_bytes() == (whole / path.relative_to(out)).read_bytes(), "a shard is whole or not there"
    ingest_folder(wanted, str(out), IN_MEMORY)
    for path in whole.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (out / path.relative_to(whole)).read_bytes()


def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        root = class_folders(tmp_path / "videos", codec="mpeg4")
        for number in range(8):
            write_video(root / "run" / f"noise{number}.mp4", NOISE + np.uint8(number))
        with pytest.raises(InputError, match="^cannot write .*No space left on device"):
            ingest_folder(settings(videos=str(root)), str(disk / "out"), IN_MEMORY)
        assert not list(disk.rglob("Split-*/*")) and not list(disk.rglob("*.unfinished"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
