"""Every command line of the documentation names a command, options and values that there are; the cheap ones are run."""

import importlib
import inspect
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from pipeline.cli import COMMANDS, app
from tests.commands import x3d
from tests.docs.pages import PAGES, ROOT, command_lines

MAIN = typer.main.get_command(app)


def _typed() -> list:
    """What follows `x3d` in the documentation, by place: in the blocks, and in `code` that begins with it."""
    found = []
    for block, line in command_lines():
        for words in _commands(line):
            while words and "=" in words[0] and not words[0].startswith("-"):
                words.pop(0)  # a variable of the environment
            if words and Path(words[0]).name == "x3d":
                found.append(pytest.param(words[1:], id=f"{block}: {' '.join(words[1:])[:60]}"))
    for page in PAGES:
        for text in re.findall(r"`(?:\.venv/bin/)?x3d ([^`\n]+)`", page.read_text(encoding="utf-8")):
            if not re.search(r"[A-Z]{3,}|\.\.\.|\[", text):  # placeholders
                found.append(pytest.param(shlex.split(text), id=f"{page.relative_to(ROOT)}: {text[:60]}"))
    return found


def _commands(line: str) -> list[list[str]]:
    """The commands of a line of the shell as words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;>")
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("|&;>"):
            found.append([])
        else:
            found[-1].append(word)
    return found


def _parsed(words: list[str]):
    """The context of a command line, which Typer makes without running it.

    Raises:
        Exception: Typer's, of what it does not know or take.
    """
    command = MAIN.get_command(None, words[0])
    assert command is not None, f"no command {words[0]}"
    return command.make_context(words[0], list(words[1:]))


@pytest.mark.parametrize("words", _typed())
def test_the_command_line_is_understood(words):
    if words[0].startswith("-"):
        assert words[0] in x3d("--help").stdout
        return
    if len(words) == 1:  # the command is named, not typed
        assert words[0] in COMMANDS
        return
    in_prose = words[0] in ("train", "proxy-check", "export") and "--records" == words[-1]  # "`x3d train --records`"
    if not in_prose:
        _parsed(words)


def test_an_unknown_option_would_be_found():
    with pytest.raises(Exception, match="No such option"):
        _parsed(["search", "--no-such-option", "1"])


CHEAP = ("describe", "plan", "runs", "reproduce")


@pytest.fixture
def folder(tmp_path):
    """A folder as the tutorial's, with the videos that the commands name."""
    for name in ("fall/a.mp4", "fall/b.mp4", "walk/c.mp4", "walk/d.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(name.encode())
    (tmp_path / "labels.csv").write_text("path,label,split\n" + "".join(
        f"{name},{name.split('/')[0]},train\n" for name in ("fall/a.mp4", "walk/c.mp4")))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tmp_path


def _cheap() -> list:
    """Command lines that need nothing but videos that nobody opens, each once; all of the paper's steps take half a minute."""
    found = {}
    for typed in _typed():
        words = typed.values[0]
        if words[0] in CHEAP and not {"--records", "--measure"} & set(words) and (len(words) > 1 or words[0] == "runs"):
            found.setdefault(tuple(words), typed)
    return [*found.values(), pytest.param(["reproduce"], marks=pytest.mark.slow)]


@pytest.mark.parametrize("words", _cheap())
def test_a_cheap_command_runs(words, folder):
    done = x3d(*words, cwd=folder)
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize("script", sorted({
    match for page in PAGES for match in re.findall(r"python3? (?:-m )?((?:scripts/|benchmarks|apache_beam)[\w./]*)",
                                                    page.read_text(encoding="utf-8"))}))
def test_the_script_is_there(script):
    path = ROOT / script.replace(".", "/") if script.startswith("benchmarks.") else ROOT / script
    if script.startswith("apache_beam"):
        pytest.importorskip("apache_beam")
        path = Path(next(iter(sys.modules["apache_beam"].__path__))).parent / script.replace(".", "/")
    assert path.exists() or path.with_suffix(".py").exists()


def test_every_target_of_make_is_there():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {match for page in PAGES for match in re.findall(r"(?:`|^)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)}
    assert {"demo", "test"} <= named <= targets


def test_the_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme and "make test" in readme and len(readme.splitlines()) < 130


FUNCTIONS = {name: getattr(importlib.import_module(f"pipeline.commands.{name.replace('-', '_')}"), function)
             for name, function in COMMANDS.items()}


def test_the_page_of_commands_names_them_all_with_their_common_options():
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)", page.split("## ")[0], re.MULTILINE) == list(COMMANDS)
    without_json, with_log = (re.findall(r"`([a-z-]+)`", re.search(pattern, page, re.DOTALL)[1]) for pattern in (
        r"all commands but (.*?)\)", r"`-v` \((.*?)\)"))
    parameters = {name: inspect.signature(function).parameters for name, function in FUNCTIONS.items()}
    assert set(without_json) == {name for name in COMMANDS if "as_json" not in parameters[name]}
    assert set(with_log) == {name for name in COMMANDS if "verbose" in parameters[name]}
    sentence = re.search(r"## Options and the configuration\n\n(.*?) read a configuration", page, re.DOTALL)[1]
    configured = {name for name, function in FUNCTIONS.items() if hasattr(function, "settings")}
    assert set(re.findall(r"`([a-z-]+)`", sentence)) == configured
