"""What an exported network has to say of itself: a small JSON file that travels inside the export."""

from __future__ import annotations

import json
from dataclasses import dataclass

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.network.preprocessing import Preprocessing
from expansion.recipe import ClipSettings
from expansion.spec import Spec
from expansion.tasks.registry import task_named
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task

NAME = "x3d.json"
CARD = f"assets.extra/{NAME}"  # in a SavedModel's folder: TensorFlow's place for what it does not read itself


@dataclass(frozen=True)
class Card:
    """A network's numbers.

    Args:
        spec: the network.
        classes: number of classes.
        class_names: their names, if known.
        size: pixels of the clips that the export takes.
        preprocessing: how videos are to be decoded for it, if that is known, and cut into clips.
        task: what it answers.
    """

    spec: Spec
    classes: int
    class_names: tuple[str, ...]
    size: int
    preprocessing: Preprocessing
    task: Task = SINGLE_LABEL

    @classmethod
    def of(cls, model, clips: ClipSettings) -> Card:
        """The card of a Keras model whose export takes clips that are cut so."""
        return cls(model.spec, model.classes, model.class_names, model.size,
                   model.preprocessing.model_copy(update={"clips": clips}), model.task)

    def text(self) -> str:
        return json.dumps({
            "spec": self.spec.as_dict(), "classes": self.classes, "class_names": list(self.class_names),
            "size": self.size, "task": self.task.name, "activation": self.task.activation, **self.preprocessing.as_dict()},
            indent=1)


def parse_card(text: str, where: str) -> Card:
    """A card from its text.

    Raises:
        InputError: it is not one.
    """
    try:
        values = json.loads(text)
        return Card(Spec(**values["spec"]), int(values["classes"]), tuple(values["class_names"]), int(values["size"]),
                    parse_settings(Preprocessing, {"clips": values["clips"]} | {
                        name: values.get(name) for name in ("video", "fps")}, where),
                    task_named(values.get("task", SINGLE_LABEL.name)))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{where}: not the {NAME} of an export ({error})") from None


def read_card(path: str) -> Card:
    """The card in a file.

    Raises:
        InputError: there is none, or it is not one.
    """
    if not files.exists(path):
        raise InputError(f"{path} is missing; `x3d export` makes exports that can be evaluated")
    return parse_card(files.read_text(path), path)
