"""Label files in the forms in which people have them: what is read, what is refused, and that nothing is lost."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.entries import composed
from components.ingestion.label_files import counts_up, read_table
from components.ingestion.label_forms import NO_LABEL, read_rows
from components.ingestion.names import Names
from expansion.foundation.errors import InputError

FILES = ["my clip 0.mp4", "my clip 1.mp4", "fall/b0.mp4", "fall/b1.mp4"]
ROWS = list(zip(FILES, ["playing guitar", "playing guitar", "run", "run"]))


def read(text, name="labels.csv", files=FILES, form="auto", encoding="utf-8"):
    entries, notes = read_rows(text if isinstance(text, bytes) else text.encode(encoding), name, Names("/v", files), form)
    return [(one.source, one.label_text, one.split) for one in entries], notes


def lines(form, rows=ROWS):
    return "".join(form.format(at=at, p=path, l=label, n=at // 2) + "\n" for at, (path, label) in enumerate(rows))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("semicolons", "path;label\n" + lines("{p};{l}"), "semicolons"),
        ("Excel's line", "sep=;\npath;label\n" + lines("{p};{l}"), "semicolons"),
        ("Excel's line with commas", '"sep=,",\r\npath,label\r\n' + lines("{p},{l}"), "commas"),
        ("tabs", "path\tlabel\n" + lines("{p}\t{l}"), "tabs"),
        ("bars", "path|label\n" + lines("{p}|{l}"), "bars"),
        ("an index", ",path,label\n" + lines("{at},{p},{l}"), "(no name), path, label"),
        ("two indexes", "Unnamed: 1,Unnamed: 0,path,label\n" + lines("{at},{at},{p},{l}"), "unnamed: 1"),
        ("an index with a name", "nr,path,label\n" + lines("{at},{p},{l}"), "nr, path, label"),
        ("a comment", "# made by hand\npath,label\n" + lines("{p},{l}"), "1 line beginning with #"),
        ("a header in a comment", "# by hand\n#path,label\n" + lines("{p},{l}"), "1 line beginning with #"),
        ("comments between", "path,label\n# more\n" + lines("{p},{l}") + "#end\n", "2 lines beginning with #"),
        ("no header", lines("{p},{l}"), "no header: path is column 1, label is column 2"),
        ("no header, label first", lines("{l};{p}"), "path is column 2"),
        ("no header, an index", lines("{at},{p},{l}"), "path is column 2, label is column 3"),
        ("upper case", "Path,LABEL\n" + lines("{p},{l}"), ""),
        ("empty columns at the end", "path;label;;\n" + lines("{p};{l};;"), ""),
        ("empty lines", "\n\npath,label\n\n" + lines("{p},{l}\n"), ""),
        ("quoted", "path,label\n" + lines('"{p}","{l}"'), ""),
    ],
)  # fmt: skip
def test_forms_that_are_read(name, text, said):
    found, (note,) = read(text)
    assert [row[:2] for row in found] == ROWS
    assert said in note and "\n" not in note and note.startswith("labels.csv: UTF-8, ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(encoding, ending):
    text = "path,label\n" + lines("{p},{l}") + "läuft.mp4,läuft\n"
    found, (note,) = read(text.replace("\n", ending), encoding=encoding, files=[*FILES, "läuft.mp4"])
    assert [row[:2] for row in found] == [*ROWS, ("läuft.mp4", "läuft")]
    assert note.startswith(f"labels.csv: {encoding.upper().split('-')[0]}-{encoding.split('-')[1]}")


@pytest.mark.parametrize(("encoding", "word"), [
    ("cp1252", "läuft"), ("cp1251", "бежит"), ("gb18030", "跑步"), ("shift_jis", "走る")])
def test_names_of_files_tell_the_encoding(encoding, word):
    found, (note,) = read(f"path;label\n{word} 0.mp4;{word}\nb.mp4;sit\n", encoding=encoding, files=[f"{word} 0.mp4", "b.mp4"])
    assert [row[:2] for row in found] == [(f"{word} 0.mp4", word), ("b.mp4", "sit")] and encoding.upper() in note
    with pytest.raises(InputError, match=r"is not UTF-8 \(line 2: "):
        read(f"path;label\n{word} 0.mp4;{word}\n{word} 1.mp4;sit\n", encoding=encoding, files=[f"{word} 0.mp4"])
    with pytest.raises(InputError, match=r"is not UTF-8 \(line 2: "):
        read(f"path;label\nb.mp4;{word}\n", encoding=encoding)


def test_lists_with_labels_of_several_words_labels_first_and_numbers():
    assert [row[:2] for row in read(lines("{p} {l}"), "l.txt")[0]] == ROWS
    assert "2 labels of several words" in read(lines("{p} {l}"), "l.txt")[1][0]
    assert [row[:2] for row in read(lines("{n} {p}"), "l.txt")[0]] == [(path, str(at // 2)) for at, path in enumerate(FILES)]
    assert [row[1] for row in read(lines("{p} {n}"), "l.txt")[0]] == ["0", "0", "1", "1"]
    assert [row[1] for row in read(lines("{p}"), "l.txt")[0]] == [NO_LABEL] * 4
    assert [row[1] for row in read("path\n" + lines("{p}"))[0]] == [NO_LABEL] * 4
    assert [row[1] for row in read("path label\n" + lines("{p} {n}"), "l.txt")[0]] == ["0", "0", "1", "1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",video_name,tag\n" + lines("{at},{p},{l}"), "line 1: the header must name path and label; .*: ',video_name,tag'"),
        ("file;class\n" + lines("{p};{l}"), "must name path and label; it lacks 'path': 'file;class'"),
        ("path,lable\n" + lines("{p},{l}"), "lacks 'label'"),
        ("path,label,splt\n" + lines("{p},{l},train"), "unknown column 'splt'; allowed are path, label, split"),
        ("path,path,label\n" + lines("{p},{p},{l}"), "names 'path' twice"),
        ("path,label\na.mp4\n", "line 2: 1 cells under 2 columns: 'a.mp4'"),
        ("path,label\na, b.mp4,run\n", "line 2: 3 cells under 2 columns.*must be quoted"),
        ("path,label\na.mp4,\n", "empty label"),
        ("path,label,split\na.mp4,run,trian\n", "unknown split 'trian'; allowed are train"),
        ("path,label\n../a.mp4,run\n", "leaves the folder"),
        ("path,label\n/etc/passwd,run\n", "leaves the folder"),
        ("path,label\n,run\n", "is not a file in"),
        ("path,label,start,end\na.mp4,run,5,4\n", "not after the start"),
        ("path,label,start\na.mp4,run,soon\n", "number of seconds"),
        ('path,label\n"a.mp4,run\n', "not CSV"),
        (lines("{p},{l},{n},0.5"), "line 1: a CSV without a header is read where .* path,label\\[,split\\].*; got 'my clip 0"),
        (lines("{p} 1 3"), "expected one label a video, got '1 3' for 'my clip 0.mp4'"),
        ("my clip 0.mp4 run jump\nfall/b0.mp4 run\nfall/b1.mp4 jump\n", "expected one label a video, got 'run jump'"),
        ("lonely\n", "expected `path label`, got 'lonely'"),
        (b"path,label\na.mp4,l\xe4uft\n", r"not UTF-8 \(line 2: .*xe4uft'\); save it as UTF-8, in Excel as 'CSV UTF-8'"),
        (b"\xff\xfep\0a\0t\0h", "is not UTF-16|lonely|expected"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_beside_the_line(text, message):
    with pytest.raises(InputError, match=message) as error:
        read(text)
    assert "labels.csv" in str(error.value) and "\n" not in str(error.value)


def test_text_form_takes_commas_and_semicolons_as_letters_of_a_path():
    assert read("a, b.mp4 run\n", "l.txt", [])[0] == [("a, b.mp4", "run", None)]
    assert read("a;b.mp4 run\nc;d.mp4 run\n", "l.txt", [])[0] == [("a;b.mp4", "run", None), ("c;d.mp4", "run", None)]
    assert read("# 1.mp4 run\n", "l.txt", ["# 1.mp4"])[0] == [("# 1.mp4", "run", None)]


def test_a_split_column_without_a_header():
    found, _ = read("my clip 0.mp4,a,train\nfall/b0.mp4,b,VALID\n")
    assert [row[1:] for row in found] == [("a", "train"), ("b", "val")]


def test_ids_without_ending_are_files():
    found, _ = read("34870;Drumming Fingers\n56557;Sliding Left\n", files=["34870.webm", "train/56557.mp4", "56557.mp4"])
    assert [row[:2] for row in found] == [("34870.webm", "Drumming Fingers"), ("56557.mp4", "Sliding Left")]


def test_counting():
    assert counts_up(["0", "1", "2"]) and counts_up(["7", "8"])
    assert not counts_up(["0", "0", "1"]) and not counts_up(["1"]) and not counts_up(["a", "b"]) and not counts_up(["1", "3"])


def names_of(*files, root="/v"):
    return Names(root, files)


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        ("fall\\0.mp4", "fall/0.mp4", "backslashes"),
        (".\\fall\\0.mp4", "fall/0.mp4", "backslashes"),
        ("FALL/0.MP4", "fall/0.mp4", "another case"),
        ("fall/0", "fall/0.mp4", "without their ending"),
        ("la\u0308uft 0.mp4", "läuft 0.mp4", "Unicode form"),
        ("C:\\Users\\me\\videos\\fall\\0.mp4", "fall/0.mp4", "of another place, without their beginning 'C:"),
        ("D:/fall/0.mp4", "fall/0.mp4", "'D:/'"),
        ("/home/somebody/set/fall/0.mp4", "fall/0.mp4", "'/home/somebody/set/'"),
        ("\\\\server\\share\\Fall\\0.mp4", "fall/0.mp4", "of another place"),
    ],
)  # fmt: skip
def test_paths_as_others_write_them(path, source, said):
    names = names_of("fall/0.mp4", "fall/1.mp4", "läuft 0.mp4")
    assert names.find(path, "l") == (source, False)
    assert said in names.notes()[0]


def test_what_is_there_as_written_needs_no_note_and_two_that_fit_are_none():
    names = names_of("a.mp4", "A.mp4", "b\\c.mp4", "b/c.mp4")
    assert names.find("a.mp4", "l") == ("a.mp4", False) and names.find("b\\c.mp4", "l") == ("b\\c.mp4", False)
    assert not names.notes()
    assert names_of("aa.mp4", "aA.mp4").find("AA.mp4", "l") == ("AA.mp4", True)


def test_two_beginnings_are_refused_and_a_file_elsewhere_is_not_taken_for_one_inside(tmp_path):
    names = names_of("fall/0.mp4", "fall/1.mp4")
    names.find("C:\\one\\fall\\0.mp4", "l")
    with pytest.raises(InputError, match="is of another place than those before, 'C:.*one.*': expected are paths relative"):
        names.find("C:\\two\\fall\\1.mp4", "l, line 2")
    (tmp_path / "fall").mkdir()
    (tmp_path / "fall" / "0.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="leaves the folder"):
        names_of("fall/0.mp4").find(str(tmp_path / "fall" / "0.mp4"), "l")


@pytest.mark.parametrize(("path", "near"), [
    ("videos/fall/0.mp4", "fall/0.mp4"), ("0.mp4", "fall/0.mp4"), ("fall/0.avi", "fall/0.mp4"),
    ("walk/wak_12.mp4", "fall/walk_12.mp4"), ("nothing like it.mp4", None), ("fall/7.mp4", None),
])  # fmt: skip
def test_a_file_that_nearly_fits(path, near):
    assert names_of("fall/0.mp4", "fall/walk_12.mp4").nearest(path) == near


letters = st.characters(blacklist_categories=("Cs", "Cc", "Cf", "Z", "Cn"))
pieces = st.text(letters, min_size=1, max_size=8).filter(lambda n: n not in (".", "..") and "/" not in n and "\\" not in n)
paths = st.lists(pieces, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".mp4")
labels = pieces.map(composed).filter(lambda label: not label.endswith(".mp4"))


def _unlike(rows):
    """Paths that differ in more than case and Unicode form, and no drive letters: there the files are one."""
    keys = [composed(composed(path).casefold()) for path, _ in rows]
    return len(set(keys)) == len(keys) and not any(path[1:2] == ":" for path, _ in rows)


tables = st.fixed_dictionaries({
    "rows": st.lists(st.tuples(paths, labels), min_size=2, max_size=6, unique_by=lambda row: row[0]).filter(_unlike),
    "separator": st.sampled_from(",;\t|"), "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    "end": st.sampled_from(["\n", "\r\n", "\r"]), "header": st.booleans(), "index": st.booleans(), "sep": st.booleans(),
    "comment": st.booleans(), "blank": st.booleans(), "label_first": st.booleans(),
})  # fmt: skip


def written(form) -> bytes:
    """A table in one of the forms."""
    order = (lambda path, label: [label, path]) if form["label_first"] else (lambda path, label: [path, label])
    rows = [order("path", "label")] if form["header"] else []
    rows += [order(path, label) for path, label in form["rows"]]
    if form["index"]:
        rows = [[("" if form["header"] and not at else str(at)), *row] for at, row in enumerate(rows)]
    text = io.StringIO()
    csv.writer(text, delimiter=form["separator"], lineterminator=form["end"]).writerows(rows)
    head = f"sep={form['separator']}{form['end']}" if form["sep"] else ""
    head += f"# by hand{form['end']}" if form["comment"] else ""
    return (head + text.getvalue() + (form["end"] * 2 if form["blank"] else "")).encode(form["encoding"])


@given(tables)
def test_every_form_gives_back_what_was_written(form):
    found, notes = read(written(form), files=[path for path, _ in form["rows"]])
    assert [row[:2] for row in found] == form["rows"]
    assert len(notes) == 1 and "\n" not in notes[0]


@given(st.lists(st.tuples(paths, labels), min_size=1, max_size=8, unique_by=lambda row: row[0]).filter(_unlike),
       st.sampled_from(["as is", "backslashes", "upper", "decomposed", "drive", "elsewhere"]))
def test_every_path_is_found_however_it_is_written(rows, way):
    import unicodedata

    change = {
        "as is": str, "backslashes": lambda path: path.replace("/", "\\"), "upper": str.upper,
        "decomposed": lambda path: unicodedata.normalize("NFD", path), "drive": lambda path: "C:\\v\\" + path.replace("/", "\\"),
        "elsewhere": lambda path: f"/no/such/place/{path}",
    }[way]  # fmt: skip
    names = Names("/v", [path for path, _ in rows])
    for path, _ in rows:
        other = change(path)
        if way != "upper" or composed(other).casefold() == composed(path).casefold():  # not so of a few letters
            assert names.find(other, "l") == (path, False)


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")),
       st.sampled_from(["auto", "csv", "text", "kinetics"]),
       st.sampled_from([b"", b"path,label,split\n", b"label,youtube_id,time_start,time_end,split\n", b"sep=;\n", b"a.mp4 run\n"]),
       st.sampled_from(["l.csv", "l.txt"]))
def test_any_bytes_are_read_or_refused_in_one_line(data, form, head, name):
    try:
        entries, notes = read_rows(head + data, name, Names("/v", FILES), form)
    except InputError as error:
        assert "\n" not in str(error) and name in str(error)
        return
    for entry in entries:
        assert not entry.source.startswith(("/", "../")) and isinstance(entry.label_text, str)
    assert all("\n" not in note for note in notes)


@given(st.binary(max_size=60))
def test_no_line_is_lost(data):
    """Every line with content is a row, the header, a comment or the line of Excel."""
    try:
        table = read_table(b"a.mp4,run\n" + data, "l", form="csv")
    except InputError:
        return
    text = (b"a.mp4,run\n" + data).decode(errors="replace")
    content = [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line.replace(",", "").strip()]
    quoted = '"' in text  # a quoted cell may hold several lines
    assert quoted or len(table.rows) + table.comments + (table.header is not None) == len(content)
