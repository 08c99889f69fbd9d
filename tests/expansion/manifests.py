"""Manifests of data sets that tests write themselves."""

import os

from expansion.data.manifest import Manifest, SplitCounts


def manifest_of(classes, videos: dict[str, int], *, folder=None, frames: int = 8, bytes: int = 1000, short_side: int = 32,
                fingerprint: str = "made", **changes) -> Manifest:
    """The manifest of splits whose videos are of all classes by turns.

    Args:
        videos: of each split.
        folder: where the shards lie; None for none.
        frames: of each video.
        bytes: of the records of each split.
        changes: other fields of the Manifest.
    """
    splits = {split: SplitCounts.of([frames] * count, [classes[n % len(classes)] for n in range(count)], classes, bytes)
              for split, count in videos.items()}
    shards = {}
    for split in videos if folder else ():
        for name in os.listdir(os.path.join(folder, f"Split-{split}")):
            shards[f"Split-{split}/{name}"] = os.path.getsize(os.path.join(folder, f"Split-{split}", name))
    return Manifest(**{
        "classes": list(classes), "splits": splits, "accepted": sum(videos.values()), "rejected": 0, "reject_reasons": {},
        "short_side": short_side, "settings": {}, "fingerprint": fingerprint, "files": shards} | changes)
