"""A file of weights to begin with, in any of its forms, looked at without TensorFlow: whose network, and which one.

A .keras file of this project, or a checkpoint of PySlowFast or PyTorchVideo (.pyth, .pt, .pth). Nothing that it carries is run.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.spec import Preserved, Spec, preserved
from expansion.tasks.registry import task_named
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.weights.naming import find_factors
from expansion.weights.weights_file import open_weights

KERAS = "keras"
MAX_CONFIG = 2**20  # bytes of the description of a network in a .keras file


@dataclass(frozen=True)
class WeightsSource:
    """What a file of weights holds.

    Args:
        path: of the file.
        form: "keras", "pyslowfast" or "pytorchvideo".
        spec: its network.
        classes: of its last layer; None where it has none.
        class_names: where the file names them.
        sha256: of the file.
        task: what its last layer answers; a checkpoint's names one class.
    """

    path: str
    form: str
    spec: Spec
    classes: int | None
    class_names: tuple[str, ...]
    sha256: str
    task: str = SINGLE_LABEL.name

    def check_head(self, classes: int, class_names: Sequence[str] = (), new_head: bool = False,
                   task: str = SINGLE_LABEL.name) -> bool:
        """Whether the last layer is replaced by a new one. Several labels and localization are answered by the same one.

        Args:
            classes, class_names: of the network that begins with the file.
            new_head: replace it, whatever classes it has.
            task: of that network.

        Raises:
            InputError: the classes or the tasks differ, and no new one was asked for.
        """
        if new_head:
            return True
        if self.classes is None:
            raise InputError(f"{self.path}: no last layer in it; --new-head begins a new one (new_head: true)")
        if task_named(self.task).activation != task_named(task).activation:
            raise InputError(f"{self.path}: its task is {self.task}, and that of the data {task}; --new-head replaces the last "
                             "layer (new_head: true)")
        if self.classes != classes:
            raise InputError(f"{self.path}: {self.classes} classes, and the data have {classes}; --new-head replaces the last "
                             "layer (new_head: true)")
        if self.class_names and class_names and tuple(class_names) != self.class_names:
            place = next(i for i, (own, other) in enumerate(zip(self.class_names, class_names)) if own != other)
            raise InputError(f"{self.path}: class {place} is {self.class_names[place]!r} there and {class_names[place]!r} in the "
                             "data; --new-head replaces the last layer (new_head: true)")
        return False

    def as_in(self, spec: Spec) -> WeightsSource:
        """With the width, depth and bottleneck of a spec where they come to the same layers, which is all that a file tells."""
        own = self.spec
        for name in ("width", "depth", "bottleneck"):
            same = own.replace(**{name: getattr(spec, name)})
            own = same if same.blocks() == own.blocks() and same.head_inner == own.head_inner else own
        return replace(self, spec=own)

    def grows_to(self, spec: Spec) -> Preserved:
        """What a network of a spec keeps of the file's; see `preserved`. It may see fewer frames or pixels.

        Raises:
            InputError: it has fewer layers or channels.
        """
        own = self.as_in(spec).spec
        seen = own.replace(**{name: min(getattr(own, name), getattr(spec, name)) for name in ("frames", "size")})
        try:
            kept = preserved(seen, spec)
        except InputError as error:
            reason = str(error).removeprefix("warm start: ").replace("the parent's", "the file's")
            raise InputError(f"{spec} cannot be reached from {self.path}: {reason}") from None
        return kept if seen == own else "weights"


def open_source(path: str, clip: Spec | None = None) -> WeightsSource:
    """Looks at a file of weights.

    Args:
        clip: the network that begins with it. Its frames, stride and size are meant where a checkpoint does not tell its own, and
            its width, depth and bottleneck where they come to the same layers.

    Raises:
        InputError: there is no such file, or it holds no network that this project knows.
    """
    if not files.exists(path):
        raise InputError(f"{path}: no such file")
    if path.endswith(".keras"):
        return _keras_source(path)
    checkpoint = open_weights(path)
    try:
        spec = checkpoint.spec()
    except InputError:
        if clip is None:
            raise
        spec = clip.replace(**find_factors(checkpoint.shapes, checkpoint.dialect))
    names = checkpoint.settings(checkpoint.classes).get("class_names", ())
    found = WeightsSource(path, checkpoint.dialect.name, spec, checkpoint.classes, names, _digest(path))
    return found.as_in(clip) if clip else found


def _keras_source(path: str) -> WeightsSource:
    try:
        with zipfile.ZipFile(io.BytesIO(files.read_bytes(path))) as archive, archive.open("config.json") as file:
            found = json.loads(file.read(MAX_CONFIG))
        kind = found["class_name"]
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError) as error:
        raise InputError(f"{path}: not a network that Keras can read ({error})") from None
    if kind != "X3D":
        raise InputError(f"{path}: a {kind}, not an X3D network")
    config = found["config"]
    return WeightsSource(path, KERAS, Spec(**config["spec"]), config["classes"], tuple(config["class_names"]), _digest(path),
                         config.get("task", SINGLE_LABEL.name))


def _digest(path: str) -> str:
    return hashlib.sha256(files.read_bytes(path)).hexdigest()
