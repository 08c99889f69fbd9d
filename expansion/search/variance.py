"""How much trainings of one network differ, measured from few repeats, and the test that knows it. Plain Python, NumPy, SciPy.

A mixed model: validation videos are crossed with trainings, trainings are nested in networks, both are random (Searle,
Casella and McCulloch, Variance Components, Wiley 1992, chapter 4). The variance between trainings is the mean square within
networks, pooled over all networks of a search that were trained several times; so it is carried from step to step. A
difference is tested by Student's t with the degrees of freedom of Satterthwaite (Biometrics Bulletin 2, 110, 1946). That both
sources of variance have to be in a comparison of learnt models: Bouthillier et al., arXiv 2103.03098.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task

CLEAR_LEVEL = 0.01  # at 0.05 more than a tenth of the clear steps would be overturned: docs/explanation/noise.md
LEAST_DEGREES = 4  # with two, lucky pairs of trainings make steps clear that another seed overturns


@dataclass(frozen=True)
class TrainingVariance:
    """What trainings of one network differ by, on the same videos.

    Args:
        accuracy: variance of a training's score (share of 1, squared).
        video: variance of what a training says of one video, mean over the videos; see Task.between.
        degrees: of freedom: trainings beyond the first of each network.
    """

    accuracy: float
    video: float
    degrees: int


def pooled(networks: Iterable[Sequence[Sequence[float]] | np.ndarray], task: Task = SINGLE_LABEL) -> TrainingVariance | None:
    """The variance between trainings that several networks have in common; None with fewer than LEAST_DEGREES.

    Args:
        networks: of each, the evidence of its trainings, (trainings, videos); those trained once add nothing.
        task: whose evidence it is.
    """
    accuracy = video = 0.0
    degrees = 0
    for trainings in networks:
        if (more := len(trainings) - 1) > 0:
            of_score, of_video = task.between(np.asarray(trainings, float))
            accuracy += more * of_score
            video += more * of_video
            degrees += more
    return TrainingVariance(accuracy / degrees, video / degrees, degrees) if degrees >= LEAST_DEGREES else None


def p_value(differences: np.ndarray, weight: float, variance: TrainingVariance | float, task: Task = SINGLE_LABEL,
            shift: float = 0.0) -> float:
    """Two-sided p that two means over videos and trainings differ only by chance: by the videos and by the trainings.

    Args:
        differences: of the two means over trainings, of the task's evidence, (videos,).
        weight: how often the variance of a single training is in the difference: the sum of 1 / trainings over both, and
            of 1 / (trainings * scale**2) where a mean is divided by a scale.
        variance: between trainings, as measured; or an assumed variance of the accuracy on endless videos, in which case
            the test is by the normal distribution.
        task: whose evidence it is.
        shift: difference that chance alone is expected to give.
    """
    videos, difference = len(differences), abs(task.score_of(differences) - shift)
    sampled = task.variance(differences)
    if isinstance(variance, TrainingVariance):
        # What single trainings say of a video by chance is in the trainings' variance: it must not count twice.
        sampled, trained = max(0.0, sampled - weight * variance.video / videos), weight * variance.accuracy
    else:
        trained = weight * variance
    spread = math.sqrt(sampled + trained)
    if spread == 0:
        return 1.0 if difference == 0 else 0.0
    if not isinstance(variance, TrainingVariance):
        return math.erfc(difference / spread / math.sqrt(2))
    degrees = spread**4 / (sampled**2 / max(1, videos - 1) + trained**2 / variance.degrees)
    return min(1.0, 2 * float(stdtr(degrees, -difference / spread)))
