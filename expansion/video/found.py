"""Which files of a folder are videos."""

from __future__ import annotations

import mimetypes

from expansion.video.container import open_video
from expansion.video.reasons import Rejected

PICTURE_TYPES = {"image/gif", "image/webp", "image/apng"}  # that may move


def is_video(path: str) -> bool:
    """Whether a file is named as a video or an animation is, or is opened as one."""
    kind = mimetypes.guess_type(path)[0] or ""
    if kind.startswith("video/") or kind in PICTURE_TYPES:
        return True
    try:
        open_video(path).close()
    except Rejected:
        return False
    return True
