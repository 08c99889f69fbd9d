"""Folders of videos: which of them are classes and which splits, and that no file and no class is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.entries import SPLIT_NAMES, composed
from components.ingestion.layouts import like_split, parse_folders
from expansion.foundation.errors import InputError


def seen(files, form="auto"):
    return [(one.source, one.label_text, one.split) for one in parse_folders("/v", files, form).entries]


def tree(*folders, each=2):
    return [f"{folder}/{at}.mp4" for folder in folders for at in range(each)]


def test_class_folders():
    listing = parse_folders("/v", ["a/1.mp4", "a/deep/2.mp4", "b/3.mp4", "loose.mp4"])
    assert seen(["a/1.mp4", "a/deep/2.mp4", "b/3.mp4"]) == [
        ("a/1.mp4", "a", None), ("a/deep/2.mp4", "a", None), ("b/3.mp4", "b", None)]
    assert [(one.source, one.reason) for one in listing.unused] == [("loose.mp4", "no_label")]


def test_split_folders():
    listing = parse_folders("/v", ["Train/a/1.mp4", "validation/a/2.mp4", "test/b/3.mp4", "train/loose.mp4"])
    assert [(one.label_text, one.split) for one in listing.entries] == [("a", "train"), ("a", "val"), ("b", "test")]
    assert [one.source for one in listing.unused] == ["train/loose.mp4"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (tree("fall", "test", "walk"), "splits or classes.* 'test' beside 'fall', 'walk'; move"),
        (tree("train/a", "train/b", "val/a", "val/b", "unlabelled"), "splits or classes.* 'train', 'val' beside 'unlabelled'"),
        (tree("train", "plane"), "splits or classes.* 'train' beside 'plane'"),
        (tree("train/a", "train/b", "vaild/a", "vaild/b"), "'train' beside 'vaild'; is 'vaild' val"),
        (tree("train/a", "train/b", "tets/a", "tets/b"), "'train' beside 'tets'; is 'tets' test"),
        (tree("trian/a", "trian/b", "vla/a", "vla/b"), "'trian', 'vla' seem to be splits"),
        (tree("train_set/a", "train_set/b", "test_set/a", "test_set/b"), "seem to be splits; is 'test_set' test"),
        (tree("training videos/a", "validation videos/a"), "seem to be splits"),
        (tree("train2017/a", "train2017/b", "train2018/a", "train2018/b"), "which folders are the classes. .*all hold 'a', 'b'"),
        (tree("subject 1/fall", "subject 1/walk", "subject 2/fall", "subject 2/walk"), "which folders are the classes"),
        (tree("train/fold1/a", "train/fold1/b", "train/fold2/a", "train/fold2/b", "val/fold1/a", "val/fold1/b"), "which folders"),
        (tree("fall/train", "fall/cam1", "walk/train", "walk/test"), "in the class folders is 'test', 'train' beside 'cam1'"),
        (tree("fall/train", "fall/val", "walk"), "in the class folders is 'train', 'val' beside videos"),
        (["1.mp4", "2.mp4"], "no videos in class folders"),
        (["train/1.mp4", "val/2.mp4"], "no videos in class folders"),
        ([], "no videos in class folders"),
    ],
)
def test_neither_clearly_splits_nor_clearly_classes(files, message):
    with pytest.raises(InputError, match=message) as error:
        parse_folders("/v", files)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("files", [
    tree("fall", "test", "walk"), tree("train", "plane"), tree("trian/a", "vla/a"),
    tree("subject 1/fall", "subject 1/walk", "subject 2/fall", "subject 2/walk"),
])  # fmt: skip
def test_a_word_takes_the_top_folders_for_classes(files):
    assert {row[1] for row in seen(files, "classes")} == {file.split("/")[0] for file in files}


def test_a_word_takes_the_top_folders_for_splits():
    assert seen(["train/a/1.mp4", "val/b/2.mp4"], "splits") == [("train/a/1.mp4", "a", "train"), ("val/b/2.mp4", "b", "val")]
    with pytest.raises(InputError, match="no split is 'unlabelled'"):
        parse_folders("/v", tree("train/a", "unlabelled/a"), "splits")


@pytest.mark.parametrize(
    ("files", "classes", "splits"),
    [
        (tree("UCF-101/Fall", "UCF-101/Walk"), {"Fall", "Walk"}, {None}),
        (tree("my/set/train/a", "my/set/train/b", "my/set/val/a"), {"a", "b"}, {"train", "val"}),
        (tree("fall/train", "fall/test", "walk/train", "walk/test"), {"fall", "walk"}, {"train", "test"}),
        (tree("train/videos/a", "train/videos/b", "test/videos/a"), {"a", "b"}, {"train", "test"}),
        (tree("set/fall/train", "set/fall/val", "set/walk/train"), {"fall", "walk"}, {"train", "val"}),
    ],
)
def test_one_more_level_than_usual_is_read_and_said(files, classes, splits):
    listing = parse_folders("/v", files)
    assert {one.label_text for one in listing.entries} == classes and {one.split for one in listing.entries} == splits
    assert len(listing.entries) == len(files) and listing.notes


@pytest.mark.parametrize("files", [
    tree("fall/cam1", "fall/cam2", "walk/cam1", "walk/cam2"), tree("activity 00", "activity 01"), tree("alone"),
    tree("rain", "snow"), tree("test_tube", "hammer"), tree("a/deep/er", "b"),
])  # fmt: skip
def test_usual_folders_are_classes_without_a_word(files):
    listing = parse_folders("/v", files)
    assert {one.label_text for one in listing.entries} == {file.split("/")[0] for file in files} and not listing.notes


def test_two_unicode_forms_of_a_folder_are_one_class():
    assert {row[1] for row in seen(["train/läuft/1.mp4", "val/la\u0308uft/2.mp4"])} == {"läuft"}


def test_words_like_splits():
    assert [like_split(name) for name in ("tests", "train_set", "vaild", "dev-data", "TRAINING DATA", "val2017")] == [
        "test", "train", "val", "val", "train", "val"]
    assert [like_split(name) for name in ("walk", "jump rope", "42", "")] == [None] * 4


folders = st.sampled_from(["train", "Test", "val", "validation", "trian", "tset", "train_set", "a", "b", "walk", "läuft",
                           "la\u0308uft", "cam1", "cam2", "set", "unlabelled", "activity 01", "activity 02", "跳"])
places = st.tuples(st.lists(folders, max_size=4), st.sampled_from("12"))
trees = st.lists(places.map(lambda place: "/".join([*place[0], f"{place[1]}.mp4"])), unique=True, max_size=14)


@given(trees, st.sampled_from(["auto", "folders", "classes", "splits"]))
def test_no_file_and_no_class_is_lost(files, form):
    try:
        listing = parse_folders("/v", files, form)
    except InputError as error:
        assert "\n" not in str(error) and "'/v'" in str(error)
        return
    assert sorted([one.source for one in listing.entries] + [one.source for one in listing.unused]) == sorted(files)
    classes = {one.label_text for one in listing.entries}
    for one in listing.entries:
        parts = [composed(part) for part in one.source.split("/")[:-1]]
        assert one.label_text in parts
        if one.split:
            assert one.split in {SPLIT_NAMES.get(part.casefold()) for part in parts}
    if form in ("auto", "folders"):
        splits_learnt = {name for name in classes if name.casefold() in SPLIT_NAMES}
        assert not splits_learnt or all(one.split for one in listing.entries), "no split is learnt as a class"
