"""What an ingestion is asked to do: one frozen, validated object."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field, field_validator, model_validator

from expansion.data.records import SPLITS
from expansion.video.settings import VideoSettings

RECORD_VERSION = 4  # raise it when the same input and settings would give other files

# What can change without changing one stored record.
_NOT_IN_RECORDS = {"videos", "labels", "classes", "timeout", "max_reject_share", "missing", "copies", "groups", "links"}


class IngestSettings(VideoSettings):
    """The settings of one ingestion, beside those of how videos are decoded and stored.

    Attributes:
        videos: folder of the videos; paths in label files are relative to it and cannot leave it.
        labels: label file, or one per split, {"train": path, "val": path}; of HMDB51, the folder of its lists. None reads
            class folders.
        format: form of the labels; "auto" tells from the folders' names or from the label file's lines. Of folders,
            "classes" takes the top ones for classes whatever their names, "splits" for splits. Of several labels a video,
            "multi-label" takes CSV of path,label with labels as `a;b`, "segments" CSV of path,label,start,end, whose seconds
            are the label's and do not cut the video, and "charades" Charades' own files.
        classes: class list, for several labels a video: one class a line, the name, or Charades' `c008 Opening a door`.
        ratios: shares of train, val and test where no split is given.
        seed: of the hash splits and of the order of the records.
        max_reject_share: more rejects than this share of the labelled videos stop the ingestion.
        missing: what to do with a label whose video is not there: "error", or "reject" (listed, not in the share).
        copies: what to do with files of the same bytes in two splits or under two labels: "error", or "keep" them.
            Copies in one split and class are always stored once.
        groups: what to do with a group that the given splits divide: "error", or "keep" the splits as they are given.
        links: symbolic links that lead out of the folder of videos: "error", or "follow" them.
        shard_mb: MiB of a shard, about.
    """

    videos: str
    labels: str | dict[str, str] | None = None
    format: Literal["auto", "folders", "classes", "splits", "csv", "text", "kinetics", "multi-label", "segments",
                    "charades"] = "auto"
    classes: str | None = None
    ratios: tuple[float, float, float] = (8.0, 1.0, 1.0)
    seed: int = 0
    max_reject_share: float = Field(0.1, ge=0, le=1)
    missing: Literal["error", "reject"] = "error"
    copies: Literal["error", "keep"] = "error"
    groups: Literal["error", "keep"] = "error"
    links: Literal["error", "follow"] = "error"
    shard_mb: int = Field(128, ge=1)

    @field_validator("ratios")
    @classmethod
    def _ratios_are_shares(cls, ratios):
        if any(not 0 <= ratio < float("inf") for ratio in ratios) or ratios[0] <= 0:
            raise ValueError("must be three shares of at least 0, the first (train) above 0")
        return ratios

    @model_validator(mode="after")
    def _labels_fit_their_form(self):
        of_folders = self.format in ("folders", "classes", "splits")
        if self.labels is None and not of_folders and self.format != "auto":
            raise ValueError(f"format {self.format!r} needs labels, a label file")
        if self.labels is not None and of_folders:
            raise ValueError(f"format {self.format!r} takes the labels from the folders: leave out labels")
        if isinstance(self.labels, dict) and (not self.labels or set(self.labels) - set(SPLITS)):
            raise ValueError(f"labels by split takes the keys {', '.join(SPLITS)}, got {', '.join(self.labels) or 'none'}")
        return self

    def ratio(self) -> dict[str, float]:
        """Share of each split; they sum to 1."""
        return {split: ratio / sum(self.ratios) for split, ratio in zip(SPLITS, self.ratios)}

    def of_records(self) -> dict:
        """The settings that decide the records, for the manifest and the fingerprint."""
        return self.model_dump(mode="json", exclude=_NOT_IN_RECORDS)


def digest(*parts) -> str:
    """Hex SHA-256 of the parts' canonical JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
