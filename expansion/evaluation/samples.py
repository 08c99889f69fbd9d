"""Clips of a split with what a network says of them: some that it gets wrong, some right."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from expansion.data.dataset import VideoDataset
from expansion.data.videos import parse, read
from expansion.data.views import ViewCutter
from expansion.evaluation.evaluate import Evaluation
from expansion.recipe import ClipSettings
from expansion.spec import Spec

FIRST_VIDEOS = 256  # of a split, that samples are taken from: reading on for more would take long on a large one


class Sample(NamedTuple):
    """A clip, (frames, size, size, 3) of uint8, its label, the most probable class and that one's probability."""

    video_id: str
    clip: np.ndarray
    label: int
    prediction: int
    probability: float


def choose(evaluation: Evaluation, count: int = 4, first: int = FIRST_VIDEOS) -> list[int]:
    """Places of the videos to show: `count` wrong ones, then `count` right ones, the surest first.

    Labels take turns, so that as many as can be are shown.
    """
    correct, sure = evaluation.correct[:first], evaluation.probabilities[:first].max(axis=1)
    chosen = []
    for kind in (False, True):
        places = [int(place) for place in np.argsort(-sure, kind="stable") if correct[place] == kind]
        turns, seen = {}, Counter()
        for place in places:
            label = int(evaluation.labels[place])
            turns[place] = seen[label]
            seen[label] += 1
        chosen += sorted(places, key=lambda place: turns[place])[:count]
    return chosen


def take_samples(data: VideoDataset, split: str, spec: Spec, settings: ClipSettings, evaluation: Evaluation,
                 count: int = 4) -> list[Sample]:
    """A clip from the middle of each video that `choose` names.

    Args:
        evaluation: of the split, in the order of its records.
    """
    places = choose(evaluation, count)
    cutter = ViewCutter(spec, settings.model_copy(update={"views": 1, "crops": 1}), short_side=data.short_side)
    clips = {}
    for place, record in enumerate(read(data, split).take(max(places, default=-1) + 1)):
        if place in places:
            video = parse(record)
            clips[place] = cutter.chunk(video, cutter.views(video), 0)[0].numpy()
    predictions = evaluation.predictions
    return [Sample(evaluation.video_ids[place], clips[place], int(evaluation.labels[place]), int(predictions[place]),
                   float(evaluation.probabilities[place].max())) for place in places]
