"""Where every JPEG of a split lies in its shards, so that a clip reads its own frames and not their whole record.

A TFRecord cannot be entered in its middle: 4 frames of a 10-second video would cost all 300. The index is two files a
split in index/ beside the Split-* folders, both plain rows of little-endian numbers in the order of the records:

    train.videos    VIDEO: frames, label, height, width
    train.frames    FRAME: shard (by number, from 0), bytes of the JPEG, and where in the shard they begin

NumPy only: Beam's workers write it.
"""

from __future__ import annotations

import os
from typing import BinaryIO

import numpy as np

from expansion.data import records
from expansion.data.dataset import VideoDataset
from expansion.data.example import FRAMING, find_features, values
from expansion.foundation import files, paths
from expansion.foundation.errors import InputError

VIDEO = np.dtype([("frames", "<i4"), ("label", "<i4"), ("height", "<i4"), ("width", "<i4")])
SEVERAL = -1  # label of a video whose labels are in the segment index
FRAME = np.dtype([("shard", "<i4"), ("bytes", "<i4"), ("at", "<i8")])


def index_paths(folder: str, split: str) -> tuple[str, str]:
    """The index's files of a split: videos, frames."""
    base = os.path.join(folder, records.INDEX, split)
    return f"{base}.videos", f"{base}.frames"


def index_of(record: bytes) -> tuple[np.ndarray, np.ndarray]:
    """A record's rows: VIDEO (1,) and FRAME (frames,), as if it began its shard 0.

    Raises:
        ValueError: not a record of this project.
    """
    found = find_features(record)
    kept = [values(record, *found.get(name, (0, []))) for name in (records.LABEL, records.HEIGHT, records.WIDTH)]
    if records.LENGTH in found:
        kept[0] = [SEVERAL]
    _, spans = found.get(records.JPEG, (0, []))
    if not spans or any(len(one) != 1 for one in kept):
        raise ValueError("not a record of this project: it lacks frames, label, height or width")
    video = np.array([(len(spans), *(value for value, in kept))], VIDEO)
    frames = np.zeros(len(spans), FRAME)
    begin, end = np.array(spans).T
    frames["at"], frames["bytes"] = FRAMING[0] + begin, end - begin
    return video, frames


class IndexWriter:
    """Writes the rows of one record after the other, in the order of the shards.

    Args:
        videos, frames: files, opened to write bytes.

    Attributes:
        shard: number of the shard in which lies what is added now.
    """

    def __init__(self, videos: BinaryIO, frames: BinaryIO):
        self._videos, self._frames = videos, frames
        self.shard = self._at = 0

    def next_shard(self) -> None:
        """What is added now lies in the next shard."""
        self.shard, self._at = self.shard + 1, 0

    def add(self, record: bytes) -> None:
        """A record that was written to the shard."""
        self.add_rows(*index_of(record), len(record) + sum(FRAMING))

    def add_rows(self, videos: np.ndarray, frames: np.ndarray, size: int) -> None:
        """Rows whose places count from the shard's end so far, and by how many bytes it grew."""
        moved = frames.copy()
        moved["shard"], moved["at"] = self.shard, moved["at"] + self._at
        self._videos.write(videos.tobytes())
        self._frames.write(moved.tobytes())
        self._at += size


class FrameIndex:
    """The index of a split, and its frames by their row; frames of all shards count as one sequence.

    Attributes:
        videos: VIDEO rows (videos,).
        first: the row of each video's first frame, (videos,).
    """

    def __init__(self, videos: np.ndarray, frames: np.ndarray, shards: list[str]):
        self.videos, self._frames, self._shards = videos, frames, shards
        self.first = np.cumsum(videos["frames"], dtype=np.int64) - videos["frames"]

    @classmethod
    def open(cls, data: VideoDataset, split: str) -> FrameIndex | None:
        """The index of a split; None where it has none, or its shards are not files of this machine.

        Raises:
            InputError: it does not fit the records.
        """
        index = index_paths(data.path, split)
        shards = data.files(split)
        if any("://" in path or path.endswith(".gz") for path in shards) or not all(map(files.exists, index)):
            return None
        videos_path, frames_path = paths.local_copies(index)
        videos = np.fromfile(videos_path, VIDEO)
        whole = len(videos) == data.videos(split)
        whole = whole and os.path.getsize(frames_path) == FRAME.itemsize * videos["frames"].sum() > 0
        frames = np.memmap(frames_path, FRAME, "r") if whole else None
        if frames is None or frames[-1]["shard"] != len(shards) - 1:
            raise InputError(f"{index[0]}: not the index of the records beside it; ingest again")
        sizes = [size for name, size in sorted(data.manifest.files.items()) if name.startswith(f"Split-{split}/")]
        if len(sizes) != len(shards):
            raise InputError(f"{data.path}: {len(shards)} shards in split {split!r}, {len(sizes)} by the manifest; ingest again")
        for path, size in zip(shards, sizes):  # in order: a copy of a shard has another name
            if os.path.getsize(path) != size:
                raise InputError(f"{path}: {os.path.getsize(path)} bytes, {size} by the manifest; ingest again")
        return cls(videos, frames, shards)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """JPEG strings of frames of one video, (rows,).

        Raises:
            InputError: the shard ends before them.
        """
        found = self._frames[rows]
        path = self._shards[found["shard"][0]]
        file = os.open(path, os.O_RDONLY)  # opened each time: large data have more shards than a process may hold open
        try:
            jpeg = [os.pread(file, size, at) for size, at in zip(found["bytes"].tolist(), found["at"].tolist())]
        finally:
            os.close(file)
        if any(len(one) < size for one, size in zip(jpeg, found["bytes"])):
            raise InputError(f"{path}: shorter than its index says; ingest again")
        return np.array(jpeg, object)
