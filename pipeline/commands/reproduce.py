"""`x3d reproduce`: the paper's path, from the accuracies that it recorded, or from networks trained on your videos."""

from __future__ import annotations

import os
import tempfile
from typing import Annotated

import typer

from expansion import paper
from expansion.display.console import make_console, noise_to
from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.spec import NAMED
from pipeline.commands import reproduce_tables
from pipeline.options import Given, Json, Runs, configured_by


@configured_by("epochs", "name")
def reproduce(given: Given,
              until: Annotated[str, typer.Option(help="Stop at this model: X2D, XS, S, M, L, XL or XXL.")] = "XXL",
              output: Annotated[str | None, typer.Option(help="Folder for reproduce.json and reproduce.png.")] = None,
              records: Annotated[str | None, typer.Option(
                  help="Train every candidate of the path on this data set of `x3d ingest`; default: the accuracies "
                       "that the paper printed, and nothing is trained.")] = None,
              runs: Runs = "runs", as_json: Json = False) -> None:
    """The paper's path, step by step: from its recorded accuracies, or with every candidate trained on your records.

    Raises:
        InputError: the model is not known, or there is no data set.
    """
    if records is None:
        from_recorded(until, output, as_json)
        return
    own = {f"search.{key}": value for key, value in training_search(until).items()}
    config = given.load(need_videos=False, **own, **({} if given.get("name") else {"name": "reproduce"}))
    train(records, config, until, runs, output, as_json)


def from_recorded(until: str, output: str | None, as_json: bool) -> None:
    """Prints the path up to a named model from the paper's accuracies, and writes it to a folder where one is named.

    Raises:
        InputError: the name is not known.
    """
    last = last_step(until)
    with tempfile.TemporaryDirectory() as folder, noise_to(os.path.join(folder, "log.txt")):
        search = walk(min(last, paper.STEPS))
    reproduce_tables.show(make_console(), search, last, output, as_json)


def walk(steps: int) -> SearchState:
    """The search that the Oracle makes of the recorded accuracies, up to a step of Figure 2.

    The accuracies go through the real Oracle and the real selection: nothing here knows which axis the paper chose.
    """
    from expansion.tuning.jobs import objective
    from expansion.tuning.oracle import ExpansionOracle  # brings Keras with it

    oracle = ExpansionOracle(SearchSettings(steps=steps, protocol="paper"))
    with tempfile.TemporaryDirectory() as folder:
        oracle._set_project_dir(folder, "reproduce")
        while (trial := oracle.create_trial("reproduce")).status == "RUNNING":
            values = trial.hyperparameters.values
            _, top1 = paper.recorded(values["step"], values["axis"])
            oracle.update_trial(trial.trial_id, {objective(): top1})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
    return oracle.search


def last_step(until: str) -> int:
    """The step that ends in a named model.

    Raises:
        InputError: the name is not known.
    """
    if until.upper() not in NAMED:
        raise InputError(f"--until {until.upper()!r} is not known; allowed are {', '.join(NAMED)}")
    return paper.last_step(until.upper())


def training_search(until: str) -> dict:
    """Settings of a search that trains all candidates along the paper's path up to a named model."""
    last = last_step(until)
    follow = [paper.winner(step) for step in range(1, min(last, paper.STEPS) + 1)]
    follow += paper.LATER_AXES[: max(0, last - paper.STEPS)]
    contracted = {"target_gmacs": paper.TARGET_S_GMACS} if until.upper() == "S" else {}
    return {"start": "X2D", "steps": last, "follow": follow, **contracted}


def train(records: str, config, until: str, runs: str, output: str | None, as_json: bool) -> None:
    """Trains the candidates of every step of the paper's path on a data set, and shows what they say beside the paper.

    Args:
        records: data set of `x3d ingest`.
        config: pipeline.config.Config, whose search is training_search's; its recipe is the budget.

    Raises:
        InputError: the name is not known, or there is no data set.
    """
    from expansion.data.dataset import VideoDataset
    from pipeline.config import save_config
    from pipeline.runs.folder import RunFolder
    from pipeline.session import choose_kernels

    last, data = last_step(until), VideoDataset.open(records)
    folder = RunFolder(os.path.join(runs, config.name))
    save_config(config, folder.config)
    choose_kernels(folder.search_folder, config.search.start)
    with noise_to(folder.log):
        from expansion.tuning.tuner import ExpansionTuner

        tuner = ExpansionTuner.from_job(config.search_job(), data, folder.search_folder)
        tuner.search()
        search = tuner.state
    reproduce_tables.show(make_console(), search, last, output or folder.path, as_json, own=data.path)
