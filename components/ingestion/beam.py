"""The work in Beam: a part is a few videos written to one file; a shard is parts joined.

Imports neither TFX nor TensorFlow. The bytes of videos never pass through the runner: each worker writes its own
files, so the memory of a run is one video a worker, the result is the same on every runner, and a run that was
stopped resumes with the parts it has.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from dataclasses import dataclass

import apache_beam as beam

from components.ingestion.entries import Entry, Label
from components.ingestion.settings import IngestSettings
from expansion.foundation import files

RECORDS, DONE = ".tfrecord", ".json"
INDEX = ".videos", ".frames"  # of a part, as of a split; see expansion.data.frame_index
SEGMENTS = ".timing", ".segments"  # of a part whose videos have several labels; see expansion.data.segment_index
ENCODER = "components.ingestion.encode:answer"  # what the workers' child processes run


@dataclass(frozen=True)
class Part:
    """Some videos of one split, in the order of their records.

    Attributes:
        name: unique to the settings and the content of its videos; files of another input never fit it.
        entries: the videos; all have a split and a group.
        labels: index of each entry's class; where it has segments, those of theirs, and the number of all classes.
    """

    name: str
    entries: tuple[Entry, ...]
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Shard:
    """A file of the data set: its path, the part files that make it, in order, and their bytes in all."""

    path: str
    parts: tuple[str, ...]
    bytes: int


def part_result(folder: str, name: str) -> dict | None:
    """What a finished part says of itself, {"bytes", "rows"}; None if it is not finished or its file is not whole."""
    done = os.path.join(folder, name + DONE)
    if not files.exists(done):
        return None
    result = files.read_json(done)
    return result if files.size(os.path.join(folder, name + RECORDS)) == result["bytes"] else None


class WritePart(beam.DoFn):
    """Decodes a part's videos and writes <name>.tfrecord, its index, then <name>.json; a finished part is left alone."""

    def __init__(self, settings: IngestSettings, folder: str):
        self._settings = settings.model_dump(mode="json")
        self._folder = folder
        self._function = ENCODER

    def setup(self):
        from components.ingestion.encode import Encoder

        self._encoder = Encoder(IngestSettings(**self._settings), self._function)

    def teardown(self):
        self._encoder.close()

    def process(self, part: Part):
        from expansion.data.example import tfrecord
        from expansion.data.frame_index import IndexWriter
        from expansion.data.segment_index import segments_of

        if part_result(self._folder, part.name) is not None:
            yield part.name
            return
        rows, written = [], 0
        index, segments = (io.BytesIO(), io.BytesIO()), (io.BytesIO(), io.BytesIO())
        add_to_index = IndexWriter(*index).add
        with files.writing(os.path.join(self._folder, part.name + RECORDS)) as file:
            for entry, label in zip(part.entries, part.labels):
                record, row = self._encoder.encode(entry, label)
                rows.append(row.as_dict())
                beam.metrics.Metrics.counter("ingest", "accepted" if row.accepted else "rejected").inc()
                if record is None:
                    continue
                for piece in tfrecord(record):
                    file.write(piece)
                    written += len(piece)
                add_to_index(record)
                for file_of, rows_of in zip(segments, segments_of(record)):
                    file_of.write(rows_of.tobytes())
        kept = [*zip(INDEX, index), *(zip(SEGMENTS, segments) if part.entries[0].segments is not None else ())]
        for ending, content in kept:
            files.write_bytes(os.path.join(self._folder, part.name + ending), content.getvalue())
        result = {"bytes": written, "rows": rows}
        files.write_text(os.path.join(self._folder, part.name + DONE), json.dumps(result))
        yield part.name


class WriteShard(beam.DoFn):
    """Joins part files into a shard: a TFRecord file after another is a TFRecord file."""

    def __init__(self, scratch: str):
        self._scratch = scratch

    def process(self, shard: Shard):
        with files.writing(shard.path, self._scratch) as file:
            for part in shard.parts:
                with files.open_read(part) as source:
                    shutil.copyfileobj(source, file, 1 << 20)
        yield shard.path


def write_failure(error: BaseException) -> str | None:
    """The line of the WriteFailed that is behind an error; None if none is.

    Beam makes a worker's error a new one, with where it happened behind its text, or a text alone.
    """
    text = str(error)
    if isinstance(error, files.WriteFailed):
        text = f"{files.WriteFailed.__name__}: {text}"
    found = re.search(r"^(?:.*\b)?WriteFailed: (.+?)(?: \[while running .*)?$", text, re.MULTILINE)
    return found and found[1]


def run(pipeline: beam.Pipeline, work: list, dofn: beam.DoFn, name: str) -> None:
    """Runs the DoFn over the work, spread over all workers, and waits for the end."""
    with pipeline:
        _ = pipeline | f"{name}s" >> beam.Create(work) | "Spread" >> beam.Reshuffle() | name >> beam.ParDo(dofn)
