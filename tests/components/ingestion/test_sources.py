"""What an input comes to: files found, labels read, and everything accounted for."""

import csv
import io
import os
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingestion.files_found import begins_as_video, find_files
from components.ingestion.label_forms import read_rows
from components.ingestion.names import Names, inside
from components.ingestion.settings import IngestSettings
from components.ingestion.sources import read_sources
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from tests.components.ingestion.listings import listed, seen, touch


def rows(data, files=(), form="auto"):
    return read_rows(data.encode(), "k.csv", Names("/v", files), form)[0]


def test_csv_with_all_columns():
    text = 'path,label,split,group,start,end\n"a, b.mp4",run,VALID,g1,,\nc.mp4, jump ,,,1.5,3\n'
    one, two = rows(text, ["a, b.mp4", "c.mp4"])
    assert (one.source, one.label_text, one.split, one.group) == ("a, b.mp4", "run", "val", "g1")
    assert (two.label_text, two.start, two.end, two.video_id) == ("jump", 1.5, 3.0, "c.mp4#1.5-3")
    three, = rows("path;label;start;end\nc.mp4;jump;1,5;3\n", ["c.mp4"])
    assert (three.start, three.end) == (1.5, 3.0)


def test_kinetics_finds_cut_and_whole_files():
    files = ["run/abcdefghijk_000001_000011.mp4", "zzzzzzzzzzz.webm"]
    first, second, third = rows("label,youtube_id,time_start,time_end,split,is_cc\nrun,abcdefghijk,1,11,train,0\n"
                                "jump up,zzzzzzzzzzz,5,15,validate,0\nrun,-ot_there_0,0,10,train,0\n", files)
    assert (first.source, first.start) == (files[0], None)
    assert (first.video_id, first.group) == ("abcdefghijk_000001_000011", "abcdefghijk")
    assert (second.source, second.start, second.end, second.split) == (files[1], 5.0, 15.0, "val")
    assert third.missing and third.source == "-ot_there_0_000000_000010.mp4"


def test_inside_takes_an_absolute_path_of_the_root(tmp_path):
    assert inside(str(tmp_path), str(tmp_path / "a" / "b.mp4"), "l") == "a/b.mp4"
    assert inside(str(tmp_path), "x/../y.mp4", "l") == "y.mp4"


def test_a_folder_of_videos_is_listed_without_hidden_files(tmp_path):
    touch(tmp_path, "b/ü -1.MP4", "a.mkv", ".hidden.mp4", ".git/x.mp4", "notes.txt", "-dash.webm")
    found = find_files(str(tmp_path))
    assert found.videos == ("-dash.webm", "a.mkv", "b/ü -1.MP4")
    assert [(one.source, one.reason) for one in found.others] == [("notes.txt", "not_video")]
    assert found.notes == ("hidden, passed over: '.git/', '.hidden.mp4'",)


def test_missing_folder_and_label_file(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_sources(IngestSettings(videos=str(tmp_path / "no")))
    with pytest.raises(InputError, match="label file .* does not exist"):
        read_sources(IngestSettings(videos=str(tmp_path), labels=str(tmp_path / "no.csv")))
    with pytest.raises(InputError, match="no videos in class folders"):
        read_sources(IngestSettings(videos=str(tmp_path)))


def test_labels_by_split(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "train.txt").write_text("\ufeffa.mp4 0\r\n")
    (tmp_path / "val.txt").write_text("b.mp4 1\n")
    labels = {"train": str(tmp_path / "train.txt"), "val": str(tmp_path / "val.txt")}
    listing = read_sources(IngestSettings(videos=str(tmp_path), labels=labels))
    assert seen(listing) == [("a.mp4", "0", "train", None), ("b.mp4", "1", "val", None)]


def test_settings_refuse_what_cannot_be():
    for values, message in [
        ({"videos": "v", "short_sde": 3}, "ingest: unknown key 'short_sde'; allowed are .*, videos, labels"),
        ({"videos": "v", "short_side": 3}, "ingest: short_side is 3: .*16"),
        ({"videos": "v", "format": "csv"}, "needs labels"),
        ({"videos": "v", "labels": "l", "format": "splits"}, "format 'splits' takes the labels from the folders"),
        ({"videos": "v", "ratios": [0, 1, 1]}, "ratios is .*: must be three shares"),
        ({"videos": "v", "fps": float("inf")}, "fps"),
        ({}, "videos"),
    ]:
        with pytest.raises(InputError, match=message):
            parse_settings(IngestSettings, values, "ingest")


@given(st.text(max_size=30))
def test_no_path_leaves_its_folder(path):
    try:
        found = inside("/some/videos", path, "l")
    except InputError:
        return
    assert found and not found.startswith("/") and ".." not in found.split("/")


labels = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Z", "Cn")), min_size=1, max_size=12)
ids = st.text("abcXYZ09_-", min_size=11, max_size=11)


@given(st.lists(st.tuples(labels, ids, st.integers(0, 999)), max_size=8), st.booleans())
def test_kinetics_gives_back_what_was_written(found, cut):
    found = list({row[1]: row for row in found}.values())
    files = [f"{video}_{start:06d}_{start + 10:06d}.mp4" if cut else f"{video}.webm" for _, video, start in found]
    text = io.StringIO()
    written = [(label, video, start, start + 10, "train") for label, video, start in found]
    csv.writer(text).writerows([("label", "youtube_id", "time_start", "time_end", "split"), *written])
    entries = rows(text.getvalue(), files)
    assert [(e.label_text, e.group, e.source, e.missing) for e in entries] == [
        (unicodedata.normalize("NFC", label), video, file, False) for (label, video, _), file in zip(found, files)
    ]
    assert [(e.start, e.end) for e in entries] == [(None, None) if cut else (float(s), s + 10.0) for _, _, s in found]


MP4, MKV, TS = b"\0\0\0\x20ftypisom", b"\x1aE\xdf\xa3" + bytes(9), (b"G" + bytes(187)) * 3
AVI, H264, MPEG = b"RIFF1234AVI LIST", b"\0\0\0\1\x67\x64\0", b"\0\0\1\xba\x44"


@pytest.mark.parametrize("content", [MP4, MKV, TS, AVI, H264, MPEG, b"GIF89a", b"OggS" + bytes(24) + b"\x80theora", b"FLV\1"])
@pytest.mark.parametrize("name", ["clip", "clip.part", "clip.2024-05-01"])
def test_a_video_of_another_ending_or_none_is_taken(tmp_path, content, name):
    touch(tmp_path, f"walk/{name}", content=content)
    assert begins_as_video(str(tmp_path / "walk" / name)) and find_files(str(tmp_path)).videos == (f"walk/{name}",)


@pytest.mark.parametrize("content", [b"", b"text", b"%PDF-1.7", b"\x89PNG\r\n", b"PK\3\4", b"RIFF1234WAVE", b"GG", b"ID3\3",
                                     b"OggS" + bytes(24) + b"\x01vorbis", b"\0\0\0\x18ftypM4A ", b"\0\0\0\x18ftypheic"])
def test_what_is_no_video_is_named_with_a_reason(tmp_path, content):
    touch(tmp_path, "walk/0.mp4", "walk/strange", content=content)
    listing = listed(tmp_path)
    assert [(one.source, one.reason) for one in listing.unused] == [("walk/strange", "not_video")]


def test_sound_photos_and_previews_beside_videos_are_no_rejects(tmp_path):
    touch(tmp_path, "walk/0.mp4", "walk/0.m4a", "walk/0.LRV", "walk/0.ogg", content=MP4)
    touch(tmp_path, "walk/0.heic", "walk/0.THM", content=MP4)
    listing = listed(tmp_path)
    assert [one.source for one in listing.entries] == ["walk/0.mp4"]
    assert [(one.source, one.reason) for one in listing.unused] == [
        ("walk/", "pictures"), ("walk/0.LRV", "not_video"), ("walk/0.m4a", "not_video"), ("walk/0.ogg", "not_video")]


def test_no_class_vanishes_without_a_word(tmp_path):
    """Endings that few know, frames as pictures, text: each is taken, or stands there with a reason and in a note."""
    touch(tmp_path, "walk/0.mp4", "fall/0.h264", "wave/0.divx", "clap/0.3g2", "old/0.MPE")
    touch(tmp_path, *(f"sit/clip 1/{at:05d}.jpg" for at in range(7)), "sit/clip 2/1.png", "notes/readme.txt", "read.me")
    (tmp_path / "empty").mkdir()
    listing = listed(tmp_path)
    assert {one.label_text for one in listing.entries} == {"walk", "fall", "wave", "clap", "old"}
    assert [(one.source, one.reason) for one in listing.unused] == [
        ("empty/", "empty_folder"), ("notes/readme.txt", "not_video"), ("read.me", "not_video"), ("sit/clip 1/", "pictures"),
        ("sit/clip 2/", "pictures")]
    assert "7 pictures (.jpg), not a video" in listing.unused[3].detail and "ffmpeg" in listing.unused[3].detail
    assert listing.notes == ("folder without a video: 'empty', 'notes', 'sit'",)


def test_a_class_without_a_video_in_a_split_is_named(tmp_path):
    touch(tmp_path, "train/fall/0.mp4", "train/walk/0.mp4", "val/fall/0.mp4", "val/walk/0.rar", "1.jpg", "test/fall/a/1.txt")
    (tmp_path / "train" / "sit").mkdir()
    assert listed(tmp_path).notes == ("folder without a video: 'test', 'train/sit', 'val/walk'",)


def test_a_folder_of_pictures_alone_is_refused_with_what_was_found(tmp_path):
    touch(tmp_path, "fall/clip/1.jpg", "walk/clip/1.jpg")
    with pytest.raises(InputError, match="no videos in class folders .*; found are 'fall/clip/': 1 pictures .*, and 1 more"):
        listed(tmp_path)
    with pytest.raises(InputError, match="no videos under .*; found are 'fall/clip/': 1 pictures"):
        listed(tmp_path, "path,label\nfall/clip.mp4,fall\n")


def test_a_folder_without_rights_is_named_and_a_pipe_is_not_opened(tmp_path, monkeypatch):
    touch(tmp_path, "walk/0.mp4", "shut/0.mp4")
    os.mkfifo(tmp_path / "walk" / "pipe")
    scan = os.scandir

    def without_rights(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", without_rights)
    shut, pipe = find_files(str(tmp_path)).others
    assert (shut.source, shut.reason, shut.detail) == ("shut/", "unreadable", "Permission denied")
    assert (pipe.source, pipe.reason) == ("walk/pipe", "not_video") and "first bytes are none of a video" in pipe.detail


def test_files_beside_the_labels_are_accounted_for(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4", "c.mp4", "notes.txt", "1/1.jpg")
    listing = listed(tmp_path, "path,label\na.mp4,run\nb.mp4,walk\n")
    assert [(one.source, one.reason) for one in listing.unused] == [
        ("c.mp4", "no_label"), ("1/", "pictures"), ("notes.txt", "not_video")]
    assert listing.label_files == (str(tmp_path / "labels.csv"),)
    assert listing.notes == ("labels.csv: UTF-8, columns separated by commas, header path, label",)


def test_a_label_may_name_what_does_not_look_like_a_video(tmp_path):
    touch(tmp_path, "a.bin", "b.mp4", content=b"?")
    listing = listed(tmp_path, "path,label\na.bin,run\nb.mp4,walk\n")
    assert [one.missing for one in listing.entries] == [False, False] and not listing.unused


def test_a_linked_folder_and_its_real_place(tmp_path):
    touch(tmp_path, "disk/fall/0.mp4", "disk/walk/0.mp4")
    (tmp_path / "link").symlink_to("disk")
    (tmp_path / "l.csv").write_text(f"path,label\n{tmp_path}/disk/fall/0.mp4,fall\n{tmp_path}/link/walk/0.mp4,walk\n")
    listing = read_sources(IngestSettings(videos=str(tmp_path / "link"), labels=str(tmp_path / "l.csv")))
    assert [(one.source, one.missing) for one in listing.entries] == [("fall/0.mp4", False), ("walk/0.mp4", False)]
    touch(tmp_path, "other/fall/1.mp4")
    (tmp_path / "l.csv").write_text(f"path,label\n{tmp_path}/other/fall/1.mp4,fall\n")
    with pytest.raises(InputError, match="leaves the folder of videos"):
        read_sources(IngestSettings(videos=str(tmp_path / "link"), labels=str(tmp_path / "l.csv")))


def test_unicode_forms_are_one_name_for_files_and_classes(tmp_path):
    one, other = (unicodedata.normalize(form, "läuft") for form in ("NFC", "NFD"))
    touch(tmp_path, f"{other} 0.mp4", f"{other} 1.mp4")
    listing = listed(tmp_path, f"path,label\n{one} 0.mp4,{one}\n{one} 1.mp4,{other}\n")
    assert {(entry.label_text, entry.missing) for entry in listing.entries} == {(one, False)} and not listing.unused
    assert "2 in another Unicode form" in listing.notes[1]


def test_classes_that_differ_in_case_are_kept_apart_and_said(tmp_path):
    touch(tmp_path, "Walk/0.mp4", "walk/1.mp4", "sit/2.mp4")
    assert listed(tmp_path).notes == ("classes that differ in case or spaces alone are kept apart: 'Walk', 'walk'",)


def test_what_is_missing_is_told_with_what_nearly_fits(tmp_path):
    touch(tmp_path, "fall/0.mp4", "34870/1.jpg")
    listing = listed(tmp_path, "path,label\nvideos/fall/0.mp4,fall\n34870,swipe\n")
    assert [entry.missing for entry in listing.entries] == [True, True]
    assert listing.nearest("videos/fall/0.mp4") == "is it 'fall/0.mp4'?"
    assert listing.nearest("34870").startswith("it is a folder of 1 pictures")


WAYS = {
    "as is": str, "backslashes": lambda path: path.replace("/", "\\"), "upper": str.upper,
    "decomposed": lambda path: unicodedata.normalize("NFD", path), "drive": lambda path: "D:\\set\\" + path.replace("/", "\\"),
    "bare": lambda path: path.rsplit(".", 1)[0],
}  # fmt: skip
FORMS = {
    "csv": ("path,label\n", "{p},{l}\n"), "semicolons": ("path;label\r\n", "{p};{l}\r\n"), "no header": ("", "{p},{l}\n"),
    "index": (",path,label\n", "{n},{p},{l}\n"), "tabs": ("# by hand\n", "{l}\t{p}\n"), "text": ("", "{p} {l}\n"),
}  # fmt: skip
kept = st.sampled_from(["walk/0.mp4", "walk/1.avi", "läuft/b 2.mkv", "3.webm", "sit/deep/4.h264"])
beside = st.sampled_from([
    "5.mp4", "walk/6.mov", "notes.txt", "walk/frames/1.jpg", "walk/frames/2.jpg", "clip/7.png", "read.me", "8.xyz"])


@settings(max_examples=40)
@given(st.lists(kept, min_size=2, unique=True), st.lists(beside, unique=True), st.sampled_from(sorted(WAYS)),
       st.sampled_from(sorted(FORMS)), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.booleans())
def test_every_file_is_accounted_for_in_every_form(tmp_path_factory, labelled, others, way, form, encoding, inside_of_it):
    root = tmp_path_factory.mktemp("set")
    touch(root, "videos/9.mp4", *(f"videos/{name}" for name in (*labelled, *others)))
    classes = [f"class {at}" if form != "text" else "ab"[at % 2] for at in range(len(labelled))]
    head, line = FORMS[form]
    rows = enumerate(zip(labelled, classes))
    text = head + "".join(line.format(p=WAYS[way](name), l=label, n=at) for at, (name, label) in rows)
    path = root / ("videos/labels.csv" if inside_of_it else "labels.csv")
    path.write_bytes(text.encode(encoding))
    listing = read_sources(IngestSettings(videos=str(root / "videos"), labels=str(path)))
    assert [(one.source, one.label_text, one.missing) for one in listing.entries] == [
        (name, label, False) for name, label in zip(labelled, classes)], "no class and no row is lost"
    pictures = {f"{name.rsplit('/', 1)[0]}/" for name in others if name.endswith((".jpg", ".png"))}
    plain = {name for name in others if not name.endswith((".jpg", ".png"))}
    assert {one.source for one in listing.unused} == pictures | plain | {"9.mp4"}
    assert len(listing.unused) == len({one.source for one in listing.unused}) and all(one.detail for one in listing.unused)
    assert listing.notes and all("\n" not in note for note in listing.notes)
