"""The state of one training on disk: all that is needed to go on after an epoch as if nothing had happened."""

from __future__ import annotations

import io
import json
import os
import zipfile

import keras
import numpy as np

from expansion.data.dataset import VideoDataset
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.identity import differences, fingerprint, flat
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.training.distribute import is_chief, read_variables

STATE = "state.npz"
FORMAT_VERSION = 1
_ABOUT = "about"  # entry of the file that is JSON; the others are variables, numbered


class Checkpoint:
    """One file, replaced as a whole after each epoch: weights, optimiser, states of the random generators, history.

    Args:
        folder: where the file lies, on any file system that fsspec reaches.
        model: compiled, with its optimiser's slots made.
        data, recipe, settings, seed, start: with the network, what makes two trainings the same; see describe_training.

    Attributes:
        finished: whether what is there is the end of the training, and nothing is left to do.
    """

    def __init__(self, folder: str, model: keras.Model, data: VideoDataset, recipe: Recipe, settings: ClipSettings,
                 seed: int, start: str | None = None):
        self.folder, self.path, self.model = folder, os.path.join(folder, STATE), model
        self.training = describe_training(model.spec, data, recipe, settings, seed, start)
        self.finished = False

    @property
    def _variables(self) -> list:
        # A model's variables include the states of its random generators.
        return [*self.model.variables, *self.model.optimizer.variables]

    def save(self, history: dict[str, list[float]], finished: bool = False) -> None:
        """Writes the state; one that is stopped in the middle leaves the last one as it was.

        On several machines all have to call it, for they make the values together; the first one writes.
        """
        values = read_variables(self._variables)
        if not is_chief(self.model.distribute_strategy):
            return
        about = {"format": FORMAT_VERSION, "training": self.training, "finished": finished, "history": history}
        content = io.BytesIO()
        np.savez(content, **{_ABOUT: np.array(json.dumps(about))},
                 **{str(number): value for number, value in enumerate(values)})
        files.write_bytes(self.path, content.getvalue())

    def restore(self) -> dict[str, list[float]]:
        """Puts the saved state into the model and returns its history; {} where nothing was saved yet.

        Raises:
            InputError: the file is no checkpoint, or that of another training; says what differs.
        """
        if not files.exists(self.path):
            return {}
        about, values = self._read()
        found = differences(about["training"], self.training)
        if found:
            raise InputError(f"checkpoint {self.folder} is of another training: {'; '.join(found)}")
        variables = self._variables
        if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
            raise InputError(f"checkpoint {self.folder}: its variables do not fit this version of the network")
        for variable, value in zip(variables, values):
            variable.assign(value)
        self.finished = about["finished"]
        return about["history"]

    def _read(self) -> tuple[dict, list[np.ndarray]]:
        try:
            with np.load(io.BytesIO(files.read_bytes(self.path)), allow_pickle=False) as content:
                about = json.loads(str(content[_ABOUT]))
                values = [content[str(number)] for number in range(len(content.files) - 1)]
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"checkpoint {self.path}: not a training's state ({error})") from None
        if about.get("format") != FORMAT_VERSION:
            raise InputError(f"checkpoint {self.path}: format {about.get('format')!r}; this version reads {FORMAT_VERSION}")
        return about, values


def describe_training(spec: Spec, data: VideoDataset, recipe: Recipe, settings: ClipSettings, seed: int,
                      start: str | None = None) -> dict:
    """What decides the result of a training, as flat JSON.

    Args:
        start: names the weights that it begins with; None from scratch.
    """
    chosen = {
        "network": spec.as_dict(),
        "recipe": recipe.model_dump(mode="json", exclude={"by_step"}),
        "clips": settings.model_dump(mode="json", include={"jitter", "flip"}),
    }
    found = flat(chosen) | {"classes": list(data.classes), "data": data.manifest.fingerprint, "seed": seed}
    return found | ({"start": start} if start else {})


def training_key(*training) -> str:
    """A short name of a training, for a folder; takes what describe_training takes."""
    return fingerprint(describe_training(*training))
