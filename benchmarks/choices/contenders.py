"""The contenders: each makes a network for a data set with a seed, at most at one cost of inference and within one budget."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.choices.results import Result, letters
from benchmarks.choices.sets import DataSet, training_macs
from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from expansion.search.racing import RaceSettings
from expansion.search.settings import SearchSettings
from expansion.search.steps import Step
from expansion.spec import NAMED, Spec

XS = NAMED["XS"]
LEAST_SIZE = 24  # pixels
LAST_SEED = 1000  # added to the seed of a last training, so that it is none of the search's


@dataclass(frozen=True)
class Found:
    """What a search found, and what it trained for that, in multiply-adds."""

    spec: Spec
    searched: float = 0.0
    steps: tuple[dict, ...] = ()


Choose = Callable[[DataSet, VideoDataset, int, Path], Found]


def expansion_search(**settings) -> Choose:
    """The expansion search up to the cost, as shipped or with other settings."""
    def choose(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Found:
        from expansion.display.progress import SearchProgress
        from expansion.tuning.tuner import ExpansionTuner

        limit = terms.limit(len(data.classes))
        wanted = SearchSettings(start=terms.start, steps=terms.steps, target_gmacs=limit / 1e9, **settings)
        tuner = ExpansionTuner(data, wanted, recipe=terms.recipe, clips=terms.clips, seed=seed, directory=str(folder),
                               project_name="search", progress=SearchProgress(quiet=True))
        tuner.search()
        spent = sum(training_macs(t.spec, terms.recipe, data, t.rungs[-1].epoch if t.status == "stopped" else None)
                    for step in tuner.state.all_steps for t in step.trainings if t.status in ("completed", "stopped"))
        return Found(tuner.state.path[-1].spec, spent, tuple(map(kept, tuner.state.steps)))

    return choose


def kept(step: Step) -> dict:
    """What decisions are compared by; see Result.steps."""
    candidates = [{"axis": c.axis, "macs": c.macs, "params": c.params, "accuracy": c.accuracy, "right": letters(c.evidence)}
                  for c in step.candidates if c.status == "completed"]
    return {"kind": step.kind, "verdict": step.decision.verdict, "winner": step.winner.axis, "candidates": candidates}


def keras_tuner_search(name: str) -> Choose:
    """A tuner of Keras Tuner over the same space, until its trials have trained for the budget."""
    def choose(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Found:
        import keras_tuner

        limit = terms.limit(len(data.classes))
        space = _counted(terms, data, seed, folder, limit)
        own = {"max_epochs": space.epochs, "hyperband_iterations": 1000} if name == "Hyperband" else {"max_trials": 1000}
        tuner = getattr(keras_tuner, name)(space, objective=space.objective, seed=seed + 1, directory=str(folder),
                                           project_name="tuner", **own)
        try:
            tuner.search(verbose=0)
        except space.Spent:
            pass
        best = tuner.oracle.get_best_trials(1)[0]
        return Found(space.spec(best.hyperparameters), space.spent())

    return choose


def _counted(terms: DataSet, data: VideoDataset, seed: int, folder: Path, limit: float):
    """X3DHyperModel that counts what its trials train for, in a file, and ends the search when that is the budget."""
    from keras_tuner import errors

    from expansion.tuning.hypermodel import X3DHyperModel

    class Spent(errors.FatalError):
        """The budget is spent."""

    class Counted(X3DHyperModel):
        def spent(self) -> float:
            path = folder / "spent.json"
            return json.loads(path.read_text(encoding="utf-8")) if path.exists() else 0.0

        def fit(self, hp, model, *args, **kwargs):
            if self.spent() >= terms.budget(data):
                raise Spent()
            found = super().fit(hp, model, *args, **kwargs)
            epochs = (kwargs.get("epochs") or self.epochs) - kwargs.get("initial_epoch", 0)
            spent = self.spent() + training_macs(model.spec, terms.recipe, data, epochs)
            (folder / "spent.json").write_text(json.dumps(spent), encoding="utf-8")
            return found

    Counted.Spent = Spent
    return Counted(data, smallest=terms.start, constraints=[f"macs <= {limit:.0f}"], recipe=terms.recipe, clips=terms.clips,
                   seed=seed)


def named(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Found:
    """XS as it is, but where the videos are smaller or shorter."""
    return Found(_that_fits(XS, data))


def named_near(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Found:
    """XS at the frames and the size that come nearest to the cost from below; the cheapest where none does."""
    limit = terms.limit(len(data.classes))
    return Found(_nearest([_that_fits(XS.replace(frames=frames, size=size), data) for frames in (2, 4, 8, 16)
                           for size in range(LEAST_SIZE, data.short_side + 1, 4)], limit, data))


def by_hand(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Found:
    """The network that the search begins with, on as many frames as the cost allows: what a minute of thought gives."""
    return Found(_that_fits(terms.start.replace(frames=2**terms.steps), data))


def one_frame(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Found:
    """XS on one frame, at the size and width nearest to the cost; the evaluation averages it over frames of the video."""
    return Found(_nearest([XS.replace(frames=1, size=size, width=width) for width in (1.0, 1.25, 1.5, 2.0)
                           for size in range(terms.start.size, data.short_side + 1, 8)],
                          terms.limit(len(data.classes)), data))


def _nearest(specs: list[Spec], limit: float, data: VideoDataset) -> Spec:
    costs = {spec: complexity(spec, len(data.classes)).macs for spec in specs}
    return min(costs, key=lambda spec: (costs[spec] > limit, abs(math.log(costs[spec] / limit))))


def _that_fits(spec: Spec, data: VideoDataset) -> Spec:
    """The spec with a crop no larger, and a clip no longer, than the data allows."""
    span = data.limits.span or spec.span
    frames = min(spec.frames, span)
    stride = min(spec.stride, max(1, (span - 1) // max(1, frames - 1)))
    return spec.replace(frames=frames, stride=stride, size=min(spec.size, data.short_side))


def x3d(choose: Choose) -> Callable[[DataSet, VideoDataset, int, Path], Result]:
    """A contender that chooses an X3D network: what it chose is trained from scratch and evaluated on the test videos."""
    def run(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Result:
        from expansion.evaluation.evaluate import evaluate
        from expansion.training.fit import new_model, train

        began = time.perf_counter()
        found = choose(terms, data, seed, folder)
        recipe = terms.recipe.model_copy(update={"epochs": terms.final * terms.recipe.epochs})
        model = new_model(found.spec, data, recipe, seed + LAST_SEED)
        train(model, data, recipe, terms.clips, seed=seed + LAST_SEED, checkpoint=str(folder / "last"))
        val, test = (evaluate(model, data, split, terms.clips) for split in ("val", "test"))
        cost = complexity(found.spec, len(data.classes))
        return Result(terms.name, "", seed, str(found.spec), cost.macs, cost.params, letters(test.correct), val.accuracy,
                      found.searched, training_macs(found.spec, recipe, data), time.perf_counter() - began, list(found.steps))

    return run


def resnet(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Result:
    """A 3D ResNet of 10 layers from scratch, at the frames, size and width nearest to the cost."""
    from benchmarks.choices.resnet3d import run

    return run(terms, data, seed, folder)


def movinet(terms: DataSet, data: VideoDataset, seed: int, folder: Path) -> Result:
    """MoViNet-A0 from scratch, in an environment of its own."""
    from benchmarks.choices.movinet import run

    return run(terms, data, seed, folder)


CONTENDERS = {
    "expansion search": x3d(expansion_search()),
    "expansion search, racing, warm start": x3d(expansion_search(race=RaceSettings(on=True), warm_start=True)),
    "XS near the cost": x3d(named_near),
    "XS": x3d(named),
    "the start on more frames": x3d(by_hand),
    "random search": x3d(keras_tuner_search("RandomSearch")),
    "Hyperband": x3d(keras_tuner_search("Hyperband")),
    "Bayesian optimisation": x3d(keras_tuner_search("BayesianOptimization")),
    "one frame": x3d(one_frame),
    "3D ResNet-10": resnet,
    "MoViNet-A0": movinet,
}
