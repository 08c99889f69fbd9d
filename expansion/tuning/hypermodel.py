"""The space of specs as a Keras Tuner HyperModel: RandomSearch, Hyperband, BayesianOptimization in place of the expansion."""

from __future__ import annotations

import bisect
import math
import os
from collections.abc import Sequence

import keras
import keras_tuner
from keras_tuner import errors

from expansion.data.dataset import VideoDataset
from expansion.evaluation.evaluate import evaluate
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.network.model import X3D
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.schedule import schedule_of
from expansion.search.axes import GRID
from expansion.search.constraints import Constraint, broken_constraint
from expansion.search.costs import cost_of
from expansion.spec import X2D, Spec
from expansion.training.fit import compile_model, fit_epochs, new_model, renew_statistics, task_of
from expansion.training.soft_targets import class_weights
from expansion.tuning.jobs import objective
from expansion.tuning.trial import gradients_released

LARGEST = Spec(frames=16, stride=32, size=224, width=2.0, depth=5.0, bottleneck=4.0)
SHARES = 64  # in which the way from the smallest spec to another is divided


class X3DHyperModel(keras_tuner.HyperModel):
    """X3D networks between two specs, trained by a recipe on a data set's clips, for any tuner of Keras Tuner.

    The hyperparameters are a spec's six numbers, on the grid of the search's axes (axes.GRID); frames are doubled. A trial's
    score is the accuracy on the validation videos after its last epoch, as in an expansion search.

    A product of five numbers seldom meets a limit: of specs drawn from the default space 83 % have at most a tenth of the
    largest one's MACs, 22 % a hundredth, 0.2 % a thousandth, and Keras Tuner ends a search after
    `max_consecutive_failed_trials` (3). So a spec that breaks a constraint is drawn in towards the smallest one, by the same
    share of its doublings on each axis, until it does not; and a clip longer than the videos gets the largest stride that
    fits. The hyperparameters of the trial become those of the network that is trained, so that the tuner learns from them.

    Args:
        data: a VideoDataset, or the path of one; classes and limits are taken from it.
        smallest, largest: bounds of the space; it ends where the data does.
        constraints: what no network may exceed, such as "macs <= 50M" or "params < 4M"; all costs but latency.
        shrink: whether a spec that breaks a constraint is drawn in. Else its trial is FAILED before anything is built, with
            the constraint in its message, and not tried again.
        recipe: how networks are trained. Hyperband's `max_epochs` is to be its epochs: a trial that is stopped earlier has
            trained the first part of the whole schedule.
        clips: how clips are cut.
        seed: determines initial weights and clips, the same for all trials.
        name: as of HyperModel.

    Raises:
        InputError: the smallest spec does not fit the data or the constraints, or is larger than the largest; a constraint
            is none, or is on latency.
    """

    def __init__(self, data: VideoDataset | str | os.PathLike, *, smallest: Spec = X2D, largest: Spec = LARGEST,
                 constraints: Sequence[Constraint | str] = (), shrink: bool = True, recipe: Recipe = Recipe(),
                 clips: ClipSettings = ClipSettings(), seed: int = 0, name: str | None = None):
        super().__init__(name=name)
        self.data = data if isinstance(data, VideoDataset) else VideoDataset.open(data)
        self.task = task_of(recipe, self.data)
        self.smallest, self.largest = smallest, largest
        self.constraints = tuple(parse_settings(Constraint, constraint, "constraints") for constraint in constraints)
        self.shrink, self.recipe, self.clips, self.seed = shrink, recipe, clips, seed
        for field in ("frames", *GRID):
            if getattr(smallest, field) > getattr(largest, field):
                raise InputError(f"smallest: {field} is {getattr(smallest, field):g}, more than the largest's "
                                 f"{getattr(largest, field):g}")
        for constraint in self.constraints:
            if constraint.measure == "latency":
                raise InputError(f"constraints: {constraint} would have every network of the space run; macs, params and memory "
                                 "are allowed")
        if broken := self.data.limits.broken_by(smallest) or self._broken(smallest):
            raise InputError(f"smallest: no network can be built: {broken}")

    @property
    def objective(self) -> keras_tuner.Objective:
        """What a tuner is to maximise."""
        return keras_tuner.Objective(objective(self.task.name), "max")

    @property
    def epochs(self) -> int:
        """Of a full training: Hyperband's max_epochs."""
        return self._epochs_of(self.smallest)

    def _epochs_of(self, spec: Spec) -> int:
        schedule = schedule_of(spec, self.recipe, self.data.videos("train"))
        return len(schedule.epochs) if schedule else math.ceil(self.recipe.epochs)

    def spec(self, hp: keras_tuner.HyperParameters) -> Spec:
        """The network that hyperparameters name; those that are not there are declared, with the smallest spec's values.

        Raises:
            keras_tuner.errors.FailedTrialError: it breaks a constraint, and is not to shrink.
        """
        limits, low, high = self.data.limits, self.smallest, self.largest
        frames = [low.frames]
        while 2 * frames[-1] <= min(high.frames, limits.span or high.frames):
            frames.append(2 * frames[-1])
        size = min(high.size, limits.size or high.size)
        found = Spec(
            frames=hp.Choice("frames", frames, ordered=True, default=low.frames),
            stride=hp.Int("stride", 1, max(low.stride, high.stride), sampling="log", default=low.stride),
            size=hp.Int("size", low.size, size, step=int(GRID["size"]), default=low.size),
            **{field: hp.Float(field, getattr(low, field), getattr(high, field), step=GRID[field], default=getattr(low, field))
               for field in ("width", "depth", "bottleneck")})
        if limits.span and found.span > limits.span:
            found = found.replace(stride=max(1, (limits.span - 1) // (found.frames - 1)))
        if broken := self._broken(found):
            if not self.shrink:
                raise errors.FailedTrialError(f"{found}: {broken}")
            share = bisect.bisect(range(SHARES), False, key=lambda share: bool(self._broken(self._drawn_in(found, share)))) - 1
            found = self._drawn_in(found, share)
        hp.values.update(found.as_dict())
        return found

    def _drawn_in(self, spec: Spec, share: int) -> Spec:
        """The spec between the smallest and a larger one that has so many of SHARES of the doublings on each axis."""
        def value(field: str) -> float:
            low = getattr(self.smallest, field)
            return low * (getattr(spec, field) / low) ** (share / SHARES)

        def on_grid(field: str) -> float:
            low, step = getattr(self.smallest, field), GRID[field]
            return low + round((value(field) - low) / step) * step

        frames = self.smallest.frames * 2 ** round(math.log2(value("frames") / self.smallest.frames))
        return spec.replace(frames=frames, size=int(on_grid("size")),
                            **{field: on_grid(field) for field in ("width", "depth", "bottleneck")})

    def _broken(self, spec: Spec) -> str | None:
        return broken_constraint(self.constraints, lambda name: cost_of(name, spec, len(self.data.classes)))

    def build(self, hp: keras_tuner.HyperParameters) -> X3D:
        """A fresh network, compiled by the recipe.

        Raises:
            keras_tuner.errors.FailedTrialError: as `spec`.
        """
        model = new_model(self.spec(hp), self.data, self.recipe, self.seed)
        return compile_model(model, self.recipe, self.data.videos("train"), class_weights(self.recipe, self.data))

    def fit(self, hp: keras_tuner.HyperParameters, model: X3D, *args, epochs: int | None = None, initial_epoch: int = 0,
            callbacks: Sequence[keras.callbacks.Callback] = (), verbose: int | str = 0, **kwargs) -> dict[str, float]:
        """Trains a network from one epoch of the recipe's schedule up to another and evaluates it; Keras Tuner calls it.

        Args:
            epochs: the epoch to end after, of `self.epochs`, which is the default.
            callbacks: what Keras Tuner adds. Logs of the last epoch have the score, so it keeps the weights of the end.

        Raises:
            keras_tuner.errors.FatalError: data were given, or more epochs than the recipe has: no trial could train.
        """
        if args or kwargs:
            given = [type(value).__name__ for value in args] + [f"{key}=" for key in kwargs]
            raise errors.FatalTypeError(f"search got {', '.join(given)}: X3DHyperModel feeds the clips of its data; epochs, "
                                        "callbacks and verbose are allowed")
        if not 0 <= initial_epoch < (self.epochs if epochs is None else epochs) <= self.epochs:
            raise errors.FatalValueError(f"epochs {initial_epoch} to {epochs} were asked for; the recipe has {self.epochs}")
        full = self._epochs_of(model.spec)  # with multigrid they differ a little between networks
        last = full if epochs in (None, self.epochs) else min(epochs, full)
        score = _Score(self, last)
        with gradients_released():
            fit_epochs(model, self.data, self.recipe, self.clips, self.seed, initial_epoch, last, [score, *callbacks],
                       verbose=0 if verbose == "auto" else verbose)
        return score.found


class _Score(keras.callbacks.Callback):
    """Adds to the logs of the last epoch what the network reaches on validation videos, with the statistics that it keeps."""

    def __init__(self, space: X3DHyperModel, last: int):
        super().__init__()
        self._space, self._last = space, last
        self.found: dict[str, float] = {}

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 < self._last:
            return
        space = self._space
        renew_statistics(self.model, space.data, space.recipe, space.clips, space.seed, self._last)
        evaluation = evaluate(self.model, space.data, "val", space.clips)
        self.found = {objective(space.task.name): evaluation.score, "val_loss": evaluation.loss}
        logs.update(self.found)
