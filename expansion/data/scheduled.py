"""Clips of a training whose batches change their shape: for each shape a dataset of the batches of its steps alone.

Which clips a step has follows from seed, epoch and the schedule, whatever was read before: the clips of an epoch are in one
order, and its steps take them in turn.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from expansion.data.clips import Cut, batched, choose_clip, chosen_in_epoch, several
from expansion.data.dataset import VideoDataset
from expansion.data.videos import in_order, open_videos
from expansion.recipe import ClipSettings
from expansion.recipe.multigrid import Shape, strides
from expansion.recipe.schedule import Schedule
from expansion.spec import Spec


def scheduled_clips(data: VideoDataset, schedule: Schedule, shape: Shape, settings: ClipSettings, seed: int, *,
                    first_epoch: int = 0, devices: int = 1, machines: int = 1, machine: int = 0,
                    labels: str = "class") -> tf.data.Dataset:
    """The batches of one shape's steps, in order: (clips, frames, size, size, 3) of uint8 and labels as training_clips has.

    It has no end, so that several devices know its batches to be whole; what follows the last step is of no use. A device
    takes each `devices`-th clip of a step, so that batch norm's splits are of the same clips on any number of devices of a
    machine. Strides are drawn from the shape's range. The short side begins at the same multiple of the crop as at the full
    shape and ends at the same number of pixels.

    Args:
        schedule: of the training.
        settings: how clips are cut at the full shape.
        seed: determines, with the number of the epoch, the order of the videos and every random choice.
        first_epoch: of the schedule, from 0, to begin with; those before it cost nothing.
        devices: of all machines; those of one machine take successive batches.
        machines, machine: how many share the videos, and which of them this is, from 0.
        labels: what the label of a clip is, by Task.labels.
    """
    spec = schedule.spec.replace(frames=shape.frames, size=shape.size)
    settings = of_shape(settings, schedule.spec, shape)
    videos, drawn = open_videos(data, "train"), strides(schedule.spec, shape.frames)

    def choose(video, key):
        return choose_clip(video, key, spec, settings, drawn, labels=labels, classes=len(data.classes))

    count = schedule.recipe.clips_per_video
    chosen = chosen_in_epoch(data, videos, several(choose, count), seed, machines, machine)

    def cuts(epoch, clips, cycle, begins, ends):
        def own(position, _):
            return tf.reduce_any((begins <= position % cycle) & (position % cycle < ends))

        in_epoch = chosen(epoch).unbatch() if count > 1 else chosen(epoch)
        return in_epoch.take(clips).enumerate().filter(own).map(lambda _, cut: cut)

    dataset = tf.data.Dataset.from_tensor_slices(
        _places(schedule, shape, schedule.recipe.batch // machines, first_epoch)).flat_map(cuts)
    local = devices // machines
    clips = shape.factor * schedule.recipe.batch // devices
    if local > 1:
        dataset = dataset.batch(local * clips, drop_remainder=True).map(lambda cuts: _dealt(cuts, local)).unbatch()
    return in_order(batched(dataset, clips, data, videos, spec, settings, schedule.recipe.augment).repeat().prefetch(1))


def of_shape(settings: ClipSettings, spec: Spec, shape: Shape) -> ClipSettings:
    """How clips of a shape are cut: the short side's least scale follows the crop, the largest in pixels stays (PySlowFast)."""
    low, high = settings.jitter
    return settings.model_copy(update={"jitter": (low, high * spec.size / shape.size)})


def _places(schedule: Schedule, shape: Shape, batch: int, first: int) -> tuple[np.ndarray, ...]:
    """Of each epoch that has the shape: its number, clips, clips of a cycle, and where in one the shape's begin and end."""
    rows = []
    for number, epoch in enumerate(schedule.epochs[first:], start=first):
        steps = len(epoch.shapes)
        ends = batch * np.cumsum([each.factor for each in epoch.shapes])
        own = np.array([each == shape for each in epoch.shapes])
        begins = np.concatenate([[0], ends[:-1]])
        if own[:epoch.steps].any():
            rows.append((number, batch * epoch.factor, ends[-1], np.where(own, begins, 0), np.where(own, ends, 0), steps))
    most = max((row[-1] for row in rows), default=1)
    padded = [(*row[:3], *(np.pad(column, (0, most - row[-1])) for column in row[3:5])) for row in rows]
    return tuple(np.array([row[place] for row in padded], np.int64).reshape((len(rows),) + ((most,) if place > 2 else ()))
                 for place in range(5))


def _dealt(cuts: Cut, devices: int) -> Cut:
    """A batch of Cuts in the order in which devices take them: the clips of the first device, then of the second."""
    def deal(column):
        rest = tf.shape(column)[1:]
        hands = tf.reshape(column, tf.concat([[-1, devices], rest], 0))
        return tf.reshape(tf.experimental.numpy.swapaxes(hands, 0, 1), tf.shape(column))

    return Cut(*map(deal, cuts))
