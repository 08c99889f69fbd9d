"""The ingestion from end to end, without TFX."""

import json

import av
import pytest

from components.ingestion import ingest as ingestion
from components.ingestion.ingest import ingest_folder, make_plan
from components.ingestion.settings import IngestSettings
from expansion.data.manifest import read_manifest
from expansion.data.records import SCALARS
from expansion.foundation.errors import InputError
from tests.components.ingestion.videos import class_folders, write_video

IN_MEMORY = ("--runner=DirectRunner", "--direct_running_mode=in_memory")


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows(folder):
    return [json.loads(line) for line in (folder / "videos.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return class_folders(tmp_path_factory.mktemp("videos"), each=6)


@pytest.mark.slow
def test_everything_is_stored_once_and_the_same_with_threads(folders, tmp_path):
    settings = IngestSettings(videos=str(folders), short_side=32)
    told = []
    manifest = ingest_folder(settings, str(tmp_path / "a"), IN_MEMORY, progress=lambda done, of: told.append((done, of)))
    ingest_folder(settings, str(tmp_path / "b"))
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert told[-1] == (12, 12)
    assert manifest == read_manifest(str(tmp_path / "a"))
    assert manifest.accepted == 12 and manifest.rejected == 0 and manifest.classes == ["jump", "run"]
    assert manifest.short_side == 32 and sum(split.videos for split in manifest.splits.values()) == 12
    assert all(split.min_frames == split.max_frames == 6 for split in manifest.splits.values())
    assert all(manifest.splits[name].per_class[label] for name in ("train", "val") for label in manifest.classes)


@pytest.mark.slow
def test_tensorflow_reads_the_records(folders, tmp_path):
    tf = pytest.importorskip("tensorflow")
    manifest = ingest_folder(IngestSettings(videos=str(folders), short_side=24, fps=5), str(tmp_path), IN_MEMORY)
    found = []
    for split in manifest.splits:
        for raw in tf.data.TFRecordDataset([str(path) for path in (tmp_path / f"Split-{split}").iterdir()]):
            feature = tf.train.Example.FromString(raw.numpy()).features.feature
            assert set(feature) == {"jpeg", *SCALARS}
            source = feature["source"].bytes_list.value[0].decode()
            text = feature["label_text"].bytes_list.value[0].decode()
            assert source.startswith(text + "/") and manifest.classes[feature["label"].int64_list.value[0]] == text
            assert feature["frames"].int64_list.value[0] == len(feature["jpeg"].bytes_list.value) == 3
            assert feature["fps"].float_list.value[0] == 5
            shape = tf.io.decode_jpeg(feature["jpeg"].bytes_list.value[0]).shape
            assert tuple(shape) == (24, feature["width"].int64_list.value[0], 3)
            found.append(source)
    assert sorted(found) == sorted(row["source"] for row in rows(tmp_path)) and len(found) == 12


@pytest.mark.slow
def test_the_same_input_is_not_ingested_again(folders, tmp_path, monkeypatch):
    settings = IngestSettings(videos=str(folders), short_side=32)
    first = ingest_folder(settings, str(tmp_path), IN_MEMORY)
    with monkeypatch.context() as patched:
        patched.setattr(ingestion, "run", lambda *_: pytest.fail("ran again"))
        assert ingest_folder(settings, str(tmp_path), IN_MEMORY) == first
    shard = tmp_path / next(iter(first.files))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert ingest_folder(settings, str(tmp_path), IN_MEMORY) == first
    other = ingest_folder(IngestSettings(videos=str(folders), short_side=16), str(tmp_path), IN_MEMORY)
    assert other.short_side == 16 and set(files(tmp_path)) == {*other.files, "manifest.json", "videos.jsonl"}


@pytest.mark.slow
def test_a_stopped_run_resumes(folders, tmp_path, monkeypatch):
    from components.ingestion.encode import Encoder

    settings = IngestSettings(videos=str(folders), short_side=32)
    ingest_folder(settings, str(tmp_path / "whole"), IN_MEMORY)
    encode, done = Encoder.encode, []

    def failing(self, entry, label):
        if len(done) == 6:
            raise ArithmeticError("stopped here")
        done.append(entry.source)
        return encode(self, entry, label)

    monkeypatch.setattr(Encoder, "encode", failing)
    with pytest.raises(Exception, match="stopped here"):
        ingest_folder(settings, str(tmp_path / "cut"), IN_MEMORY)
    assert not (tmp_path / "cut" / "manifest.json").exists() and not list((tmp_path / "cut").glob("Split-*"))
    assert not list((tmp_path / "cut").rglob("*.unfinished"))

    again = []
    monkeypatch.setattr(Encoder, "encode", lambda self, entry, label: again.append(entry) or encode(self, entry, label))
    ingest_folder(settings, str(tmp_path / "cut"), IN_MEMORY)
    assert len(again) < 12, "a part has at most four videos, so one was finished and is not decoded again"
    assert files(tmp_path / "whole") == files(tmp_path / "cut")


def test_work_that_a_run_left_when_it_was_killed_at_its_very_end_is_removed(folders, tmp_path, monkeypatch):
    settings = IngestSettings(videos=str(folders), short_side=32)
    with monkeypatch.context() as killed:
        killed.setattr(ingestion, "_remove_work", lambda *folders: None)
        first = ingest_folder(settings, str(tmp_path), IN_MEMORY)
    assert list((tmp_path / "_parts").rglob("*.frames"))
    assert ingest_folder(settings, str(tmp_path), IN_MEMORY) == first
    assert not (tmp_path / "_parts").exists()


def test_rejects_are_listed_counted_and_limited(tmp_path):
    root = class_folders(tmp_path / "videos", each=5)
    (root / "jump" / "0.mp4").write_bytes(b"")
    (root / "loose.mp4").write_bytes(b"")
    (root / "run" / "copy.mp4").write_bytes((root / "run" / "1.mp4").read_bytes())
    with pytest.raises(InputError, match=r"1 of 10 videos were rejected \(10%, max_reject_share is 5%\): jump/0.mp4: empty"):
        ingest_folder(IngestSettings(videos=str(root), max_reject_share=0.05), str(tmp_path / "out"), IN_MEMORY)
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert {row["source"]: row["reason"] for row in rows(tmp_path / "out") if not row["accepted"]} == {
        "jump/0.mp4": "empty", "loose.mp4": "no_label", "run/copy.mp4": "duplicate"
    }  # fmt: skip
    manifest = ingest_folder(IngestSettings(videos=str(root)), str(tmp_path / "out"), IN_MEMORY)
    assert manifest.accepted == 9 and manifest.reject_reasons == {"duplicate": 1, "empty": 1, "no_label": 1}


def test_endings_that_few_know_are_classes_and_the_rest_is_counted(tmp_path):
    root = tmp_path / "videos"
    for at, (name, form) in enumerate((("fall/{}.h264", "h264"), ("wave/{}.divx", "avi"), ("clap/{}", "3gp"))):
        for number in range(2):
            path = write_video(root / "made.mp4", 4 + 2 * at + number, codec="libx264" if form == "h264" else "mpeg4")
            target = root / name.format(number)
            target.parent.mkdir(exist_ok=True)
            with av.open(str(path)) as source, av.open(str(target), "w", format=form) as out:
                stream = out.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.dts is not None:
                        packet.stream = stream
                        out.mux(packet)
            path.unlink()
    (root / "sit").mkdir()
    for at in range(3):
        (root / "sit" / f"{at}.jpg").write_bytes(b"")
    (root / "read.me").write_text("hello")
    manifest = ingest_folder(IngestSettings(videos=str(root)), str(tmp_path / "out"), IN_MEMORY)
    assert manifest.classes == ["clap", "fall", "wave"] and manifest.accepted == 6
    assert manifest.reject_reasons == {"not_video": 1, "pictures": 1} and manifest.rejected == 2
    assert manifest.notes == ["folder without a video: 'sit'"] == read_manifest(str(tmp_path / "out")).notes
    assert {row["source"]: row["reason"] for row in rows(tmp_path / "out") if not row["accepted"]} == {
        "read.me": "not_video", "sit/": "pictures"}


def test_nothing_left(tmp_path):
    root = class_folders(tmp_path / "videos")
    settings = {"videos": str(root), "max_reject_share": 1.0}
    with pytest.raises(InputError, match="all 8 videos were rejected"):
        ingest_folder(IngestSettings(**settings, min_frames=99), str(tmp_path / "out"), IN_MEMORY)
    for number in range(4):
        (root / "run" / f"{number}.mp4").write_bytes(b"x" * (number + 1))
    with pytest.raises(InputError, match="class without a training video after 4 rejects: 'run'"):
        ingest_folder(IngestSettings(**settings), str(tmp_path / "out"), IN_MEMORY)


def test_a_label_without_a_video(tmp_path):
    root = class_folders(tmp_path / "videos")
    (root / "l.csv").write_text("path,label\n" + "".join(f"jump/{i}.mp4,jump\nrun/{i}.mp4,run\n" for i in range(5)))
    settings = {"videos": str(root), "labels": str(root / "l.csv")}
    with pytest.raises(InputError, match="label without a video: 'jump/4.mp4', 'run/4.mp4' not found"):
        make_plan(IngestSettings(**settings))
    (root / "l.csv").write_text("path,label\n" + "".join(f"videos/jump/{i}.mp4,jump\nrun/{i}.mp4,run\n" for i in range(4)))
    with pytest.raises(InputError, match="label without a video: 'videos/jump/0.mp4'.*; 'videos/jump/0.mp4': is it 'jump/0.mp4'"):
        make_plan(IngestSettings(**settings))
    (root / "l.csv").write_text("path,label\n" + "".join(f"jump/{i}.mp4,jump\nrun/{i}.mp4,run\n" for i in range(5)))
    manifest = ingest_folder(IngestSettings(**settings, missing="reject"), str(tmp_path / "out"), IN_MEMORY)
    assert manifest.accepted == 8 and manifest.reject_reasons == {"missing": 2}


def test_names_with_dashes_and_other_letters(tmp_path):
    for at, label in enumerate(("-läuft", "跳 hoch")):
        for number in range(2):
            write_video(tmp_path / "v" / label / f"-{label} {number}.mp4", 4 + 2 * at + number)
    manifest = ingest_folder(IngestSettings(videos=str(tmp_path / "v")), str(tmp_path / "out"), IN_MEMORY)
    assert manifest.accepted == 4 and manifest.classes == ["-läuft", "跳 hoch"]


def test_shards_have_about_the_wanted_size():
    from components.ingestion.beam import Part
    from components.ingestion.entries import Entry
    from components.ingestion.plan import Plan

    entry = Entry("", "", "a", "train", None, None, None, "")
    parts = tuple(Part(f"p{i}", (entry,), (0,)) for i in range(20))
    plan = Plan(parts, ("a",), (), "")
    shards = ingestion._shards(plan, {part.name: {"bytes": 10} for part in parts}, "w", "o", 50)
    assert [shard.path for shard in shards] == [f"o/Split-train/data_tfrecord-{i:05d}-of-00004" for i in range(4)]
    assert [len(shard.parts) for shard in shards] == [5, 5, 5, 5]
