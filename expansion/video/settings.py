"""How videos are decoded and their frames stored. Plain Python."""

from __future__ import annotations

from pydantic import Field, model_validator

from expansion.foundation.settings import Settings


class VideoSettings(Settings):
    """How a video becomes stored frames, and which videos are refused.

    Attributes:
        short_side: pixels of a stored frame's shorter side. Smaller videos keep their size unless `upscale`.
        fps: stored frames per second, the frame on screen at each instant. None keeps the video's own frames.
        frames_fps: frames per second of folders of numbered pictures, which then are videos (24 for Charades' RGB frames); None
            takes files of videos alone.
        quality: JPEG quality, 1 to 100. Chroma is stored at half size (4:2:0).
        max_frames: stored frames per video at most, from its start; None for all.
        min_frames: a video that would store fewer is rejected (too_short).
        min_side: pixels; a video whose shorter side is less is rejected (too_small).
        max_side: pixels; a video whose longer side is more is rejected (too_big).
        max_record_mb: MiB of JPEG in one record at most; more is rejected (too_long). Bounds a worker's memory.
        timeout: seconds of decoding per video; more is rejected (timeout), in ingestion also where libav itself hangs.
    """

    short_side: int = Field(160, ge=16, le=4096)
    upscale: bool = False
    fps: float | None = Field(None, gt=0, le=1000, allow_inf_nan=False)
    frames_fps: float | None = Field(None, gt=0, le=1000, allow_inf_nan=False)
    quality: int = Field(90, ge=1, le=100)
    max_frames: int | None = Field(None, ge=1)
    min_frames: int = Field(1, ge=1)
    min_side: int = Field(16, ge=1)
    max_side: int = Field(8192, ge=16)
    max_record_mb: int = Field(256, ge=1, le=1900)
    timeout: float = Field(300.0, gt=0)

    @model_validator(mode="after")
    def _frames_agree(self):
        if self.max_frames is not None and self.max_frames < self.min_frames:
            raise ValueError(f"max_frames ({self.max_frames}) is below min_frames ({self.min_frames})")
        return self
