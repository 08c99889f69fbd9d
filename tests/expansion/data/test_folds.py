"""Folds of whole groups: every video is held out once, groups stay together, sizes are even; each fold is a data set."""

import json
import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expansion.data.dataset import VideoDataset
from expansion.data.folds import divide, make_folds
from expansion.data.videos import labels_and_ids
from expansion.foundation import files
from expansion.foundation.errors import InputError

GROUPS = st.dictionaries(st.text(min_size=1, max_size=4), st.lists(st.sampled_from("abc"), min_size=1, max_size=9).map(Counter),
                         min_size=4, max_size=30)


@given(GROUPS, st.integers(2, 4))
def test_each_group_is_in_one_fold_whatever_their_order(groups, count):
    found = divide(groups, count)
    assert sorted(name for fold in found for name in fold) == sorted(groups)
    assert divide(dict(reversed(groups.items())), count) == found
    assert all(found)


def test_equal_groups_give_equal_folds():
    found = divide({f"{label}{number}": Counter({label: 1}) for label in "ab" for number in range(10)}, 5)
    assert [Counter(name[0] for name in fold) for fold in found] == [Counter(a=2, b=2)] * 5


def with_groups(data, folder, group_of):
    """The data set with other groups: the same records."""
    files.copy_folder(data.path, folder)
    path = os.path.join(folder, "videos.jsonl")
    rows = [json.loads(line) for line in files.read_text(path).splitlines()]
    files.write_text(path, "".join(json.dumps(row | {"group": group_of(row["video_id"])}) + "\n" for row in rows))
    return VideoDataset.open(folder)


def test_every_video_is_held_out_once_with_its_group(demo_records, tmp_path):
    def group_of(video):
        return video[:-5]  # ten videos, about

    data = with_groups(demo_records, str(tmp_path / "records"), group_of)
    folds = make_folds(data, 3, str(tmp_path / "folds"))
    every = {name: data.classes[label] for split in ("train", "val") for label, name in zip(*labels_and_ids(data, split))}
    held_out = []
    for fold in folds:
        assert fold.classes == data.classes and fold.short_side == data.short_side
        train, val = ({name: fold.classes[label] for label, name in zip(*labels_and_ids(fold, split))}
                      for split in ("train", "val"))
        assert train | val == every and not train.keys() & val.keys()
        assert not {group_of(name) for name in train} & {group_of(name) for name in val}
        held_out += val
    assert sorted(held_out) == sorted(every)
    assert make_folds(data, 3, str(tmp_path / "folds")) == folds  # opened
    again = make_folds(data, 2, str(tmp_path / "folds"))
    assert [fold.manifest.proxy["folds"] for fold in again] == [2, 2]


def test_more_folds_than_groups(demo_records, tmp_path):
    data = with_groups(demo_records, str(tmp_path / "records"), lambda video: "one")
    with pytest.raises(InputError, match="search.folds is 2: .* has 1 groups of videos in train and val; at most that many"):
        make_folds(data, 2, str(tmp_path / "folds"))


def test_a_list_of_videos_is_needed(demo_records, tmp_path):
    files.copy_folder(demo_records.path, str(tmp_path / "records"))
    files.remove_file(str(tmp_path / "records" / "videos.jsonl"))
    with pytest.raises(InputError, match="no videos.jsonl, which says what groups there are"):
        make_folds(VideoDataset.open(str(tmp_path / "records")), 2, str(tmp_path / "folds"))
