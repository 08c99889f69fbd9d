"""Label files with several labels a video: three forms, what is odd is kept, and one line for what cannot be read."""

import pytest

from components.ingestion.names import Names
from components.ingestion.several import facts_of, is_charades, read_classes, read_several, with_classes
from expansion.foundation.errors import InputError
from expansion.tasks.segments import Segment

FILES = ("46GP8.mp4", "a/v1.mp4", "b/v2.mp4")
HEADER = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
WORKED = '46GP8,HR43,Kitchen,6,7,Yes,"One, two; ""three""",food;stove,A person cooks.,c092 11.90 21.20;c147 0.00 12.60,24.83\n'
BARE = "v1,HR43,Kitchen,6,7,Yes,A script,food,Nothing.,,12.00\n"
# Of a video of 10 seconds, whose points are 0.0, 0.4, ... 9.6: what ends after it, begins after it, and ends before it begins.
ODD = "v2,HR43,Kitchen,,,No,,,,c092 9.00 30.00;c147 11.00 12.00;c147 5.00 4.00;c092 8.90 9.20,10.00\n"


def read(text, form, files=FILES):
    return read_several(text.encode(), "labels.csv", Names("/v", files), form)[0]


def test_charades_official_files_are_read_as_they_come():
    entries = read(HEADER + WORKED + BARE + ODD, "charades")
    assert [(one.video_id, one.source, one.missing) for one in entries] == [
        ("46GP8", "46GP8.mp4", False), ("v1", "a/v1.mp4", False), ("v2", "b/v2.mp4", False)]
    assert entries[0].segments == (Segment("c092", 11.9, 21.2), Segment("c147", 0.0, 12.6)) and entries[0].length == 24.83
    assert entries[1].segments == () and entries[1].classes == () and entries[1].label_text == ""
    assert entries[2].segments == (Segment("c092", 9.0, 30.0), Segment("c147", 11.0, 12.0), Segment("c147", 5.0, 4.0),
                                   Segment("c092", 8.9, 9.2))
    assert entries[2].classes == ("c092", "c147") and entries[2].label_text == "c092;c147"


def test_a_video_that_is_not_there_is_missing():
    (entry,) = read(HEADER + WORKED.replace("46GP8", "NONE1"), "charades")
    assert entry.missing and entry.source == "NONE1.mp4"


def test_frames_in_folders_are_found_by_their_name():
    (entry,) = read(HEADER + WORKED, "charades", ("rgb/46GP8",))
    assert entry.source == "rgb/46GP8" and not entry.missing


def test_one_command_counts_what_is_in_official_files(tmp_path):
    path = tmp_path / "Charades_v1_test.csv"
    path.write_text(HEADER + WORKED + BARE + ODD)
    facts, positives = facts_of(str(path))
    # 46GP8 has 23. v2: c092 from 9.00 on at 9.2 and 9.6, and from 8.90 to 9.20 at 9.2 again, which counts once.
    assert positives == 23 + 2
    assert (facts.videos, facts.segments, facts.videos_without_labels) == (3, 6, 1)
    assert (facts.end_after_video, facts.start_not_before_end, facts.start_after_video) == (2, 1, 1)


def test_official_files_are_known_by_their_columns():
    assert is_charades((HEADER + WORKED).encode()) and not is_charades(b"path,label\n") and not is_charades(b"")


def test_several_labels_in_a_cell():
    entries = read("path,label,split\na/v1.mp4,walk;run,train\nb/v2.mp4,,val\n", "multi-label")
    assert entries[0].segments == (Segment("walk"), Segment("run")) and entries[0].split == "train"
    assert entries[1].segments == () and entries[1].split == "val"


def test_lines_of_segments_come_together_by_their_video():
    rows = "a/v1.mp4,walk,1.5,3\nb/v2.mp4,run,,\na/v1.mp4,run,2,99\na/v1.mp4,walk,5,5\n"
    entries = read(f"path,label,start,end\n{rows}", "segments")
    assert [one.source for one in entries] == ["a/v1.mp4", "b/v2.mp4"]
    assert entries[0].segments == (Segment("walk", 1.5, 3.0), Segment("run", 2.0, 99.0), Segment("walk", 5.0, 5.0))
    assert entries[0].classes == ("walk", "run") and entries[1].segments == (Segment("run", None, None),)
    assert entries[0].start is entries[0].end is None  # the video itself is not cut


@pytest.mark.parametrize("form, text, message", [
    ("segments", "path,label\na/v1.mp4,walk\n", "needs a header with the columns path, label, start, end; it lacks 'start'"),
    ("segments", "path,label,start,end,mood\na/v1.mp4,walk,1,2,x\n", "unknown column 'mood'; allowed are path, label, start"),
    ("segments", "path,label,start,end\na/v1.mp4,walk,one,2\n", "line 2: start must be a number of seconds, got 'one'"),
    ("segments", "path,label,start,end\na/v1.mp4,walk,1,inf\n", "end must be a number of seconds, got 'inf'"),
    ("segments", "path,label,start,end,split\na/v1.mp4,walk,1,2,train\na/v1.mp4,run,1,2,val\n",
     "line 3: split of 'a/v1.mp4' is 'val' here and 'train' before"),
    ("charades", HEADER + WORKED.replace("c147 0.00 12.60", "c147 0.00"), "actions are `class start end`, separated by ';'"),
    ("charades", HEADER + WORKED.replace("24.83", "0"), "length must be a number of seconds above 0, got '0'"),
    ("charades", "path,label\na/v1.mp4,x\n", "format 'charades' needs a header with the columns id, actions, length"),
])
def test_one_line_for_what_cannot_be_read(form, text, message):
    with pytest.raises(InputError, match="^[^\n]*$") as error:
        read(text, form)
    assert message in str(error.value)


def test_a_class_list_gives_names_and_order(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("c147 Sitting in a chair\nc008 Opening a door\nc092 Watching\n")
    entries, classes = with_classes(read(HEADER + WORKED, "charades"), str(path))
    assert classes == ["c147 Sitting in a chair", "c008 Opening a door", "c092 Watching"]
    assert entries[0].classes == ("c092 Watching", "c147 Sitting in a chair")


def test_a_label_in_no_class_list_is_named(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("c147 Sitting in a chair\n")
    with pytest.raises(InputError, match="label 'c092' of '46GP8.mp4' is in no line of the class list"):
        with_classes(read(HEADER + WORKED, "charades"), str(path))


def test_a_class_list_of_plain_names(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("walk fast\nwalk slowly\nrun\n")
    assert list(dict.fromkeys(read_classes(str(path)).values())) == ["walk fast", "walk slowly", "run"]
    assert read_classes(str(path))["run"] == "run" and "walk" not in read_classes(str(path))
    path.write_text("run\nrun\n")
    with pytest.raises(InputError, match="'run' twice"):
        read_classes(str(path))
    with pytest.raises(InputError, match="does not exist"):
        read_classes(str(tmp_path / "none.txt"))
