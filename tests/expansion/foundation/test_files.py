"""Files and folders: a path is a name, a file is whole or not there, and drives may lack links, locks and syncing."""

import errno
import fcntl
import multiprocessing
import os
import re

import pytest

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.files import WriteFailed
from expansion.foundation.lock import Lock, lock
from expansion.foundation.paths import local_copies

# Each is a pattern, a variable or a command to something.
ODD = ["a[1]", "a?", "a*", "**", "a{1,2}", "[!a]", "~", "~root", "$HOME", "%(x)s", r"a\1", "a b", " a ", "#a", "a:b", "a::b",
       "-a", "läuft", "a'b\"c", "file:a"]


@pytest.fixture(params=ODD)
def odd(request, tmp_path):
    """A folder of such a name, beside one that the pattern would match; both hold x/f."""
    for name in ("a1", request.param):
        files.write_text(str(tmp_path / name / "x" / "f"), name)
    yield str(tmp_path / request.param)
    assert files.read_text(str(tmp_path / "a1" / "x" / "f")) == "a1" and sorted(os.listdir(tmp_path / "a1")) == ["x"]


def test_a_path_is_a_name(odd, tmp_path):
    name = os.path.basename(odd)
    assert files.listed(str(tmp_path)) == sorted([odd, str(tmp_path / "a1")]) and files.listed(odd) == [f"{odd}/x"]
    assert files.inside_each(odd, "f") == [f"{odd}/x/f"] and files.read_text(f"{odd}/x/f") == name
    assert files.exists(odd) and files.size(f"{odd}/x/f") == len(name.encode())
    assert local_copies([f"{odd}/x/f"]) == [f"{odd}/x/f"]
    assert files.create_folder(f"{odd}/j") and not files.create_folder(f"{odd}/j") and files.names(f"{odd}/j") == []
    with files.written_whole(f"{odd}/w.txt") as partial, open(partial, "w") as file:
        file.write("whole")
    files.copy_folder(f"{odd}/x", f"{odd}/y")
    files.move_into(f"{odd}/y", f"{odd}/z", "f")
    assert files.listed(f"{odd}/z") == [f"{odd}/z/f"] and files.listed(f"{odd}/y") == []
    assert files.move_aside(f"{odd}/z") == f"{odd}/z.1"
    files.remove_folder(f"{odd}/z.1")
    files.remove_file(f"{odd}/w.txt")
    assert [os.path.basename(path) for path in files.listed(odd)] == ["j", "x", "y"]
    files.remove_folder(f"{odd}/")  # with a slash at its end, too
    assert os.listdir(tmp_path) == ["a1"]


def test_a_relative_path_of_such_a_name(odd, tmp_path, monkeypatch):
    monkeypatch.chdir(odd)
    files.write_json("x/[2]", [2])
    assert files.listed("x", prefix="[") == [f"{odd}/x/[2]"] and files.read_json("x/[2]") == [2]


@pytest.mark.parametrize("change", [
    files.folder, files.remove_folder, files.move_aside, lambda path: files.write_text(f"{path}/f", "a")])
@pytest.mark.parametrize("character", "*?[")
def test_addresses_that_fsspec_would_read_as_patterns_are_refused(change, character):
    path = f"memory://odd/rec{character}"
    files.write_text("memory://odd/rec1/f", "there")
    with pytest.raises(InputError, match=rf"^memory://odd/rec\{character}.*: choose a path without \{character}, which fsspec"):
        if change is files.move_aside:
            assert not files.exists(path)
            files.move_into(path, "memory://odd/to", "f")
        change(path)
    assert files.read_text("memory://odd/rec1/f") == "there"


def test_what_is_listed_at_an_address_can_be_read_there():
    for name in ("t/1/f", "t/2/f", "t/2/g", "s/f"):
        files.write_text(f"memory://list/{name}", name)
    assert files.inside_each("memory://list/t", "f") == ["memory://list/t/1/f", "memory://list/t/2/f"]
    assert files.inside_each("memory://list", "g", prefix="t") == [] == files.listed("memory://list/none")
    assert [files.read_text(path) for path in files.listed("memory://list/t/2")] == ["t/2/f", "t/2/g"]
    (copy,) = local_copies(["memory://list/s/f"])
    with open(copy) as file:
        assert file.read() == "s/f"


@pytest.mark.parametrize("path", ["nowhere://a/b", "gs+x://a"])
def test_an_address_of_no_known_kind_is_one_line(path):
    with pytest.raises(InputError, match=f"^{re.escape(path)}: ") as error:
        files.write_text(path, "a")
    assert "\n" not in str(error.value)


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = str(tmp_path / "f")
    files.write_text(path, "old")
    with pytest.raises(ArithmeticError), files.writing(path) as file:
        file.write(b"new")
        raise ArithmeticError
    with pytest.raises(ArithmeticError), files.written_whole(path) as partial:
        open(partial, "w").close()
        raise ArithmeticError
    assert os.listdir(tmp_path) == ["f"] and files.read_text(path) == "old"


def test_what_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    for write in (lambda path: files.write_text(path, "a"), files.folder):
        with pytest.raises(WriteFailed, match=r"^cannot write .*/file/x: \w[^\n]*$"):
            write(str(tmp_path / "file" / "x"))

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteFailed, match=r"^cannot write .*/a: No space left on device$"):
        files.write_text(str(tmp_path / "a"), "a")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL])
def test_a_drive_without_links_and_syncing(tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "symlink", refuse)
    if number != errno.EPERM:
        monkeypatch.setattr(os, "fsync", refuse)
    assert files.create_folder(str(tmp_path / "new")) and not files.create_folder(str(tmp_path / "new"))
    files.write_json(str(tmp_path / "new" / "f.json"), [1])
    files.move_into(str(tmp_path / "new"), str(tmp_path / "to"), "f.json")
    assert files.read_json(str(tmp_path / "to" / "f.json")) == [1] and files.names(str(tmp_path / "to")) == ["f.json"]


def _tries(path, number, start, answers):
    start.wait()
    answers.put((number, files.create_folder(path)))


def test_of_several_who_create_a_folder_one_does(tmp_path):
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.Queue()
    processes = [context.Process(target=_tries, args=(str(tmp_path / "new"), number, start, answers)) for number in range(8)]
    for process in processes:
        process.start()
    start.set()
    made = dict(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert list(made.values()).count(True) == 1


def test_locks_exclude_and_share(tmp_path):
    path = tmp_path / "lock"
    with open(path, "w") as one, open(path) as two:
        assert lock(one, shared=True) and lock(two, shared=True) and not lock(two)
    with open(path, "w") as one, open(path) as two:
        assert lock(one) and not lock(two, shared=True)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_drive_without_locks_keeps_nobody_out(tmp_path, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Lock(str(tmp_path / "lock")), Lock(str(tmp_path / "lock")):
        pass


def test_a_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    monkeypatch.setattr("expansion.foundation.lock.fcntl", None)
    with Lock(str(tmp_path / "lock")), Lock(str(tmp_path / "lock")):
        pass
