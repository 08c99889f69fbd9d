"""Ingestion from end to end: list, check, split, decode in Beam, write shards, account for every video."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.ingestion.beam import DONE, RECORDS, Shard, WritePart, WriteShard, part_result, run, write_failure
from components.ingestion.encode import VideoRow
from components.ingestion.entries import shorten
from components.ingestion.files_found import NO_VIDEO_FOLDER, NOT_VIDEO, PICTURES
from components.ingestion.index import write_index
from components.ingestion.plan import Plan, make_plan
from components.ingestion.settings import IngestSettings
from components.ingestion.several import task_of
from expansion.data.frame_index import index_paths
from expansion.data.manifest import Manifest, SplitCounts, is_whole
from expansion.data.records import MANIFEST, SPLITS, VIDEOS
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.machine import cores
from expansion.tasks.segments import Segment, count_oddities

WORK = "_parts"  # beside the Split-* folders while the ingestion runs
SHARD_NAME = "data_tfrecord"  # TFX's name; no .gz, because JPEG does not compress
SHARE_EXEMPT = ("missing", "no_label", "duplicate", "link", NOT_VIDEO, PICTURES, NO_VIDEO_FOLDER)  # said of no video

Progress = Callable[[int, int], None]


def ingest(
    settings: IngestSettings,
    output_dir: str,
    make_pipeline: Callable[[], beam.Pipeline],
    work_dir: str | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Ingests into a folder: Split-*/data_tfrecord-*, index/, videos.jsonl, and last manifest.json.

    A folder whose manifest is of the same input and settings is returned as it is. A run that was stopped resumes
    with the parts in `work_dir`.

    Args:
        settings: what to ingest and how.
        output_dir: the folder; anything that fsspec can write.
        make_pipeline: gives a new Beam pipeline; two are run, one that decodes and one that joins.
        work_dir: folder for unfinished work; `output_dir`/_parts if None.
        progress: called now and then with (videos done, videos in all).

    Raises:
        InputError: an error of use; too many rejects; a class or everything rejected (videos.jsonl is there then); a
            full disk.
    """
    plan = make_plan(settings)
    try:
        return _ingest(plan, settings, output_dir, make_pipeline, work_dir, progress)
    except Exception as error:
        line = write_failure(error)
        if line is None:
            raise
        raise InputError(f"{line}; what is finished is kept: the same command resumes from there") from error


def _ingest(plan: Plan, settings, output_dir: str, make_pipeline, work_dir, progress) -> Manifest:
    scratch = os.path.join(output_dir, WORK)
    work = os.path.join(work_dir or scratch, plan.fingerprint[:16])
    whole = is_whole(output_dir, plan.fingerprint)
    if whole is not None:
        _remove_work(work, scratch)  # of a run that was killed after its manifest was written
        return whole
    files.remove_file(os.path.join(files.folder(output_dir), MANIFEST))
    files.folder(work)
    with _reporting(plan, work, progress):
        run(make_pipeline(), list(plan.parts), WritePart(settings, work), "DecodePart")

    results = {part.name: part_result(work, part.name) for part in plan.parts}
    lost = [name for name, result in results.items() if result is None]
    if lost:
        raise RuntimeError(f"the runner reported success, but {len(lost)} of {len(results)} parts are not there: {lost[0]}")
    rows = [VideoRow(**row) for result in results.values() for row in result["rows"]] + list(plan.refused)
    rows.sort(key=lambda row: (row.source, row.video_id, row.reason or ""))
    text = "".join(json.dumps(row.as_dict(), ensure_ascii=False) + "\n" for row in rows)
    files.write_bytes(os.path.join(output_dir, VIDEOS), text.encode("utf-8", "surrogateescape"))
    _judge(rows, plan.classes, settings, os.path.join(output_dir, VIDEOS))

    for split in SPLITS:
        of_split = files.listed(os.path.join(output_dir, f"Split-{split}"), prefix=SHARD_NAME)
        for stale in (*of_split, *index_paths(output_dir, split)):
            files.remove_file(stale)
    shards = _shards(plan, results, work, output_dir, settings.shard_mb << 20)
    run(make_pipeline(), shards, WriteShard(scratch), "WriteShard")
    written = {"/".join(shard.path.rsplit("/", 2)[-2:]): shard.bytes for shard in shards}
    lost = [shard.path for shard in shards if files.size(shard.path) != shard.bytes]
    if lost:
        raise RuntimeError(f"the runner reported success, but {len(lost)} of {len(shards)} shards are not whole: {lost[0]}")
    written |= write_index(shards, output_dir, scratch)
    made = _manifest(rows, plan, settings, written)
    made.write(output_dir)
    _remove_work(work, scratch)
    return made


def _remove_work(*folders: str) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # the data set is whole, whatever is left beside it
            files.remove_folder(folder)


def _manifest(rows: list[VideoRow], plan: Plan, settings: IngestSettings, written: dict[str, int]) -> Manifest:
    """The manifest of the rows; `written`: relative path -> bytes."""
    stored = [row for row in rows if row.accepted]
    by_split = {split: [row for row in stored if row.split == split] for split in SPLITS}
    reasons = Counter(row.reason for row in rows if not row.accepted)
    return Manifest(
        classes=list(plan.classes),
        splits={split: SplitCounts.of([row.frames for row in of_it], [name for row in of_it for name in _classes(row)],
                                      plan.classes, sum(row.bytes for row in of_it))
                for split, of_it in by_split.items() if of_it},
        **_of_several(stored),
        accepted=len(stored), rejected=len(rows) - len(stored), reject_reasons=dict(sorted(reasons.items())),
        short_side=min(min(row.width, row.height) for row in stored), settings=settings.of_records(),
        fps=median(row.fps for row in by_split["train"]) if by_split["train"] else None,
        fingerprint=plan.fingerprint, files=written, notes=list(plan.notes))


def _classes(row: VideoRow) -> list[str]:
    """The classes of a video, each once."""
    return [row.label] if row.classes is None else row.classes


def _of_several(rows: list[VideoRow]) -> dict:
    """What the manifest says of several labels a video: the task that they are for, and what is odd about their times."""
    if rows[0].segments is None:
        return {}
    videos = [([Segment(*segment) for segment in row.segments], row.length) for row in rows]
    return {"task": task_of(segments for segments, _ in videos), "label_facts": asdict(count_oddities(videos))}


def _judge(rows: list[VideoRow], classes: Sequence[str], settings: IngestSettings, listed: str) -> None:
    """Raises InputError where what was rejected makes the rest unfit."""
    bad = [row for row in rows if not row.accepted and row.reason not in SHARE_EXEMPT]
    good = [row for row in rows if row.accepted]
    first = "; ".join(f"{row.source}: {row.reason} ({row.detail})" for row in bad[:3])
    if not good:
        raise InputError(f"all {len(bad)} videos were rejected: {first}; see {listed}")
    share = len(bad) / (len(bad) + len(good))
    if share > settings.max_reject_share:
        raise InputError(
            f"{len(bad)} of {len(bad) + len(good)} videos were rejected ({share:.0%}, max_reject_share is "
            f"{settings.max_reject_share:.0%}): {first}; see {listed}"
        )
    trained = {row.label for row in good if row.split == "train"}
    empty = [name for name in classes if name not in trained]
    if empty and good[0].segments is None:
        raise InputError(f"class without a training video after {len(bad)} rejects: {shorten(empty)}; see {listed}")


def _shards(plan: Plan, results: dict, work: str, output_dir: str, shard_bytes: int) -> list[Shard]:
    """The split of the parts into shards of about the given bytes, at least one for each split that has records."""
    shards = []
    for split in SPLITS:
        parts = [(part.name, results[part.name]["bytes"]) for part in plan.parts if part.entries[0].split == split]
        parts = [(name, size) for name, size in parts if size]
        total = sum(size for _, size in parts)
        count = min(len(parts), max(1, round(total / shard_bytes)))
        groups: list[list[str]] = [[] for _ in range(count)]
        before = 0
        for name, size in parts:
            groups[min(count - 1, (before + size // 2) * count // total)].append(name)
            before += size
        groups = [group for group in groups if group]
        for number, group in enumerate(groups):
            name = f"{SHARD_NAME}-{number:05d}-of-{len(groups):05d}"
            sources = tuple(os.path.join(work, part + RECORDS) for part in group)
            size = sum(results[part]["bytes"] for part in group)
            shards.append(Shard(os.path.join(output_dir, f"Split-{split}", name), sources, size))
    return shards


@contextlib.contextmanager
def _reporting(plan: Plan, work: str, progress: Progress | None, every: float = 0.5):
    """Calls progress from a thread of its own, with what the finished parts hold; works with any runner."""
    if progress is None:
        yield
        return
    videos = {part.name + DONE: len(part.entries) for part in plan.parts}
    over = threading.Event()

    def report():
        finished = map(os.path.basename, files.listed(work, suffix=DONE))
        progress(sum(videos.get(name, 0) for name in finished), plan.videos)

    def watch():
        while not over.wait(every):
            report()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    report()


def default_beam_args() -> tuple[str, ...]:
    """Beam's own runner with a thread a core. Each thread has a decoding process of its own, so threads use all cores.

    Measured on two quiet cores, 300 clips of 160 pixels, 17,120 frames, two runs each: 4.9 s; when the threads decoded
    themselves, 6.4 s and twice the memory.
    """
    if cores() == 1:
        return ()
    return ("--runner=DirectRunner", "--direct_running_mode=multi_threading", f"--direct_num_workers={cores()}")


def ingest_folder(
    settings: IngestSettings, output_dir: str, beam_args: Sequence[str] = (), progress: Progress | None = None
) -> Manifest:
    """Ingests without TFX; see `ingest`. Without Beam arguments, `default_beam_args` are taken.

    Raises:
        InputError: as `ingest`.
    """
    args = list(beam_args or default_beam_args())
    return ingest(settings, output_dir, lambda: beam.Pipeline(options=PipelineOptions(args)), progress=progress)
