"""How videos come into splits."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.ingestion.entries import Entry
from components.ingestion.settings import IngestSettings
from components.ingestion.splits import assign, class_names, same_content, without_repeats
from expansion.foundation.errors import InputError

SETTINGS = IngestSettings(videos="v")


def entry(name, label="a", split=None, group=None, path=None):
    return Entry(path or name, name, label, split, group, None, None, name)


def by_split(entries, settings=SETTINGS):
    found = {"train": [], "val": [], "test": []}
    for one in assign(entries, settings)[0]:
        found[one.split].append(one.video_id)
    return found


def test_ratios_hold_about():
    found = by_split([entry(f"{i}", "ab"[i % 2]) for i in range(2000)])
    assert [round(len(found[split]) / 2000, 1) for split in ("train", "val", "test")] == [0.8, 0.1, 0.1]


def test_a_new_video_moves_no_other():
    one = by_split([entry(f"{i}") for i in range(100)])
    two = by_split([entry(f"{i}") for i in range(101)])
    assert all(set(one[split]) <= set(two[split]) for split in one)


def test_given_splits_are_kept_and_groups_follow():
    entries = [entry("1", split="val", group="g"), entry("2", group="g"), entry("3", split="train"), entry("4", split="test")]
    assert by_split(entries) == {"train": ["3"], "val": ["1", "2"], "test": ["4"]}


def test_val_is_taken_from_train_where_none_is_given():
    entries = [entry(f"{i}", split="train") for i in range(50)] + [entry("t", split="test")]
    found = by_split(entries)
    assert found["test"] == ["t"] and 1 <= len(found["val"]) < 20


def test_small_classes_stand_in_train_and_val():
    for seed in range(20):
        entries = [entry(f"{label}{i}", label) for label in "abcdefgh" for i in range(2)]
        found, _ = assign(entries, IngestSettings(videos="v", seed=seed))
        for label in "abcdefgh":
            assert {"train", "val"} == {one.split for one in found if one.label_text == label}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6)), min_size=1, max_size=40), st.integers(0, 5))
def test_no_group_stands_in_two_splits(rows, seed):
    entries = [entry(f"{i}", label, group=f"g{group}") for i, (label, group) in enumerate(rows)]
    try:
        found, _ = assign(entries, IngestSettings(videos="v", seed=seed))
    except InputError:
        return
    assert len({(one.group, one.split) for one in found}) == len({one.group for one in found})
    assert {one.label_text for one in found if one.split == "train"} == {one.label_text for one in found}


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("1", split="train", group="g"), entry("2", split="val", group="g")], "group 'g' stands in two splits"),
        ([entry("1"), entry("2"), entry("3", "b")], "only one video: 'b'"),
        ([entry("1", split="val"), entry("2", split="test")], "without a training video: 'a'"),
    ],
)
def test_refused(entries, message):
    with pytest.raises(InputError, match=message):
        assign(entries, SETTINGS)


def test_a_group_in_two_splits_as_published():
    """Kinetics-600 has a few sources in val and test, with other seconds."""
    entries = [entry("1", split="val", group="g"), entry("2", split="test", group="g"), entry("3", group="g"),
               entry("4", split="train", group="h"), entry("5", split="train"), entry("6", split="test", group="i"),
               entry("7", split="train", group="i")]
    with pytest.raises(InputError, match="group 'g' stands in two splits, val and test; groups='keep' keeps the splits"):
        assign(entries, SETTINGS)
    found, (note,) = assign(entries, IngestSettings(videos="v", groups="keep"))
    assert [one.split for one in found] == ["val", "test", "val", "train", "train", "test", "train"]
    assert [one.group for one in found] == ["g", "g", "g", "h", "5", "i", "i"]
    assert note == "kept in two splits, as given: group 'g', group 'i'"


def test_repeats_are_dropped_and_contradictions_refused():
    kept, repeats = without_repeats((entry("1"), entry("1"), entry("2")))
    assert [one.source for one in kept] == ["1", "2"] and len(repeats) == 1
    with pytest.raises(InputError, match="two splits, 'train' and 'val'"):
        without_repeats((entry("1", split="train"), entry("1", split="val")))
    with pytest.raises(InputError, match="two labels, 'a' and 'b'"):
        without_repeats((entry("1"), entry("1", "b")))


def test_copies_of_a_file(tmp_path):
    for name, data in (("1", b"same"), ("2", b"same"), ("3", b"else"), ("4", b"")):
        (tmp_path / name).write_bytes(data)

    def of(name, **kwargs):
        return entry(name, path=str(tmp_path / name), **kwargs)

    kept, copies = same_content([of("1"), of("2"), of("3"), of("4")])
    assert [one.source for one in kept] == ["1", "3", "4"] and copies[0][1] == "same bytes as 1"
    with pytest.raises(InputError, match="stands in two splits: '1' .train. and '2' .val."):
        same_content([of("1", split="train"), of("2", split="val")])


def test_number_labels_sort_by_number():
    assert class_names([entry("1", "10"), entry("2", "9")]) == ["9", "10"]
    assert class_names([entry("1", "10"), entry("2", "9a")]) == ["10", "9a"]


rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([None, "train", "val", "test"]), st.sampled_from([None, *"ghij"])),
    min_size=1, max_size=30,
)  # fmt: skip


@example([("a", None, "g"), ("a", "train", None), ("a", "train", "g")], 0)
@given(rows, st.integers(0, 3))
def test_every_video_gets_one_split_and_given_ones_hold(rows, seed):
    entries = [entry(f"{i}", label, split, group) for i, (label, split, group) in enumerate(rows)]
    given_to = {}
    for one in entries:
        given_to.setdefault(one.group, set()).update({one.split} - {None})
    contradiction = any(len(splits) > 1 for group, splits in given_to.items() if group)
    try:
        found, _ = assign(entries, IngestSettings(videos="v", seed=seed))
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert not contradiction
    assert [one.video_id for one in found] == [one.video_id for one in entries]
    assert all(one.split in ("train", "val", "test") and one.group for one in found)
    settled = all(one.split or one.group and given_to[one.group] for one in entries)  # a video without follows its group
    no_val = settled and "val" not in {one.split for one in entries}
    for before, after in zip(entries, found):
        moved = no_val and before.split == "train" and after.split == "val"
        assert before.split in (None, after.split) or moved
    shuffled, _ = assign(entries[::-1], IngestSettings(videos="v", seed=seed))
    assert {one.video_id: one.split for one in shuffled} == {one.video_id: one.split for one in found}


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.sampled_from([None, "train", "val"])), max_size=12))
def test_repeats_are_all_accounted_for(rows):
    entries = tuple(entry(f"{name}", label, split) for name, label, split in rows)
    try:
        kept, repeats = without_repeats(entries)
    except InputError:
        assert len(set(rows)) > len({name for name, _, _ in rows})
        return
    assert len(kept) + len(repeats) == len(entries) and len({one.video_id for one in kept}) == len(kept)
