"""The configuration file: read safely, validated as a whole, frozen. Imports neither TensorFlow nor TFX."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from importlib import resources

import yaml
from pydantic import Field

from components.ingestion.settings import IngestSettings
from expansion.data.subset import ProxySettings
from expansion.display.wandb_settings import WandbSettings
from expansion.foundation.errors import InputError
from expansion.foundation.settings import Settings, parse_settings
from expansion.recipe import ClipSettings, Recipe
from expansion.search.settings import SearchSettings, SpecSetting
from expansion.training.distribute import Devices
from expansion.tuning.engines.settings import EngineSettings
from expansion.tuning.jobs import SearchJob
from expansion.weights.search import with_start

SHORT = {"engine": "name", "search.race": "on"}  # sections that a value stands for alone: the key that it is the value of


class Thresholds(Settings):
    """What the trained network has to reach on the test split before it is pushed.

    Args:
        accuracy: top-1, or with several labels a video mAP; share of 1.
        regression: how much worse than the last blessed model it may be, share of 1.
    """

    accuracy: float = Field(0.0, ge=0, le=1)
    regression: float = Field(0.0, ge=0, le=1)


class TrainSettings(Settings):
    """What `x3d train` trains; the recipe, clips and seed are the configuration's.

    Args:
        spec: the network: its settings, or a name.
        records: folder of the records; None ingests the videos.
        weights: file to start from: .keras, or a checkpoint of PySlowFast or PyTorchVideo. A deeper or wider network grows from
            it; without a spec its own network is trained.
        new_head: begin a new last layer in place of the file's, which is needed where the classes differ.
        devices: what the training runs on.
    """

    spec: SpecSetting | None = None
    records: str | None = None
    weights: str | None = None
    new_head: bool = False
    devices: Devices = Devices()


class ExpectedData(Settings):
    """What the videos will be, for `x3d plan` where they are not there yet; where they are, of their length and form.

    Args:
        train, val, test: videos.
        classes: of them.
        seconds, fps, aspect: of a typical video; aspect is the longer side over the shorter.
    """

    train: int = Field(0, ge=0)
    val: int = Field(0, ge=0)
    test: int = Field(0, ge=0)
    classes: int = Field(400, ge=2)
    seconds: float = Field(10.0, gt=0)
    fps: float = Field(30.0, gt=0)
    aspect: float = Field(16 / 9, ge=1)


class Config(Settings):
    """All that a run is made from.

    Args:
        name: of the run; its folder is runs/<name>.
        ingest: videos, labels and how frames are stored.
        expected: what the videos will be, where they are not there yet; only `x3d plan` asks.
        search: where the search starts and when it ends.
        recipe: how candidates are trained.
        final: recipe values that differ for the last training of the chosen spec, e.g. {"epochs": 256}.
        clips: how clips are cut.
        thresholds: what the last training has to reach.
        train: what `x3d train` trains, without a search.
        retries: how often a failed candidate is tried again.
        engine: where candidates are trained: in this process, in child processes, or on a Ray cluster.
        proxy: some of the data, and fewer epochs, for the search alone; the last training has all.
        wandb: a run at Weights & Biases to log to; None for none.
        seed: determines weights and clips.
        beam: arguments for Beam, such as "--runner=FlinkRunner"; none for its own runner on this machine.
    """

    name: str = Field("search", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    ingest: IngestSettings
    expected: ExpectedData = ExpectedData()
    search: SearchSettings = SearchSettings()
    recipe: Recipe = Recipe()
    final: dict[str, float | int | bool | str] = Field(default_factory=dict)
    clips: ClipSettings = ClipSettings()
    thresholds: Thresholds = Thresholds()
    train: TrainSettings = TrainSettings()
    retries: int = Field(1, ge=0)
    engine: EngineSettings = EngineSettings()
    proxy: ProxySettings | None = None
    wandb: WandbSettings | None = None
    seed: int = Field(0, ge=0)
    beam: tuple[str, ...] = ()

    def model_post_init(self, _):
        self.recipe.final(0, self.final)

    def search_job(self) -> SearchJob:
        """What the search takes of it."""
        return SearchJob(**{name: getattr(self, name) for name in SearchJob.model_fields})


def shipped(name: str) -> str:
    """Path of a configuration that comes with the project."""
    return str(resources.files("configs") / name)


def load_config(path: str | None, *, need_videos: bool = True, values: Mapping[str, object] | None = None,
                **overrides) -> Config:
    """The configuration in a YAML file, with other values put over it.

    Args:
        need_videos: whether it has to name the videos; where not, an empty name stands for none.
        values: by dotted key ("section.key"), in the order in which they are put; a section is replaced as a whole.
        overrides: the same, after them; None is left out.

    Raises:
        InputError: no such file, not YAML, an unknown key, a key below one that is no section, or a value that is not
            allowed.
    """
    found: dict = {}
    if path is not None:
        if not os.path.exists(path):
            raise InputError(f"config {path}: no such file")
        with open(path, encoding="utf-8") as file:
            try:
                found = yaml.safe_load(file) or {}
            except yaml.YAMLError as error:
                mark = getattr(error, "problem_mark", None)
                line = f" (line {mark.line + 1})" if mark else ""
                raise InputError(f"config {path}: not valid YAML{line}: {getattr(error, 'problem', error)}") from None
        if not isinstance(found, dict):
            raise InputError(f"config {path}: sections are expected, like `search:`; got {type(found).__name__}")
    for key, value in [*(values or {}).items(), *((key, value) for key, value in overrides.items() if value is not None)]:
        _put(found, key.split("."), value)
    if not need_videos and isinstance(ingest := found.setdefault("ingest", {}) or {}, dict):
        found["ingest"] = {"videos": "", **ingest}
    config = parse_settings(Config, found, f"config {path}" if path else "settings")
    if config.search.weights is None or "start" in config.search.model_fields_set:
        return config
    return config.model_copy(update={"search": with_start(config.search)})


def _put(values: dict, keys: list[str], value) -> None:
    for place, key in enumerate(keys[:-1], start=1):
        if values.get(key) is None:  # left out, or an empty section
            values[key] = {}
        section = ".".join(keys[:place])
        if section in SHORT and not isinstance(values[key], dict):
            values[key] = {SHORT[section]: values[key]}
        values = values[key]
        if not isinstance(values, dict):
            raise InputError(f"{'.'.join(keys)}: {section} is {values!r}, which has no keys; write it as a section")
    values[keys[-1]] = copy.deepcopy(value)  # a section, into which more may be put


def save_config(config: Config, path: str, without: set[str] = frozenset()) -> None:
    """Writes what a run used, every default spelled out, without the sections that it had no use for."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(config.model_dump(mode="json", exclude=without), file, sort_keys=False)
