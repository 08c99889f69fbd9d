"""The tables, figures and sentences of a report, the same for HTML and Markdown."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

import yaml
from matplotlib.figure import Figure

from expansion import paper
from expansion.display.charts import curves_figure, gains_figure, time_figure
from expansion.display.path_figure import search_figure
from expansion.display.tables import Table, duration, forecast_error, path_rows, percent, step_rows
from expansion.search.costs import in_macs, show_cost
from expansion.search.decisions import reason_of
from expansion.search.selection import CLEAR_ON_VIDEOS
from expansion.search.steps import Step
from expansion.search.training_cost import training_cost
from expansion.tasks.registry import task_named
from pipeline.report import named, ranked
from pipeline.report.facts import Facts

SIZE = (9.6, 5.4)  # inches: as wide as the page, so that letters are as large as its own


class Picture(NamedTuple):
    """A figure with a name for its file and a sentence on what it shows."""

    name: str
    figure: Figure
    about: str


COST_NAMES = {"macs": "MACs", "params": "parameters", "memory": "activation memory", "latency": "latency"}

# By Task.labels.
TELLING = {"class": named, "clip": ranked, "frames": ranked}  # modules that tell of an outcome, with the same functions
SAYS = {"class": "It names one of {} classes", "clip": "It says which of {} classes there are",
        "frames": "It says which of {} classes there are at a time"}
NONE_OF_THESE = {"class": "; it has no class for \"none of these\"", "clip": "", "frames": ""}


class Card(NamedTuple):
    """A number that the page opens with."""

    value: str
    label: str
    note: str = ""


def score_title(facts: Facts) -> str:
    """What the score of the task is called: top-1, or mAP."""
    task = task_named(facts.search.settings.task)
    return task.titles[task.score]


def telling(facts: Facts):
    """The module that tells of the outcome on held-out videos."""
    return TELLING[task_named(facts.outcome.task).labels]


def test_name(facts: Facts) -> str:
    """The test of a margin where trainings were not repeated."""
    return task_named(facts.search.settings.task).test


def outcome_text(facts: Facts) -> str:
    """The score on held-out videos with its interval, and the other figures."""
    outcome, told = facts.outcome, telling(facts)
    return (f"{told.score_text(outcome)} {score_title(facts)} on {outcome.videos_in_all} {outcome.split} videos, "
            f"{told.others(outcome)}")


def headline(facts: Facts) -> str:
    """What was searched on what, in a sentence."""
    settings, data = facts.search.settings, facts.data
    on = f"{sum(data.videos(split) for split in data.splits):,} videos of {len(data.classes)} classes" if data else "videos"
    steps = sum(step.kind == "expansion" and step.winner is not None for step in facts.search.steps)
    return (f"From {settings.start} ({in_macs(facts.search.steps[0].candidates[0].macs)}), trying "
            f"{', '.join(settings.axes)} in each step, on {on}: {steps} step{'s' if steps != 1 else ''} decided, "
            f"{len(facts.trained)} candidates trained" + (f", {len(facts.failed)} failed" if facts.failed else "")
            + f". {protocol(facts)}")


def protocol(facts: Facts) -> str:
    """How candidates were matched, begun and told apart, in sentences."""
    settings = facts.search.settings
    begun = "with their parent's weights" if settings.warm_start else "from scratch"
    if settings.weights:
        begun += f", the seed with those of {os.path.basename(settings.weights)}"
    sentences = [f"Candidates were matched in {COST_NAMES[settings.cost]} and trained {begun}"]
    if settings.constraints:
        sentences.append(f"none was allowed to break {', '.join(map(str, settings.constraints))}")
    if facts.search.probe:
        sentences.append(facts.search.probe.text(os.path.basename(settings.weights)))
    if further := sum(len(c.repeats) for step in facts.search.steps for c in step.candidates):
        sentences.append(f"those that could not be told apart were trained {further} more times with other seeds")
    return "; ".join(sentences) + "."


def cards(facts: Facts) -> list[Card]:
    winner, outcome, found, score = facts.winner, facts.outcome, [], score_title(facts)
    if outcome:
        told = telling(facts)
        low, high = told.interval(outcome)
        found.append(Card(percent(outcome.accuracy), f"{score} on {outcome.videos_in_all:,} {outcome.split} videos",
                          f"95 % interval {100 * low:.1f} to {100 * high:.1f}; the seed {percent(outcome.seed_accuracy)}; "
                          f"{told.beside(outcome)}"))
    if winner:
        share = winner.metrics.get("val_largest_class")
        found.append(Card(percent(winner.accuracy), f"{score} in the search",
                          f"on validation videos; the seed {percent(facts.search.path[0].accuracy)}"
                          + ("" if share is None else f"; always saying the largest class {percent(share)}")))
        found.append(Card(show_cost("macs", winner.macs), "MACs per clip",
                          f"{winner.macs / facts.search.path[0].macs:.3g} times the seed's"))
        found.append(Card(f"{winner.params / 1e6:.2f} M", "parameters", f"{winner.params_without_bn / 1e6:.2f} M without BN"))
    spent = training_cost(facts.search)
    if spent and spent.stopped:
        found.append(Card(percent(spent.saved), "of the training cost saved by racing",
                          f"{spent.stopped} candidates stopped early, {spent.full_epochs - spent.epochs:g} of "
                          f"{spent.full_epochs:g} epochs not trained"))
    if facts.seconds:
        found.append(Card(duration(sum(facts.seconds.values())), f"for {len(facts.timed)} trainings",
                          ", ".join(f"{name} {duration(value)}" for name, value in facts.seconds.items() if value >= 1)))
    return found


def pictures(facts: Facts, as_text: bool = True) -> dict[str, Picture]:
    """The figures that this run has something to show in, by name.

    Args:
        as_text: letters stay text, which is shown in the reader's fonts; else they are drawn with this machine's.
    """
    search, found = facts.search, {}

    def add(name: str, figure: Figure, about: str) -> None:
        found[name] = Picture(name, figure, about)

    if search.path:
        add("accuracy", search_figure(search, size=SIZE),
            "Accuracy on validation videos over the cost per clip: all candidates, the winners joined.")
        add("paper", search_figure(paper.recorded_search(), size=SIZE),
            "The same of the paper's search on Kinetics-400, from its Figure 2.")
    if any(c.gain is not None for c in facts.trained):
        add("gains", gains_figure(search, SIZE[0]), "Gain of each candidate of each step; the winner is filled.")
    histories = {c.trial_id: {"accuracy": c.rungs[-1].curve} for step in search.steps for c in step.candidates if c.rungs}
    histories |= {trial: kept["history"] for trial, kept in facts.trials.items()}
    if histories:
        add("curves", curves_figure(search, histories, SIZE[0]),
            "Accuracy on training clips over epochs; the marks at the end are the accuracy on validation videos.")
    if facts.seconds:
        add("time", time_figure(search, SIZE[0]), "Time that the candidates of each step took, by what it went into.")
    if facts.outcome and (drawn := telling(facts).picture(facts.outcome, SIZE[0], as_text)):
        add("classes", *drawn)
    return found


def time_note(facts: Facts) -> str:
    """How right the forecasts were, a sentence; "" where none was made."""
    line = forecast_error(facts.search)
    return f"{line[0].upper()}{line[1:]}." if line else ""


# Tables


def path_table(facts: Facts) -> Table:
    """The winners, with what the paper's search chose in the same step."""
    table = path_rows(facts.search, wide=True)
    decided = [step for step in facts.search.steps if step.winner]
    theirs = [paper.winner(step.number) if step.kind == "expansion" and step.number <= paper.STEPS else "-" for step in decided]
    return table._replace(header=(*table.header, "the paper's"), rows=[(*row, axis) for row, axis in zip(table.rows, theirs)])


def step_table(step: Step) -> Table:
    return step_rows(step, wide=True)


def failures_table(facts: Facts) -> Table:
    return Table(("step", "axis", "network", "reason"),
                 [(str(step), c.axis, str(c.spec), reason_of(c.message)) for step, c in facts.failed])


def data_table(facts: Facts) -> Table:
    """Videos by class and split."""
    data = facts.data
    splits = {split: data.manifest.splits[split] for split in data.splits}
    rows = [(name, *(f"{counts.per_class.get(name, 0):,}" for counts in splits.values())) for name in data.classes]
    total = ("all", *(f"{counts.videos:,}" for counts in splits.values()))
    return Table(("class", *splits), [*rows, total], [len(rows)])


def class_table(facts: Facts) -> Table:
    """The figure of each class, the best first."""
    return telling(facts).class_table(facts.outcome)


# The model card


def card_table(facts: Facts) -> Table:
    winner, outcome, config = facts.winner, facts.outcome, facts.config
    spec = winner.spec
    rows = [("network", f"X3D, {spec}"), ("classes", f"{facts.search.settings.classes}"),
            ("input", f"{spec.frames} frames, every {_nth(spec.stride)}, {spec.size} x {spec.size} pixels, RGB, 0 to 255"),
            ("cost per clip", f"{winner.macs:,} MACs"), ("parameters", f"{winner.params:,} ({winner.params_without_bn:,} "
                                                                        "without batch norm)")]
    if "latency_ms" in winner.metrics:
        rows.append(("latency per clip", f"{winner.metrics['latency_ms']:.3g} ms, median, on "
                     f"{facts.environment.get('machine', 'the machine of the search')}"))
    if facts.data:
        data = facts.data
        rows += [("trained on", f"{data.videos('train'):,} videos of {len(data.classes)} classes"),
                 ("records' hash", data.manifest.fingerprint)]
    if config:
        step = len(facts.search.path) - 1
        final = config.recipe.final(step, config.final)
        rows.append(("recipe of the final training", "; ".join(
            f"{name} {value}" for name, value in final.model_dump(exclude={"by_step"}).items())))
        crops = "the centre" if config.clips.crops == 1 else f"{config.clips.crops} crops"
        rows.append(("evaluated on", f"{config.clips.views} clips per video at most, {crops} of each"))
    if outcome:
        title = f"{task_named(outcome.task).noun}, {outcome.split} videos"
        rows += [(title, f"{score_title(facts)} {telling(facts).score_text(outcome)}, {telling(facts).others(outcome)}"),
                 *telling(facts).further_rows(outcome)]
        rows += [("Keras model", outcome.keras_model),
                 ("SavedModel", outcome.serving or "none: it did not reach the thresholds, so it was not pushed")]
    else:
        rows.append(("accuracy, validation videos", percent(winner.accuracy)))
    return Table(("", ""), rows)


def _nth(stride: int) -> str:
    return {1: "frame", 2: "second frame", 3: "third frame"}.get(stride, f"{stride}th frame")


def limits(facts: Facts) -> list[str]:
    """What the network is for, and what its figures do not say."""
    winner, outcome = facts.winner, facts.outcome
    found = [f"It is {warning}."] if outcome and (warning := telling(facts).warning(outcome)) else []
    if facts.data:
        data = facts.data
        found.append(f"{SAYS[data.task.labels].format(len(data.classes))} for a short clip whose frames look like those it was "
                     f"trained on (short side {data.short_side} pixels){NONE_OF_THESE[data.task.labels]}.")
    found.append(f"A clip spans {winner.spec.span} stored frames: what takes longer than that, it cannot see as a whole.")
    if facts.config and facts.config.clips.flip:
        found.append("It was trained on mirrored clips: classes that differ by left and right cannot be told apart.")
    if outcome:
        found += telling(facts).limits(outcome)
    if outcome and outcome.split != "test":
        found.append("There is no test split: the same videos chose the path, so the accuracy is too high.")
    if not outcome:
        found.append("It was not trained with the full schedule yet, nor evaluated on videos that did not choose the path.")
    noisy = [str(step.number) for step in facts.search.steps if step.decision and step.decision.verdict == "within noise"]
    if noisy:
        found.append(f"The winner of step{'s' if len(noisy) > 1 else ''} {', '.join(noisy)} leads within noise: another "
                     "seed may take another path.")
    if any(step.decision and step.decision.verdict == CLEAR_ON_VIDEOS for step in facts.search.steps):
        found.append("Where a step is clear on these videos, each candidate was trained once: another seed was not tried.")
    if facts.config and facts.config.proxy:
        found.append(f"The search ran on a proxy of the data ({facts.config.proxy.text()}): its accuracies are those of the "
                     "proxy, and the path may be another on all data.")
    found.append("Its videos were not checked for bias or consent by this project.")
    return found


# How to get it again


def commands(facts: Facts) -> list[str]:
    """Command lines that make the same run, and that look at it."""
    lines = [command] if (command := facts.environment.get("command")) else []
    name = shlex.quote(facts.folder.path)
    if facts.config:
        lines.append(f"x3d search --config {shlex.quote(facts.folder.config)}   # the same, every setting spelled out")
    return [*lines, f"x3d show {name}", f"x3d tensorboard {name}"]


def config_text(facts: Facts) -> str:
    return yaml.safe_dump(facts.config.model_dump(mode="json"), sort_keys=False) if facts.config else ""


def versions(facts: Facts) -> str:
    found = [f"Python {facts.environment['python']}"] if "python" in facts.environment else []
    found += [f"{name} {number}" for name, number in facts.environment.get("packages", {}).items()]
    found += [facts.environment[name] for name in ("cpu", "kernels") if name in facts.environment]
    return ", ".join(found)
