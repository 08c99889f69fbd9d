"""Published data sets in the form in which they come."""

import json

import pytest

from components.ingestion.settings import IngestSettings
from components.ingestion.sources import read_sources
from expansion.foundation.errors import InputError
from tests.components.ingestion.listings import seen, touch


def ucf(root, number=True):
    for at, name in enumerate(("Fall", "Walk"), 1):
        touch(root, *(f"{name}/v_{name}_g{group:02d}_c01.avi" for group in (1, 8)))
    for split, group in (("train", 8), ("test", 1)):
        text = "".join(f"{name}/v_{name}_g{group:02d}_c01.avi" + (f" {at}" if split == "train" and number else "") + "\r\n"
                       for at, name in enumerate(("Fall", "Walk"), 1))
        (root / f"{split}list01.txt").write_bytes(text.encode())
    return {split: str(root / f"{split}list01.txt") for split in ("train", "test")}


@pytest.mark.parametrize("number", [True, False])
@pytest.mark.parametrize("index", [True, False])
def test_ucf101_as_published(tmp_path, number, index):
    labels = ucf(tmp_path, number)
    if index:
        (tmp_path / "classInd.txt").write_bytes(b"1 Fall\r\n2 Walk\r\n")
    listing = read_sources(IngestSettings(videos=str(tmp_path), labels=labels))
    assert {(one.label_text, one.split) for one in listing.entries} == {
        (name, split) for name in ("Fall", "Walk") for split in ("train", "test")}
    assert any("no label: classes are the folders" in note for note in listing.notes)
    train = read_sources(IngestSettings(videos=str(tmp_path), labels=labels["train"]))
    assert {one.label_text for one in train.entries} == ({"1", "2"} if number and not index else {"Fall", "Walk"})


def test_lists_without_labels_that_folders_cannot_tell(tmp_path):
    labels = ucf(tmp_path)
    with open(labels["test"], "w") as file:
        file.write("loose.avi\n")
    touch(tmp_path, "loose.avi")
    with pytest.raises(InputError, match="expected `path label`; 1 lines have no label, such as 'loose.avi'"):
        read_sources(IngestSettings(videos=str(tmp_path), labels=labels))
    labels = ucf(tmp_path)
    with open(labels["train"], "a") as file:
        file.write("Fall/v_Fall_g09_c01.avi 2\n")
    with pytest.raises(InputError, match="label '2' is in 'Fall', 'Walk'"):
        read_sources(IngestSettings(videos=str(tmp_path), labels=labels))


def test_hmdb51_as_published(tmp_path):
    touch(tmp_path, *(f"videos/{name}/{name} ({at}).avi" for name in ("brush_hair", "cartwheel") for at in range(4)))
    (tmp_path / "splits").mkdir()
    for name in ("brush_hair", "cartwheel"):
        for split in (1, 2, 3):
            text = "".join(f"{name} ({at}).avi {(at + split) % 3} \n" for at in range(4))
            (tmp_path / "splits" / f"{name}_test_split{split}.txt").write_text(text)
    listing = read_sources(IngestSettings(videos=str(tmp_path / "videos"), labels=str(tmp_path / "splits")))
    assert {(one.source, one.split) for one in listing.entries if one.label_text == "cartwheel"} == {
        (f"cartwheel/cartwheel ({at}).avi", split) for at, split in ((0, "train"), (1, "test"), (3, "train"))}
    assert len(listing.unused) == 2 and "split 1: 2 classes, 2 videos in neither" in listing.notes[0]
    two = str(tmp_path / "splits" / "cartwheel_test_split2.txt")
    assert len(read_sources(IngestSettings(videos=str(tmp_path / "videos"), labels=two)).entries) == 6


def test_something_something_as_published(tmp_path):
    touch(tmp_path, "78687.webm", "42326.webm")
    found = [{"id": "78687", "label": "holding potato next to vicks", "template": "Holding [something] next to [something]",
              "placeholders": ["potato", "vicks"]}, {"id": "42326", "label": "x", "template": "Pushing [something]"}]
    (tmp_path / "train.json").write_text(json.dumps(found))
    listing = read_sources(IngestSettings(videos=str(tmp_path), labels={"train": str(tmp_path / "train.json")}))
    assert seen(listing) == [("78687.webm", "Holding something next to something", "train", None),
                             ("42326.webm", "Pushing something", "train", None)]
    for content, message in (([{"id": "1"}], "object 1: it lacks template or label"), ({"a": 1}, "expected a list of objects"),
                             ([], "expected a list of objects"), ([{"label": "a"}], "lacks id or path")):
        (tmp_path / "train.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=message):
            read_sources(IngestSettings(videos=str(tmp_path), labels=str(tmp_path / "train.json")))
    (tmp_path / "train.json").write_text("[{")
    with pytest.raises(InputError, match="train.json: not JSON"):
        read_sources(IngestSettings(videos=str(tmp_path), labels=str(tmp_path / "train.json")))


def test_jester_as_published(tmp_path):
    touch(tmp_path, "34870.mp4", "56557.mp4")
    (tmp_path / "jester-v1-train.csv").write_text("34870;Drumming Fingers\n56557;Sliding Two Fingers Right\n")
    listing = read_sources(IngestSettings(videos=str(tmp_path), labels=str(tmp_path / "jester-v1-train.csv")))
    assert [row[:2] for row in seen(listing)] == [("34870.mp4", "Drumming Fingers"), ("56557.mp4", "Sliding Two Fingers Right")]
