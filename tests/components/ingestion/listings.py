"""Folders of files with nothing in them, and what is found there."""

from components.ingestion.settings import IngestSettings
from components.ingestion.sources import read_sources


def touch(root, *names, content=b""):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def seen(listing):
    return [(e.source, e.label_text, e.split, e.group) for e in listing.entries]


def listed(root, labels=None, **more):
    if labels is not None:
        (root / "labels.csv").write_text(labels, encoding="utf-8")
    return read_sources(IngestSettings(videos=str(root), labels=None if labels is None else str(root / "labels.csv"), **more))
