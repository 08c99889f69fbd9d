"""Every piece of configuration in the documentation is one; the reference page has every key and is as the models say."""

import re
import shlex
import sys

import pytest
import yaml

from pipeline.config import load_config
from tests.docs.pages import PAGES, ROOT, blocks
from tests.docs.test_commands import _parsed

sys.path.insert(0, str(ROOT / "scripts"))

import reference_pages  # noqa: E402

FOREIGN = "# not a configuration of x3d\n"


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if not b.text.startswith(FOREIGN)], ids=str)
def test_a_piece_of_configuration_is_valid(block, tmp_path):
    (tmp_path / "piece.yaml").write_text(block.text)
    load_config(str(tmp_path / "piece.yaml"), need_videos=False)


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if b.text.startswith(FOREIGN)], ids=str)
def test_a_manifest_starts_a_command_that_there_is(block):
    words = shlex.split(yaml.safe_load(block.text)["spec"]["entrypoint"])
    assert words[0] == "x3d"
    _parsed(words[1:])


@pytest.mark.parametrize("path", reference_pages.pages(), ids=lambda path: path.name)
def test_a_generated_page_is_up_to_date(path):
    assert path.read_text(encoding="utf-8") == reference_pages.pages()[path], "run: python scripts/reference_pages.py"


def test_the_page_has_every_key():
    def keys(value, prefix=""):
        for name, inner in value.items():
            yield prefix + name
            if isinstance(inner, dict):
                yield from keys(inner, f"{prefix}{name}.")

    page = (reference_pages.REFERENCE / "configuration.md").read_text(encoding="utf-8")
    whole = {"ingest": {"videos": "v"}, "proxy": {"share": 0.5}, "wandb": {"project": "p"}}
    found = {key for key in keys(reference_pages.Config(**whole).model_dump())
             if not re.match(r"search\.(start|limits)\.|train\.spec\.", key)}
    assert found == set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))


def test_keys_in_prose_are_keys():
    page = (reference_pages.REFERENCE / "configuration.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^\| `([\w.]+)` \|", page, re.MULTILINE))
    sections = {key.split(".")[0] for key in known if "." in key}
    for path in PAGES:
        for key in re.findall(r"`([a-z]+\.[a-z_.]+)`", path.read_text(encoding="utf-8")):
            if key.split(".")[0] in sections and not key.endswith((".txt", ".md", ".py", ".json", ".yaml", ".keras")):
                assert key in known, f"{path.name}: {key}"
