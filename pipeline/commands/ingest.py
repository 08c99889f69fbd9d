"""`x3d ingest`: videos to records, without a search and without TFX, and what it prints of them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from expansion.display.console import make_console, make_table, noise_to, print_json
from expansion.display.progress import task_progress
from expansion.display.tables import listed
from pipeline.options import Given, Json, Setting, Verbose, configured_by

SHOWN_CLASSES = 40  # at most on the screen


@configured_by(
    "videos", "labels", "beam", default=None,
    short_side=Setting("ingest.short_side", int, "Pixels of a stored frame's short side."),
    fps=Setting("ingest.fps", float, "Stored frames per second; default: the video's own."),
    max_reject_share=Setting("ingest.max_reject_share", float, "More rejects than this stop it."))
def ingest(output: Annotated[str, typer.Argument(help="Folder for the records.")], given: Given,
           as_json: Json = False, verbose: Verbose = False) -> None:
    """Turn videos into TFRecords, with a manifest of what was accepted and rejected.

    Raises:
        InputError: an error of use.
    """
    config = given.load()
    with noise_to(os.path.join(output, "log.txt"), verbose), task_progress("ingesting") as progress:
        from components.ingestion.ingest import ingest_folder

        manifest = ingest_folder(config.ingest, output, config.beam, progress=progress)
    if as_json:
        print_json({"output": output} | manifest.model_dump(mode="json"))
    else:
        _show(manifest, output)


def _classes(manifest):
    """Videos of each class; of many classes those with the most and the fewest."""
    total = {name: sum(counts.per_class.get(name, 0) for counts in manifest.splits.values()) for name in manifest.classes}
    shown = manifest.classes
    if len(shown) > SHOWN_CLASSES:
        ranked = sorted(shown, key=lambda name: (-total[name], name))
        shown = [*ranked[:SHOWN_CLASSES // 2], *ranked[-SHOWN_CLASSES // 2:]]
    table = make_table(f"{len(manifest.classes)} classes", "class", *manifest.splits, "all")
    for name in shown:
        table.add_row(name, *(str(counts.per_class.get(name, 0)) for counts in manifest.splits.values()), str(total[name]))
    if len(shown) < len(total):
        table.caption = (f"those with the most and the fewest videos; {len(total) - len(shown)} classes between them are in "
                         "manifest.json")
    return table


def label_facts(facts: dict[str, int]) -> str:
    """What labels with segments come to, and what is odd of them, in a line."""
    odd = [f"{facts[name]:,} {words}" for name, words in _ODD.items() if facts[name]]
    return f"{facts['segments']:,} labels of {facts['videos']:,} videos" + (f"; all kept: {', '.join(odd)}" if odd else "")


_ODD = {"videos_without_labels": "videos without a label", "end_after_video": "end after their video",
        "start_not_before_end": "do not start before they end", "start_after_video": "start after their video"}


def _show(manifest, output: str) -> None:
    console = make_console()
    table = make_table(output, "split", "videos", "frames", "MiB")
    for split, counts in manifest.splits.items():
        table.add_row(split, str(counts.videos), str(counts.frames), f"{counts.bytes / 2**20:.1f}")
    console.print(table)
    console.print()
    console.print(_classes(manifest))
    console.print(f"accepted {manifest.accepted}, rejected {manifest.rejected}"
                  + "".join(f"\n  {reason}: {count}" for reason, count in manifest.reject_reasons.items()), markup=False)
    if manifest.label_facts:
        console.print(label_facts(manifest.label_facts), soft_wrap=True)
    for note in manifest.notes:
        console.print(note, markup=False, soft_wrap=True)
    for split, names in manifest.without_videos().items():
        console.print(f"no video in {split}: {listed(names, SHOWN_CLASSES)}", markup=False, soft_wrap=True)
    console.print(f"every video and its fate: {os.path.join(output, 'videos.jsonl')}", markup=False, soft_wrap=True)
