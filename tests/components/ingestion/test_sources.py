"""What the parsers read, and what they refuse."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.settings import IngestSettings
from components.ingestion.sources import (
    SPLIT_NAMES,
    detect,
    inside,
    list_videos,
    parse_csv,
    parse_folders,
    parse_kinetics,
    parse_text,
    read_sources,
)
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def seen(listing):
    return [(e.source, e.label_text, e.split, e.group) for e in listing.entries]


def test_class_folders():
    listing = parse_folders("/v", ["a/1.mp4", "a/deep/2.mp4", "b/3.mp4", "loose.mp4"])
    assert seen(listing) == [("a/1.mp4", "a", None, None), ("a/deep/2.mp4", "a", None, None), ("b/3.mp4", "b", None, None)]
    assert listing.unlabelled == ("loose.mp4",)


def test_split_folders():
    listing = parse_folders("/v", ["Train/a/1.mp4", "validation/a/2.mp4", "test/b/3.mp4", "train/loose.mp4"])
    assert seen(listing) == [
        ("Train/a/1.mp4", "a", "train", None), ("validation/a/2.mp4", "a", "val", None), ("test/b/3.mp4", "b", "test", None)
    ]  # fmt: skip
    assert listing.unlabelled == ("train/loose.mp4",)


def test_one_folder_of_another_name_makes_all_of_them_classes():
    assert [e.label_text for e in parse_folders("/v", ["train/1.mp4", "plane/2.mp4"]).entries] == ["train", "plane"]


def test_csv_with_all_columns():
    lines = ["path,label,split,group,start,end", '"a, b.mp4",run,VALID,g1,,', "c.mp4, jump ,,,1.5,3"]
    listing = parse_csv("/v", ["a, b.mp4", "c.mp4", "d.mp4"], lines, "l.csv")
    assert seen(listing) == [("a, b.mp4", "run", "val", "g1"), ("c.mp4", "jump", None, None)]
    assert (listing.entries[1].start, listing.entries[1].end, listing.entries[1].video_id) == (1.5, 3.0, "c.mp4#1.5-3")
    assert listing.unlabelled == ("d.mp4",)


def test_text_takes_the_last_word_as_label():
    listing = parse_text("/v", [], ["my video 1.mp4 3", "", "-b.mp4 run"], "l.txt")
    assert seen(listing) == [("my video 1.mp4", "3", None, None), ("-b.mp4", "run", None, None)]
    assert all(entry.missing for entry in listing.entries)


def test_kinetics_finds_cut_and_whole_files():
    files = ["run/abcdefghijk_000001_000011.mp4", "zzzzzzzzzzz.webm"]
    lines = [
        "label,youtube_id,time_start,time_end,split,is_cc", "run,abcdefghijk,1,11,train,0", "jump up,zzzzzzzzzzz,5,15,validate,0",
        "run,-ot_there_0,0,10,train,0",
    ]  # fmt: skip
    first, second, third = parse_kinetics("/v", files, lines, "k.csv").entries
    assert (first.source, first.start) == (files[0], None)
    assert (first.video_id, first.group) == ("abcdefghijk_000001_000011", "abcdefghijk")
    assert (second.source, second.start, second.end, second.split) == (files[1], 5.0, 15.0, "val")
    assert third.missing and third.source == "-ot_there_0_000000_000010.mp4"


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ("path,label", "csv"), ("label,split,path", "csv"), ("label,youtube_id,time_start,time_end,split", "kinetics"),
        ("a.mp4 3", "text"), ("a, b.mp4 run", "text"),
    ],
)  # fmt: skip
def test_the_form_is_told_from_the_first_line(line, form):
    assert detect([line]) == form


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path,lable"], "lacks 'label'"),
        (["path,label,splt"], "unknown column 'splt'"),
        (["path,label", "a.mp4"], "line 2: 1 cells under 2 columns"),
        (["path,label", "a.mp4,"], "empty label"),
        (["path,label,split", "a.mp4,run,trian"], "unknown split 'trian'; allowed are train"),
        (["path,label", "../a.mp4,run"], "leaves the folder"),
        (["path,label", "/etc/passwd,run"], "leaves the folder"),
        (["path,label", ",run"], "is not a file in"),
        (["path,label,start,end", "a.mp4,run,5,4"], "not after the start"),
        (["path,label,start", "a.mp4,run,soon"], "number of seconds"),
        (["path,label", '"a.mp4,run'], "not CSV"),
    ],
)
def test_csv_errors_name_the_line(lines, message):
    with pytest.raises(InputError, match=message) as error:
        parse_csv("/v", [], lines, "labels.csv")
    assert "labels.csv" in str(error.value) and "\n" not in str(error.value)


def test_inside_takes_an_absolute_path_of_the_root(tmp_path):
    assert inside(str(tmp_path), str(tmp_path / "a" / "b.mp4"), "l") == "a/b.mp4"
    assert inside(str(tmp_path), "x/../y.mp4", "l") == "y.mp4"


def test_a_folder_of_videos_is_listed_without_hidden_files(tmp_path):
    touch(tmp_path, "b/ü -1.MP4", "a.mkv", ".hidden.mp4", ".git/x.mp4", "notes.txt", "-dash.webm")
    assert list_videos(str(tmp_path)) == ["-dash.webm", "a.mkv", "b/ü -1.MP4"]


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
        ({"videos": "v", "ratios": [0, 1, 1]}, "ratios is .*: must be three shares"),
        ({"videos": "v", "fps": float("inf")}, "fps"),
        ({}, "videos"),
    ]:
        with pytest.raises(InputError, match=message):
            parse_settings(IngestSettings, values, "ingest")


names = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Z")), min_size=1, max_size=12)
paths = st.lists(names.filter(lambda n: n not in (".", "..") and "/" not in n), min_size=1, max_size=3).map("/".join)
labels = names.map(str.strip).filter(bool)


@given(st.lists(st.tuples(paths, labels, st.sampled_from(["", "train", "val", "test"])), max_size=8))
def test_csv_gives_back_what_was_written(rows):
    text = io.StringIO()
    csv.writer(text).writerows([("path", "label", "split"), *rows])
    listing = parse_csv("/v", [], text.getvalue().split("\r\n"), "l.csv")
    assert [(e.source, e.label_text, e.split or "") for e in listing.entries] == rows


@given(st.lists(st.tuples(paths, labels), max_size=8))
def test_text_gives_back_what_was_written(rows):
    listing = parse_text("/v", [], [f"{path} {label}" for path, label in rows], "l.txt")
    assert [(e.source, e.label_text) for e in listing.entries] == rows


@given(st.sampled_from([parse_csv, parse_text, parse_kinetics]), st.lists(st.text(max_size=40), max_size=5), st.booleans())
def test_any_text_is_read_or_refused_in_one_line(parser, lines, header):
    first = {parse_csv: "path,label,split", parse_kinetics: "label,youtube_id,time_start,time_end,split", parse_text: "a b"}
    try:
        listing = parser("/v", [], [first[parser], *lines] if header else lines, "l")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        for entry in listing.entries:
            assert not entry.source.startswith(("/", "../")) and entry.label_text


@given(st.text(max_size=30))
def test_no_path_leaves_its_folder(path):
    try:
        found = inside("/some/videos", path, "l")
    except InputError:
        return
    assert found and not found.startswith("/") and ".." not in found.split("/")


ids = st.text("abcXYZ09_-", min_size=11, max_size=11)


@given(st.lists(st.tuples(labels, ids, st.integers(0, 999)), max_size=8), st.booleans())
def test_kinetics_gives_back_what_was_written(rows, cut):
    rows = list({row[1]: row for row in rows}.values())
    files = [f"{video}_{start:06d}_{start + 10:06d}.mp4" if cut else f"{video}.webm" for _, video, start in rows]
    text = io.StringIO()
    written = [(label, video, start, start + 10, "train") for label, video, start in rows]
    csv.writer(text).writerows([("label", "youtube_id", "time_start", "time_end", "split"), *written])
    found = parse_kinetics("/v", files, text.getvalue().split("\r\n"), "k.csv").entries
    assert [(e.label_text, e.group, e.source, e.missing) for e in found] == [
        (label, video, file, False) for (label, video, _), file in zip(rows, files)
    ]
    assert [(e.start, e.end) for e in found] == [(None, None) if cut else (float(s), s + 10.0) for _, _, s in rows]


@given(st.lists(paths.map(lambda path: f"{path}.mp4"), unique=True, max_size=12))
def test_folders_lose_no_file(files):
    try:
        listing = parse_folders("/v", files)
    except InputError as error:
        assert "no videos in class folders" in str(error)
        assert all(file.count("/") < (2 if file.split("/")[0].lower() in SPLIT_NAMES else 1) for file in files)
        return
    assert sorted([e.source for e in listing.entries] + list(listing.unlabelled)) == sorted(files)
    for entry in listing.entries:
        assert entry.label_text in entry.source.split("/")[:-1]
