"""What would be published: the files, the metadata, and the core of the wheel where nothing else is installed."""

import contextlib
import importlib.metadata
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
import setuptools
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import get_uv  # noqa: E402
import try_wheel  # noqa: E402

PACKAGES = ("components", "configs", "expansion", "pipeline")
ADDRESS = "https://code.example/x3d"


def metadata(monkeypatch, address=""):
    """The arguments that setup.py gives to setup(), with an address of the repository or without."""
    given = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.setenv("X3D_PROJECT_URL", address)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return given


def relative(text):
    return re.findall(r"\]\((?!https?:|#)[^)]*\)", text)


def test_page_of_the_index_has_no_relative_link(monkeypatch):
    page = metadata(monkeypatch)["long_description"]
    assert not relative(page) and "![" not in page
    assert "troubleshooting: docs/guides/install.md." in page and "method (docs/explanation/method.md)" in page
    assert "[X3D: Expanding Architectures for Efficient Video Recognition](https://" in page


def test_page_of_the_index_leads_to_this_version_where_the_address_is_known(monkeypatch):
    given = metadata(monkeypatch, ADDRESS + "/")
    page, version = given["long_description"], given["version"]
    assert not relative(page)
    assert f"[docs/guides/install.md]({ADDRESS}/blob/v{version}/docs/guides/install.md)" in page
    assert f"]({ADDRESS}/raw/v{version}/docs/images/demo_path.png)" in page
    assert given["project_urls"]["Source"] == ADDRESS


def test_no_address_is_invented(monkeypatch):
    assert metadata(monkeypatch)["project_urls"] == {}


def test_changelog_begins_with_the_version(monkeypatch):
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading[1].rstrip(",") == metadata(monkeypatch)["version"]


def test_every_python_of_the_metadata_is_tried(monkeypatch):
    told = [label.rpartition(" ")[2] for label in metadata(monkeypatch)["classifiers"] if re.search(r":: 3\.\d+$", label)]
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    assert workflow["jobs"]["try"]["strategy"]["matrix"]["python"] == told
    assert re.search(r"try_wheel\.py dist/\*\.whl (.*)", (ROOT / "Makefile").read_text())[1].split() == told


def of_packages(root):
    """The files of the packages that are to be published."""
    return {str(file.relative_to(root)) for package in PACKAGES for file in (root / package).rglob("*")
            if file.suffix in {".py", ".yaml", ".json", ".j2"}}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The repository as a new checkout would be."""

    def left_out(folder, names):
        made = {"runs", "build", "dist"} if Path(folder) == ROOT else set()
        return [name for name in names
                if name in made or name == "__pycache__" or name.startswith(".") or name.endswith(".egg-info")]

    return shutil.copytree(ROOT, tmp_path_factory.mktemp("release") / "source", ignore=left_out)


@pytest.fixture(scope="module")
def built(source):
    """Folder of an sdist and of the wheel that is built from it."""
    command = [get_uv.get_uv(), "build", "--quiet", "--no-create-gitignore", "--build-constraints", "locks/build.txt",
               "--require-hashes", "--python", sys.executable, "--out-dir", source.parent / "dist", "."]
    settings = get_uv.environment() | {"X3D_PROJECT_URL": ""}
    subprocess.run([str(part) for part in command], cwd=source, env=settings, check=True)
    return source.parent / "dist"


@pytest.mark.slow
def test_wheel_holds_the_packages_and_no_more(source, built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        about = wheel.read(next(name for name in wheel.namelist() if name.endswith("/METADATA"))).decode()
    assert names == of_packages(source)
    assert {"configs/small.yaml", "expansion/paper.json", "pipeline/report/page.html.j2"} < names
    assert "License-Expression: Apache-2.0" in about and "License-File: LICENSE" in about


@pytest.mark.slow
def test_sdist_holds_what_builds_it_and_the_pages(source, built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {member.name.partition("/")[2] for member in sdist if member.isfile()}
    generated = {name for name in names if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    pages = {str(file.relative_to(source)) for file in (source / "docs").rglob("*.md")}
    assert names - generated == of_packages(source) | pages | {
        "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff"}


@pytest.mark.slow
def test_an_index_would_take_both(built):
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())],
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout + done.stderr


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(wheel):
    """Names of the distributions that plain pip would install with a wheel: what its core declares, and so on."""

    def declared(distribution):
        return [normal(re.match(r"[\w.-]+", entry)[0]) for entry in distribution.requires or []
                if not re.search(r"\bextra\s*==", entry)]

    names, more = set(), declared(wheel)
    while more:
        name = more.pop()
        if name not in names:
            names.add(name)
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # one of another platform or Python
                more += declared(importlib.metadata.distribution(name))
    return names


@pytest.fixture(scope="module")
def programs(built, tmp_path_factory):
    """Programs of a new environment, in which pip has put the wheel.

    `make release` has pip install the dependencies too, which takes two minutes and the net. Here those of the running
    environment are borrowed, and whatever the core does not declare cannot be imported: None in sys.modules stops it.
    """
    programs = try_wheel.make_environment(sys.executable, tmp_path_factory.mktemp("core") / "venv")
    python = programs / "python"
    try_wheel.call(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", next(built.glob("*.whl")))
    packages = Path(try_wheel.call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    core = needed(importlib.metadata.Distribution.at(next(packages.glob("x3d_search-*.dist-info")))) | {"x3d-search", "pip"}
    others = sorted(module for module, owners in importlib.metadata.packages_distributions().items()
                    if core.isdisjoint(map(normal, owners)))
    assert {"tfx", "apache_beam", "av", "pytest"} < set(others)
    (packages / "borrowed.pth").write_text(
        f"{sysconfig.get_path('purelib')}\nimport sys; sys.modules.update(dict.fromkeys({others!r}))\n")
    return programs


@pytest.mark.slow
@pytest.mark.parametrize("command, expected", try_wheel.CHECKS, ids=[command[1] for command, _ in try_wheel.CHECKS])
def test_core_alone(programs, command, expected):
    try_wheel.check(programs, command, expected)


@pytest.mark.slow
@pytest.mark.parametrize("command, missing", [
    ("ingest records --videos videos", "apache_beam"),
    ("demo", "sklearn"),
    ("search --videos videos", "apache_beam"),
    ("compile pipeline.yaml --image image --root root --videos videos", "[tfx,kubeflow]"),
], ids=lambda value: value.partition(" ")[0])
def test_command_without_its_extra_says_so_in_one_line(programs, tmp_path, command, missing):
    (tmp_path / "videos/walk").mkdir(parents=True)
    (tmp_path / "videos/walk/a.mp4").touch()
    done = subprocess.run([str(programs / "x3d"), *command.split()], cwd=tmp_path, capture_output=True, text=True)
    told = [line for line in done.stderr.splitlines() if not line.startswith("The log is ")]
    assert done.returncode in (1, 2) and len(told) == 1 and told[0].startswith("x3d: ") and missing in told[0], done.stderr
