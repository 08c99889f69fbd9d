"""Everything that lies in a folder of videos: which files are videos, by ending or by first bytes, and what the others are."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from components.ingestion.entries import Unused, shorten
from expansion.foundation.errors import InputError

VIDEO_ENDINGS = frozenset(
    ".264 .265 .3g2 .3gp .3gpp .asf .avc .avi .divx .dv .f4v .flv .gif .h264 .h265 .hevc .ivf .m1v .m2p .m2t .m2ts "
    ".m2v .m4v .mjpeg .mjpg .mkv .mod .mov .mp4 .mp4v .mpe .mpeg .mpg .mpg4 .mpv .mts .mxf .obu .ogm .ogv .qt .tod "
    ".tp .trp .ts .vob .webm .wmv .xvid .y4m".split()
)
PICTURE_ENDINGS = frozenset(".avif .bmp .cr3 .heic .heif .jpeg .jpg .png .ppm .thm .tif .tiff .webp".split())
# What begins as videos do, or is one, and is none to learn from.
BESIDE_VIDEOS = dict.fromkeys(".aac .flac .m4a .m4b .mka .mp3 .oga .ogg .opus .wav .weba .wma".split(), "sound") | dict.fromkeys(
    (".lrf", ".lrv"), "a small copy that a camera writes beside its video")
PICTURES = "pictures"  # reason of a folder of pictures
NOT_VIDEO = "not_video"  # reason of any other file
NO_VIDEO_FOLDER = "empty_folder"

# What begins a file of the containers and streams that are decoded; bytes at 4 are ISO's "ftyp", "moov", "mdat", ....
_BEGINNINGS = (
    rb"\x1aE\xdf\xa3", rb"RIFF....AVI ", rb"GIF8[79]a", rb"FLV\x01", rb"OggS.{24,300}\x80theora", b"DKIF", b"YUV4MPEG2 ",
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", rb"....(?:ftyp(?!M4A|M4B|hei|mif1|msf1|avi|crx|jp)|moov|mdat|wide|moof|styp)",
    rb"\0\0\x01[\xb0\xb3\xb5\xba]", rb"\0\0(?:\0)?\x01[\x09\x27\x40\x42\x46\x67]",
    rb"\x06\x0e\x2b\x34\x02\x05\x01\x01", rb"\x1f\x07\0[\x3f\xbf]",
)  # fmt: skip
_BEGINNING = re.compile(b"|".join(_BEGINNINGS), re.DOTALL)
_PACKETS, _SYNC = ((0, 188), (4, 192)), 0x47  # (offset, bytes) of a transport stream's packets, and what each begins with


@dataclass(frozen=True)
class FilesFound:
    """What lies in a folder of videos; all paths are relative to it and sorted.

    Attributes:
        videos: files that are taken for videos.
        others: every other file, folders of pictures as one, and folders without anything in them.
        notes: what was passed over without a line of its own.
    """

    videos: tuple[str, ...]
    others: tuple[Unused, ...] = ()
    notes: tuple[str, ...] = ()


def has_video_ending(path: str) -> bool:
    """Whether a name ends as videos do."""
    return PurePosixPath(path).suffix.lower() in VIDEO_ENDINGS


def begins_as_video(path: str) -> bool:
    """Whether a file's first bytes are those of a container or stream of video. Decoding it has the last word."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # to open a pipe would wait for its other end
            return False
        with open(path, "rb") as file:
            head = file.read(400)
    except OSError:
        return False
    packets = any(len(head) > at + size and head[at] == head[at + size] == _SYNC for at, size in _PACKETS)
    return packets or bool(_BEGINNING.match(head))


def find_files(root: str, follow: bool = False) -> FilesFound:
    """Everything under a folder; hidden files and folders are left out, hidden videos with a note.

    Links to folders are walked if `follow`, else left out, and one that leads out of the root is an error.

    Raises:
        InputError: the folder does not exist or is not a folder, or a link leads out of it.
    """
    if not os.path.isdir(root):
        state = "is not a folder" if os.path.exists(root) else "does not exist"
        raise InputError(f"folder of videos {root!r} {state}")
    videos, others, hidden, walked = [], [], [], set()

    def unreadable(error: OSError) -> None:
        others.append(Unused(Path(os.path.relpath(error.filename, root)).as_posix() + "/", "unreadable", error.strerror))

    for folder, folders, files in os.walk(root, onerror=unreadable, followlinks=follow):
        relative = Path(os.path.relpath(folder, root)).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        if os.path.realpath(folder) in walked:
            folders.clear()
            others.append(Unused(prefix, "duplicate", "a link to a folder that is walked already"))
            continue
        walked.add(os.path.realpath(folder))
        hidden += [f"{prefix}{name}/" for name in folders if name.startswith(".")]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not follow:
            links = [f"{prefix}{name}" for name in folders]
            refuse_links_out(root, links)
            others += [Unused(f"{name}/", "link", "a link to a folder; links='follow' walks it")
                       for name in links if os.path.islink(os.path.join(root, name))]
        hidden += [f"{prefix}{name}" for name in files if name.startswith(".") and not name.startswith("._")
                   and has_video_ending(name)]
        files = [name for name in files if not name.startswith(".")]
        pictures: Counter = Counter()
        for name in files:
            ending = PurePosixPath(name).suffix.lower()
            if ending in PICTURE_ENDINGS:
                pictures[ending] += 1
            elif ending in BESIDE_VIDEOS:
                others.append(Unused(prefix + name, NOT_VIDEO, BESIDE_VIDEOS[ending]))
            elif ending in VIDEO_ENDINGS or begins_as_video(os.path.join(folder, name)):
                videos.append(prefix + name)
            else:
                others.append(Unused(prefix + name, NOT_VIDEO, _what(name)))
        if pictures:
            others.append(Unused(prefix or "./", PICTURES, _of_pictures(pictures)))
        if not files and not folders and prefix:
            others.append(Unused(prefix, NO_VIDEO_FOLDER, "a folder without a file"))
    notes = [f"hidden, passed over: {shorten(sorted(hidden))}"] if any(has_video_ending(name) for name in hidden) else []
    return FilesFound(tuple(sorted(videos)), tuple(sorted(others, key=lambda other: other.source)), tuple(notes))


def with_folders_of_frames(found: FilesFound) -> FilesFound:
    """The same, with each folder of pictures for a video; one that lies beside videos in the root stays what it was."""
    folders = [other for other in found.others if other.reason == PICTURES and other.source]
    videos = sorted((*found.videos, *(folder.source.rstrip("/") for folder in folders)))
    return replace(found, videos=tuple(videos), others=tuple(other for other in found.others if other not in folders))


def _what(name: str) -> str:
    ending = PurePosixPath(name).suffix
    return (f"the ending {ending!r} and its " if ending else "its ") + "first bytes are none of a video that is read"


def _of_pictures(endings: Counter) -> str:
    ending = endings.most_common(1)[0][0]
    return (f"{sum(endings.values())} pictures ({ending}), not a video; if they are its frames, make one of them: "
            f"ffmpeg -framerate <rate> -pattern_type glob -i '*{ending}' video.mp4")


def refuse_links_out(root: str, sources) -> None:
    """Raises InputError where the real place of one of the paths under the root is outside of it."""
    base = os.path.realpath(root)
    real = {source: os.path.realpath(os.path.join(root, source)) for source in sources}
    out = [source for source, path in real.items() if os.path.commonpath([base, path]) != base]
    if out:
        raise InputError(f"symbolic link out of the folder of videos: {shorten(out)}; links='follow' allows it")
