"""What a search looks for and when it ends. Plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from expansion.foundation.errors import InputError
from expansion.foundation.settings import Settings
from expansion.search.axes import AXES
from expansion.search.constraints import Constraint
from expansion.search.costs import CostName
from expansion.search.racing import RaceSettings
from expansion.search.repeats import RepeatSettings
from expansion.spec import X2D, Limits, Spec, parse_spec
from expansion.tasks.task import TaskName

Axis = Literal["fast", "temporal", "spatial", "depth", "width", "bottleneck"]


def _to_spec(value):
    if isinstance(value, str):
        return parse_spec(value)
    if isinstance(value, dict):
        unknown = [key for key in value if key not in X2D.as_dict()]
        if unknown:
            raise InputError(f"spec: unknown key {unknown[0]!r}; allowed are {', '.join(X2D.as_dict())}")
        return Spec(**value)
    return value


def _two_or_none(folds: int) -> int:
    if folds == 1:
        raise ValueError("1 fold leaves nothing to train with; take 2 or more, or 0 for the validation videos")
    return folds


SpecSetting = Annotated[Spec, BeforeValidator(_to_spec)]  # a spec, its settings, or a name


class SearchSettings(Settings):
    """What a search looks for and when it ends.

    Args:
        start: where it starts: a spec, its settings, or a name; X2D if it is not set, or null, and with weights their network.
        classes: outputs of the networks (they count in the MACs).
        axes: axes to try, of axes.AXES.
        factor: cost of a candidate over its parent's.
        cost: C(X), what candidates are matched in and gains are counted by; see costs.cost_of.
        constraints: what candidates must not exceed, such as "params < 4M".
        warm_start: candidates begin with their parent's weights; else from scratch, as in the paper.
        weights: file whose network the search grows from: .keras, or a checkpoint of PySlowFast or PyTorchVideo. Candidates then
            begin with their parent's weights, the seed with the file's.
        new_head: begin a new last layer in place of the file's, which is needed where the classes differ.
        race: candidates of a step stop early; by default none does.
        repeats: further trainings of candidates that cannot be told from the best; by default none.
        folds: judge candidates by cross-validation: the videos of train and val are divided into so many folds of whole groups,
            and a candidate is trained once without each of them and judged by that one, so by every video. 0 judges by val.
        protocol: "paper" promises the paper's search: each candidate is trained once, from scratch and to its end, and steps
            are taken whatever they gain. A setting that breaks the promise is refused.
        without_gain: what follows a step whose winner is no more accurate than the network that it grew from: "stop" ends
            the search with that network; "continue" takes the step, as the paper's protocol would.
        steps: expansions at most; with 0 the seed alone is trained.
        target_gmacs: end when a winner reaches this cost; one above it is contracted to it.
        target_accuracy: end when a winner reaches this accuracy, or the other score of the task (share of 1).
        hours: begin no step that would take the search past this, as far as its own trials tell; the time is that of
            trials added up.
        follow: axes to take in steps 1, 2, ... whatever the accuracies say; the search ends where one cannot move.
        limits: what the data allows.
        task: what is learnt, and whose score is maximised; it follows from recipe and data.

    Raises:
        pydantic.ValidationError: a key is unknown or a value is not allowed.
    """

    start: SpecSetting = X2D
    classes: int = Field(400, ge=2)
    axes: tuple[Axis, ...] = Field(AXES, min_length=1)
    factor: float = Field(2.0, gt=1)
    cost: CostName = "macs"
    constraints: tuple[Constraint, ...] = ()
    warm_start: bool = False
    weights: str | None = None
    new_head: bool = False
    race: RaceSettings = RaceSettings()
    repeats: RepeatSettings = RepeatSettings()
    folds: Annotated[int, Field(ge=0), AfterValidator(_two_or_none)] = 0
    protocol: Literal["paper"] | None = None
    without_gain: Literal["stop", "continue"] = "stop"
    steps: int = Field(11, ge=0)
    target_gmacs: float | None = Field(None, gt=0)
    target_accuracy: float | None = Field(None, gt=0, le=1)
    hours: float | None = Field(None, gt=0)
    follow: tuple[Axis, ...] = ()
    limits: Limits = Limits()
    task: TaskName = "single-label"

    @model_validator(mode="before")
    @classmethod
    def _from_weights(cls, values):
        if not isinstance(values, dict):
            return values
        values = {key: value for key, value in values.items() if key != "start" or value is not None}
        if values.get("weights") is None:
            if values.get("new_head"):
                raise ValueError("new_head is true: it is for a search from weights, and none are named")
        elif values.setdefault("warm_start", True) is False:
            raise ValueError("warm_start is false: from weights, candidates begin with their parent's; leave it out")
        return values

    @model_validator(mode="before")
    @classmethod
    def _as_the_paper(cls, value):
        return {"without_gain": "continue", **value} if isinstance(value, dict) and value.get("protocol") == "paper" else value

    @model_validator(mode="after")
    def _protocol_is_kept(self):
        broken = {"folds": self.folds > 0, "warm_start": self.warm_start, "race": self.race.on,
                  "repeats.extra": self.repeats.extra > 0, "without_gain": self.without_gain == "stop"}
        for key in (key for key, given in broken.items() if given and self.protocol == "paper"):
            raise ValueError(f"protocol: the paper's protocol does not go with {key}; leave one of them out")
        return self

    @model_validator(mode="after")
    def _folds_stay_apart(self):
        if self.folds and (self.warm_start or self.race.on):
            raise ValueError(f"folds is {self.folds}: it does not go with " + (
                "warm_start or weights: a parent has seen the videos that its candidates are judged by" if self.warm_start else
                "race, which pauses one training"))
        return self

    @model_validator(mode="after")
    def _follow_is_tried(self):
        for axis in self.follow:
            if axis not in self.axes:
                raise ValueError(f"follow: {axis!r} is not among the axes {', '.join(self.axes)}")
        return self

    def videos_seen(self, counts: Mapping[str, int]) -> tuple[int, int]:
        """Videos that an epoch of a candidate's trainings passes over, and those that the candidate is judged by.

        Args:
            counts: videos of train and, where there are any, of val.
        """
        train, val = counts["train"], counts.get("val", 0)
        return ((self.folds - 1) * (train + val), train + val) if self.folds else (train, val)

    @property
    def measures_latency(self) -> bool:
        """Whether networks have to be run to know if they are wanted."""
        return self.cost == "latency" or any(constraint.measure == "latency" for constraint in self.constraints)
