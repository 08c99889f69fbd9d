"""The files that the paths of a label file mean: as written, or as another machine, system or keyboard writes them."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from pathlib import Path, PurePosixPath

from components.ingestion.entries import composed
from components.ingestion.files_found import has_video_ending
from expansion.foundation.errors import InputError

MOST_COMPARED = 5000  # names that are compared letter by letter in search of a near one
_DRIVE = re.compile(r"^[A-Za-z]:[\\/]|^\\\\")

HOW = {
    "backslashes": "with backslashes for slashes", "composed": "in another Unicode form", "case": "in another case",
    "ending": "without their ending", "elsewhere": "of another place, without their beginning",
    "linked": "by the real place of the folder",
}  # fmt: skip


def _digits(name: str) -> str:
    return re.sub(r"\D", "", name)


def inside(root: str, path: str, where: str) -> str:
    """A label's path relative to the root, with forward slashes.

    Raises:
        InputError: the path is empty or leaves the root, by `..` or by being absolute.
    """
    if "\0" in path:
        raise InputError(f"{where}: a path cannot hold a null byte")
    base = os.path.abspath(root)
    full = os.path.normpath(os.path.join(base, path))
    if full != base and os.path.commonpath([base, full]) == base:
        return Path(os.path.relpath(full, base)).as_posix()
    raise InputError(f"{where}: path {path!r} {'leaves' if full != base else 'is not a file in'} the folder of videos")


class Names:
    """Finds files by paths of label files. What is there as written is that; otherwise only a single file that fits counts.

    Args:
        root: folder of the videos.
        files: paths of the videos in it, relative.
    """

    def __init__(self, root: str, files):
        self.root = root
        self.files = tuple(files)
        self._known = set(self.files)
        self._real = os.path.realpath(root)
        self._by: dict[str, dict[str, list[str]]] = {}
        self.how: Counter = Counter()  # way of HOW -> paths that were found so
        self.beginning: str | None = None  # what paths of another place have before what lies in the folder

    def find(self, path: str, where: str) -> tuple[str, bool]:
        """(path relative to the root, whether there is no such file).

        Raises:
            InputError: the path is empty or leaves the folder.
        """
        absolute = os.path.isabs(path) or _DRIVE.match(path)
        try:
            source = inside(self.root, path, where)
            if self._is_there(source):
                return source, False
        except InputError as error:
            source = self._of_real_place(path)
            if source is not None and self._is_there(source):
                self.how["linked"] += 1
                return source, False
            if not absolute or "\0" in path or os.path.exists(path):  # what lies there is another file
                raise
            found = self._elsewhere(path, where)
            if found is None:
                raise error
            return found, False
        if _DRIVE.match(path) and (found := self._elsewhere(path, where)) is not None:
            return found, False
        plain = source
        if "\\" in path:
            plain = inside(self.root, path.replace("\\", "/"), where)
            if self._is_there(plain):
                self.how["backslashes"] += 1
                return plain, False
        found, way = self._alike(plain)
        if found is None:
            return plain, True
        self.how[way] += 1
        self.how["backslashes"] += plain != source
        return found, False

    def is_video(self, text: str) -> bool:
        """Whether a text of a label file names a video: by its ending, or because there is one."""
        return has_video_ending(text) or self.is_known(text)

    def is_known(self, text: str) -> bool:
        """Whether there is a video of that path, in whatever form it is written."""
        path = os.path.normpath(text.replace("\\", "/"))
        return text in self._known or bool(text) and self._alike(path)[0] is not None

    def by_name(self, name: str) -> list[str]:
        """Videos of that name in any folder."""
        return self._index("name", lambda file: composed(PurePosixPath(file).name)).get(composed(name), [])

    def by_stem(self, name: str) -> str | None:
        """The first video of that name without its ending, in any folder."""
        return next(iter(self._index("stem", lambda file: PurePosixPath(file).stem).get(name, [])), None)

    def nearest(self, source: str) -> str | None:
        """A video whose path nearly is the one that is not there; None if none is."""
        parts = PurePosixPath(composed(source).casefold()).parts
        folded = self._index("case", lambda file: composed(file).casefold())
        for at in range(1, len(parts)):
            if found := folded.get("/".join(parts[at:])):
                return found[0]
        ends = self._index("folded name", lambda file: PurePosixPath(composed(file).casefold()).name)
        stems = self._index("folded stem", lambda file: PurePosixPath(composed(file).casefold()).stem)
        found = ends.get(parts[-1]) or stems.get(PurePosixPath(parts[-1]).stem) if parts else None
        if not found:
            name = parts[-1] if parts else ""
            numbered = [end for end in ends if _digits(end) == _digits(name)]  # clip 3 is not nearly clip 4
            close = difflib.get_close_matches(name, numbered[:MOST_COMPARED], 1, 0.75)
            found = ends[close[0]] if close else None
        return found[0] if found else None

    def notes(self) -> list[str]:
        """How the paths were found that are not there as written; at most one line."""
        ways = [f"{count} {HOW[way]}" + (f" {self.beginning!r}" if way == "elsewhere" else "")
                for way, count in sorted(self.how.items()) if count]
        return [f"paths matched to files: {', '.join(ways)}"] if ways else []

    def _is_there(self, source: str) -> bool:
        return source in self._known or os.path.isfile(os.path.join(self.root, source))

    def _of_real_place(self, path: str) -> str | None:
        """A path under what the root is a link to, relative; None for others."""
        full = os.path.normpath(path)
        if not os.path.isabs(path) or "\0" in path:
            return None
        for found in (full, os.path.realpath(full)):
            if found != self._real and os.path.commonpath([self._real, found]) == self._real:
                return Path(os.path.relpath(found, self._real)).as_posix()
        return None

    def _alike(self, path: str) -> tuple[str | None, str]:
        """(the one file whose path is alike, in which way)."""
        for way, key in (("composed", composed), ("case", lambda text: composed(text).casefold())):
            found = self._index(way, key).get(key(path), ())
            if len(found) == 1:
                return found[0], way
            if found:
                return None, way
        if not has_video_ending(path):
            stems = self._index("ending", lambda file: composed(os.path.splitext(file)[0]))
            found = stems.get(composed(path), ())
            if len(found) == 1:
                return found[0], "ending"
        return None, ""

    def _elsewhere(self, path: str, where: str) -> str | None:
        """The file of an absolute path of another machine: what is left without a beginning, the same for all paths."""
        parts = [part for part in path.replace("\\", "/").split("/") if part]
        for at in range(1, len(parts)):
            rest = "/".join(parts[at:])
            found = rest if rest in self._known else self._alike(rest)[0]
            if found is None:
                continue
            beginning = path[: len(path) - len(rest)]
            if self.beginning is not None and self.beginning.casefold() != beginning.casefold():
                raise InputError(f"{where}: path {path!r} is of another place than those before, {self.beginning!r}: "
                                 f"expected are paths relative to the folder of videos, such as {found!r}")
            self.beginning = beginning
            self.how["elsewhere"] += 1
            return found
        return None

    def _index(self, name: str, key) -> dict[str, list[str]]:
        """Key -> files, made when it is first needed."""
        if name not in self._by:
            made: dict[str, list[str]] = {}
            for file in self.files:
                made.setdefault(key(file), []).append(file)
            self._by[name] = made
        return self._by[name]
