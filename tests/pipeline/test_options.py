"""Options that stand for keys of the configuration, and --set for all the others."""

import importlib
import json
import typing

import pytest

from expansion.foundation.errors import InputError
from pipeline.cli import COMMANDS
from pipeline.config import Config, shipped
from pipeline.options import SETTINGS, Given, typed
from tests.commands import x3d

FUNCTIONS = {name: getattr(importlib.import_module(f"pipeline.commands.{name.replace('-', '_')}"), function)
             for name, function in COMMANDS.items()}
CONFIGURED = {name: function for name, function in FUNCTIONS.items() if hasattr(function, "settings")}


def given(*args, settings=SETTINGS, **chosen) -> Given:
    """What a command makes of --set ARGS and of options."""
    def command(given: Given):
        return given

    command.settings, command.default_file, command.config_file = settings, "small.yaml", True
    return typed(command)(config=None, set_=list(args), **dict.fromkeys(settings) | chosen)


def test_commands_that_take_a_configuration():
    assert set(CONFIGURED) == {"search", "demo", "train", "ingest", "plan", "proxy-check", "reproduce", "compile"}


@pytest.mark.parametrize("command", CONFIGURED)
def test_every_option_stands_for_a_key_that_there_is(command):
    for setting in CONFIGURED[command].settings.values():
        model, annotation = Config, None
        for name in setting.key.replace("final.", "recipe.").split("."):  # `final` is a dictionary of the recipe's names
            if model is None:  # a dictionary's own keys
                assert name in typing.get_args(typing.get_args(annotation)[0])
                break
            annotation = model.model_fields[name].annotation
            kinds = (annotation, *getattr(annotation, "__args__", ()))
            model = next((kind for kind in kinds if hasattr(kind, "model_fields")), None)


def test_any_key_can_be_set():
    config = given("search.factor=1.5", "clips={views: 3, flip: false}", "search.axes=[depth, width]", "search.race=on",
                   "recipe.by_step.2.batch=8", "ingest.fps=null", "recipe.weight_decay=1e-4", videos="v").load()
    assert (config.search.factor, config.clips.views, config.clips.flip, config.clips.crops) == (1.5, 3, False, 1)
    assert config.search.axes == ("depth", "width") and config.search.race.on and config.ingest.videos == "v"
    assert config.recipe.at(2).batch == 8 and config.ingest.fps is None and config.recipe.weight_decay == 1e-4


def test_a_value_that_stands_for_a_section_can_be_added_to():
    config = given("search.race=on", "search.race.keep=0.3", "engine=ray", "engine.address=auto", workers=4, videos="v").load()
    assert config.search.race.on and config.search.race.keep == 0.3
    assert (config.engine.name, config.engine.address, config.engine.workers) == ("ray", "auto", 4)


def test_of_one_key_the_last_one_holds():
    assert given("search.steps=2", "search={factor: 3}", videos="v").load().search.steps == 11  # its section is replaced
    config = given("search.steps=2", "search={factor: 3}", "search.steps=4", videos="v").load()
    assert (config.search.steps, config.search.factor) == (4, 3)


def test_the_same_value_given_twice_is_no_contradiction():
    assert given("search.steps=3", steps=3, videos="v").load().search.steps == 3


@pytest.mark.parametrize("args, chosen, complaint", [
    (["search.steps=3"], {"steps": 4}, "--steps says 4 and --set search.steps says 3: give one of them"),
    (["search={steps: 3}"], {"target_gmacs": 2.0, "steps": 4}, "--steps says 4 and --set search.steps says 3"),
    (["search.steps"], {}, "--set search.steps: KEY=VALUE is expected, such as search.steps=3"),
    (["search..steps=3"], {}, "KEY=VALUE is expected"),
    (["search.axes=[depth"], {}, "--set search.axes=[depth: the value is not valid YAML"),
    (["search.axes=!!python/object:os.system x"], {}, "the value is not valid YAML"),
])
def test_what_cannot_be_meant_is_an_error_of_use(args, chosen, complaint):
    with pytest.raises(InputError) as raised:
        given(*args, **chosen)
    assert complaint in str(raised.value)


@pytest.mark.parametrize("args, complaint", [
    (["search.stepz=3"], "unknown key 'search.stepz'; allowed are start, classes, axes"),
    (["serch.steps=3"], "unknown key 'serch'"),
    (["search.steps=many"], "search.steps is 'many'"),
    (["search.steps.more=1"], "search.steps.more: search.steps is 11, which has no keys; write it as a section"),
    (["search.race=on", "search.race.keep=3"], "search.race.keep is 3"),
    (["engine=in-process", "engine.workers=2"], "workers is not for the engine in-process"),
    (["search=3"], "search is 3"),
])
def test_the_configurations_own_errors_are_one_line(args, complaint, tmp_path):
    (tmp_path / "c.yaml").write_text("search: {steps: 11}")
    sets = [part for text in args for part in ("--set", text)]
    done = x3d("plan", "--config", str(tmp_path / "c.yaml"), *sets)
    assert done.returncode == 2 and complaint in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_what_a_command_decides_itself_cannot_be_set(tmp_path):
    done = x3d("demo", "--runs", str(tmp_path), "--set", "ingest.videos=mine")
    assert done.returncode == 2 and "ingest.videos is 'mine': this command sets it itself" in done.stderr


def test_set_on_the_command_line(tmp_path):
    plan = json.loads(x3d("plan", "--runs", str(tmp_path), "--set", "search.factor=4", "--cost", "params", "--json").stdout)
    assert plan["cost"] == "params" and all(c["cost"] / 1_627_242 > 3 for c in plan["candidates"] if c["axis"] == "depth")


def test_without_a_file_it_is_the_commands_default():
    assert Given(values={"ingest.videos": "v"}).load() == Given(shipped("small.yaml"), {"ingest.videos": "v"}).load()
    assert Given(values={"ingest.videos": "v"}, default="demo.yaml").load().name == "demo"


def test_every_command_says_what_it_does_in_a_line():
    shown = " ".join(x3d("--help").stdout.replace("│", " ").split())
    for name, function in FUNCTIONS.items():
        assert f"{name} {function.__doc__.splitlines()[0].split(':')[0][:30]}" in shown
        assert x3d(name, "--help").returncode == 0
