"""The views of a video in evaluation: clips spread evenly in time, one or three crops of each, decoded in chunks.

X3D (arXiv 2004.04730), section 4: K-Center is K clips of the centre; K-LeftCenterRight takes three crops of each, as
large as the short side. Views that would be the same (of a short or a square video) are taken once.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from expansion.data.clips import decode_clip, frame_indices, jpeg_ratio
from expansion.data.dataset import VideoDataset
from expansion.data.videos import Video, in_order, open_videos
from expansion.recipe import ClipSettings
from expansion.spec import Spec

# Pixels of a chunk of views in bytes, and chunks decoded at a time. Resizing holds about ten times the pixels, so that
# decoding takes no more than 4 * 16 MiB * 10, however many views a video has.
CHUNK_BYTES, CHUNKS = 16 << 20, 4


class Views(NamedTuple):
    """Which clips of a video are its views: every start with every crop.

    Args:
        starts: first frames, (starts,).
        tops, lefts: corners of the crops in source pixels, (crops,).
        side: height and width of a crop in source pixels.
    """

    starts: tf.Tensor
    tops: tf.Tensor
    lefts: tf.Tensor
    side: tf.Tensor


def view_starts(total, spec: Spec, views: int):
    """First frames of up to `views` different clips, spread evenly over a video of `total` frames."""
    last = tf.maximum(total - spec.span, 0)
    starts = tf.linspace(0.0, tf.cast(last, tf.float32), views) if views > 1 else tf.cast([last // 2], tf.float32)
    return tf.unique(tf.cast(tf.round(starts), tf.int32)).y


def view_frames(total: int, spec: Spec, views: int) -> list[int]:
    """Numbers of the frames that the views of a video of `total` frames hold, rising, each once."""
    starts = view_starts(tf.constant(total), spec, views).numpy()
    return sorted({int(frame) for start in starts for frame in frame_indices(int(start), total, spec).numpy()})


def crop_corners(height, width, side, crops: int):
    """Tops and lefts, (crops,) each: the centre, or along the long side its beginning, centre and end."""
    if crops == 1:
        return (height - side)[None] // 2, (width - side)[None] // 2
    spare = tf.maximum(height, width) - side
    along = tf.unique(tf.stack([0, spare // 2, spare])).y
    across = tf.fill(tf.shape(along), (tf.minimum(height, width) - side) // 2)
    upright = height > width
    return tf.where(upright, along, across), tf.where(upright, across, along)


class ViewCutter:
    """Cuts the views of videos for one network.

    Args:
        spec: the network.
        settings: number of views, crops and scale.
        size: pixels of the network's input; None for what the settings say.
        short_side: smallest short side of the videos in pixels, where it is known: large frames then decode reduced.
    """

    def __init__(self, spec: Spec, settings: ClipSettings, size: int | None = None, short_side: int = 0):
        self.spec, self.settings = spec, settings
        self.size = size or settings.evaluation_size(spec.size)
        self.window = settings.window(spec.size, self.size)
        self.ratio = jpeg_ratio(short_side, self.size, 1 / self.window)
        #: Views in a chunk.
        self.chunk_views = max(1, CHUNK_BYTES // (spec.frames * self.size**2 * 3))

    def views(self, video: Video) -> Views:
        """What the views of a video are."""
        starts = view_starts(tf.shape(video.frames)[0], self.spec, self.settings.views)
        short = tf.minimum(video.height, video.width)
        side = tf.maximum(1, tf.cast(tf.round(tf.cast(short, tf.float32) * self.window), tf.int32))
        return Views(starts, *crop_corners(video.height, video.width, side, self.settings.crops), side)

    def chunks(self, views: Views):
        """In how many chunks the views of a video come, crop by crop."""
        return tf.size(views.tops) * self._chunks_of_crop(views)

    def _chunks_of_crop(self, views: Views):
        return -(-tf.size(views.starts) // self.chunk_views)

    def chunk(self, video: Video, views: Views, number, read=lambda frames: frames):
        """The clips of chunk `number`, (views, frames, size, size, 3) of uint8.

        Args:
            read: makes frames of the video JPEG strings, where they are not.
        """
        crop, part = number // self._chunks_of_crop(views), number % self._chunks_of_crop(views)
        starts = views.starts[part * self.chunk_views:(part + 1) * self.chunk_views]
        total = tf.shape(video.frames)[0]
        indices = tf.map_fn(lambda start: frame_indices(start, total, self.spec), starts)
        # Views overlap where the video is short: each frame is decoded once.
        needed, place = tf.unique(tf.reshape(indices, [-1]))
        pixels = decode_clip(read(tf.gather(video.frames, needed)), views.tops[crop], views.lefts[crop], views.side,
                             self.size, self.ratio)
        return tf.reshape(tf.gather(pixels, place), (-1, self.spec.frames, self.size, self.size, 3))


def evaluation_views(data: VideoDataset, split: str, spec: Spec, settings: ClipSettings, batch: int,
                     size: int | None = None) -> tf.data.Dataset:
    """All views of all videos of a split in order: batches of clips, and the number of the video each belongs to.

    Args:
        size: pixels of the clips; None for what the settings say.
    """
    cutter = ViewCutter(spec, settings, size, data.short_side)

    videos = open_videos(data, split)

    def chunks_of_video(number, handle):
        views = cutter.views(videos.video(handle))
        return tf.data.Dataset.from_tensor_slices(tf.range(cutter.chunks(views))).map(
            lambda chunk: (number, handle, chunk))

    def decode(number, handle, chunk):
        video = videos.video(handle)
        clips = cutter.chunk(video, cutter.views(video), chunk, videos.read)
        return clips, tf.fill([tf.shape(clips)[0]], number)

    dataset = videos.handles().enumerate().flat_map(chunks_of_video).map(decode, CHUNKS).unbatch()
    return in_order(dataset.batch(batch).prefetch(1))
