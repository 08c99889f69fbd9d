"""What a network remembers of how the videos of its training reached it, so that others reach it in the same way."""

from __future__ import annotations

from collections.abc import Mapping

from expansion.foundation.settings import Settings
from expansion.recipe import ClipSettings
from expansion.video.settings import VideoSettings

LIMITS = {"timeout", "max_record_mb", "min_frames", "min_side", "max_side"}  # they refuse videos and change none


class Preprocessing(Settings):
    """How videos became clips. It travels with the network: in .keras files, exports and checkpoints.

    Args:
        video: how videos were decoded and stored; None where that is not known.
        clips: how clips were cut; None where that is not known.
        fps: frames per second of a typical video as it was stored; None where that is not known.
    """

    video: VideoSettings | None = None
    clips: ClipSettings | None = None
    fps: float | None = None

    @classmethod
    def of_records(cls, settings: Mapping[str, object], clips: ClipSettings | None = None,
                   fps: float | None = None) -> Preprocessing:
        """That of a data set.

        Args:
            settings: of its ingestion, as the manifest has them; where they say nothing of videos, that is not known.
        """
        known = {name: settings[name] for name in VideoSettings.model_fields if name in settings and name not in LIMITS}
        return cls(video=VideoSettings(**known) if "short_side" in known else None, clips=clips, fps=fps)

    def as_dict(self) -> dict:
        """As plain JSON."""
        return self.model_dump(mode="json", exclude={"video": LIMITS})

    def otherwise(self, other: Preprocessing | None) -> Preprocessing:
        """This, and where it does not know something, what the other knows."""
        return self if other is None else Preprocessing(video=self.video or other.video, clips=self.clips or other.clips,
                                                        fps=self.fps or other.fps)


UNKNOWN = Preprocessing()
