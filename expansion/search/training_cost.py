"""The multiply-adds that a search has spent on trainings, and what its races saved of them. Plain Python."""

from __future__ import annotations

from dataclasses import dataclass

from expansion.complexity import complexity
from expansion.foundation.settings import parse_settings
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.schedule import Schedule
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState
from expansion.spec import Spec


@dataclass(frozen=True)
class TrainingCost:
    """Of all trainings of a search that have ended.

    Args:
        macs: multiply-adds of trainings and evaluations; the backward pass counts twice.
        full: the same if none had been stopped early and none had paused.
        epochs, full_epochs: epochs trained, and those of full trainings; of a multigrid training, as many on full clips as
            cost the same.
        stopped: candidates that were stopped.
    """

    macs: float
    full: float
    epochs: float
    full_epochs: float
    stopped: int

    @property
    def saved(self) -> float:
        """Share of 1 of the multiply-adds that were not spent; below 0 where pauses cost more than they saved."""
        return 1 - self.macs / self.full if self.full else 0.0

    def __str__(self) -> str:
        return (f"racing stopped {self.stopped} candidates: {self.full_epochs - self.epochs:g} of {self.full_epochs:g} epochs "
                f"and {100 * self.saved:.0f} % of the multiply-adds were not spent")


def training_macs(macs: float, epochs: float, videos: int) -> float:
    """Multiply-adds of a training: forward and, at twice that, backward."""
    return 3 * macs * epochs * videos


def full_epochs(spec: Spec, recipe: Recipe, videos: int, until: int | None = None) -> float:
    """Epochs on clips of the network's own shape that cost as many multiply-adds as a training.

    A step of multigrid training costs about as much in each shape, but for the last layers, which have their cost for each clip
    whatever its pixels, and for sides that are rounded up: at small crops it is more.

    Args:
        until: epoch of the training, from 1, up to which they are counted; None for all.
    """
    if not recipe.multigrid:
        return recipe.clips_per_video * (recipe.epochs if until is None else min(until, recipe.epochs))

    def cost(frames: int, size: int) -> int:
        return complexity(spec.replace(frames=frames, size=size)).macs

    clips = Schedule(spec, recipe, videos).clips_by_shape(until)
    return sum(count * cost(shape.frames, shape.size) for shape, count in clips.items()) / cost(spec.frames, spec.size) / videos


def epochs_of(training: CandidateState, recipe: Recipe, videos: int) -> float:
    """Epochs on full clips that cost what a training which completed or came to a rung has trained."""
    return full_epochs(training.spec, recipe, videos, None if training.status == "completed" else training.rungs[-1].epoch)


def training_cost(search: SearchState) -> TrainingCost | None:
    """What a search has spent; None where its trace does not say how and on what it trained."""
    known = search.made_with
    if not {"recipe", "clips", "data"} <= known.keys():
        return None
    recipe, clips = parse_settings(Recipe, known["recipe"], "recipe"), parse_settings(ClipSettings, known["clips"], "clips")
    videos, judged = search.settings.videos_seen(known["data"]["videos"])
    spent = full = epochs = all_epochs = 0.0
    ended = [(step, training) for step in search.all_steps for training in step.trainings
             if training.status in ("completed", "stopped")]
    for step, training in ended:
        whole = full_epochs(training.spec, recipe.at(step.number), videos)
        evaluation = training.macs * judged * clips.views * clips.crops
        own = epochs_of(training, recipe.at(step.number), videos)
        rungs = len(training.rungs) * evaluation * min(search.settings.race.views, clips.views) / clips.views
        spent += training_macs(training.macs, own, videos) + rungs
        spent += evaluation if training.status == "completed" else 0.0
        full += training_macs(training.macs, whole, videos) + evaluation
        epochs, all_epochs = epochs + own, all_epochs + whole
    return TrainingCost(spent, full, epochs, all_epochs, sum(training.status == "stopped" for _, training in ended))
