"""The index of frames of each split, joined from those that the parts were written with."""

from __future__ import annotations

import itertools

import numpy as np

from components.ingestion.beam import INDEX, RECORDS, SEGMENTS, Shard
from expansion.data.frame_index import FRAME, VIDEO, IndexWriter, index_paths
from expansion.data.segment_index import segment_paths
from expansion.foundation import files


def write_index(shards: list[Shard], output_dir: str, scratch: str) -> dict[str, int]:
    """Writes the indexes of the splits; the parts of the shards are still there.

    Args:
        shards: of all splits, those of one after each other.
        scratch: folder of unfinished files.

    Returns:
        Relative path -> bytes of what was written.
    """
    written = {}
    of_split = itertools.groupby(shards, key=lambda shard: shard.path.rsplit("/", 2)[-2].removeprefix("Split-"))
    for split, of_it in ((split, list(of_it)) for split, of_it in of_split):
        paths = index_paths(output_dir, split)
        with files.writing(paths[0], scratch) as videos, files.writing(paths[1], scratch) as frames:
            writer = IndexWriter(videos, frames)
            for number, shard in enumerate(of_it):
                if number:
                    writer.next_shard()
                for part in shard.parts:
                    rows = (files.read_bytes(part.removesuffix(RECORDS) + ending) for ending in INDEX)
                    writer.add_rows(*map(np.frombuffer, rows, (VIDEO, FRAME)), files.size(part))
        parts = [part.removesuffix(RECORDS) for shard in of_it for part in shard.parts]
        if files.exists(parts[0] + SEGMENTS[0]):
            timing = segment_paths(output_dir, split)
            for path, ending in zip(timing, SEGMENTS):
                files.write_bytes(path, b"".join(files.read_bytes(part + ending) for part in parts))
            paths += timing
        written |= {"/".join(path.rsplit("/", 2)[-2:]): files.size(path) for path in paths}
    return written
