"""Installs the core of a wheel with plain pip into a new environment and uses it there, on one Python or several.

    python3.12 scripts/try_wheel.py dist/x3d_search-0.1.0-py3-none-any.whl
    python3 scripts/try_wheel.py dist/x3d_search-0.1.0-py3-none-any.whl 3.10 3.11 3.12 3.13

`make release` and the release workflow run it. It needs nothing but the standard library, and for each Python two minutes
and 2.5 GB among the temporary files. Where a Python is not on the machine, uv resolves the dependencies for it instead.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from get_uv import SetupError, environment, get_uv

# A network computes, every public name loads, and every module but those that import what an extra brings.
LIBRARY = """
import importlib, pkgutil
import expansion, numpy
print(expansion.build_model(expansion.Spec(frames=2, size=32), 5)(numpy.zeros((1, 2, 32, 32, 3), "float32")).shape)
for name in expansion.__all__:
    getattr(expansion, name)
missing = set()
for package in ("configs", "expansion", "components", "pipeline"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            missing.add(error.name.partition(".")[0])
        except expansion.InputError:  # it says itself which extra it needs
            pass
print("not declared:", sorted(missing - {
    "av", "kfp", "wandb", "sklearn", "tfx", "apache_beam", "crcmod", "ml_metadata", "tensorflow_data_validation",
    "tensorflow_model_analysis", "tensorflow_transform"}))
"""
# What is run in the environment, and what its output must hold.
CHECKS = (
    (("x3d", "--help"), "COMMAND"),
    (("x3d", "describe", "XS"), "605,256,512"),
    (("x3d", "plan"), "spatial"),
    (("x3d", "reproduce", "--until", "XS"), "XS"),
    (("x3d", "runs"), ""),
    (("python", "-c", LIBRARY), "(1, 5)\nnot declared: []"),
)


def make_environment(python, folder):
    """Makes a virtual environment with pip for an interpreter; gives the folder of its programs."""
    call(python, "-m", "venv", folder)
    return Path(folder) / "bin"


def call(*command, cwd=None):
    """What a command writes to its standard output. SetupError with the end of its output if it fails.

    It sees no packages but those of its environment: none that PYTHONPATH or a current folder would add.
    """
    # The last one is set by TFX, in a process that has imported it.
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TF_USE_LEGACY_KERAS")
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=settings | {"TF_CPP_MIN_LOG_LEVEL": "3"},
                          capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"`{_shown(command)}` failed ({done.returncode}): ...{(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


def check(programs, command, expected):
    """Runs one of CHECKS in an empty folder. SetupError if it fails or does not print what is expected."""
    with tempfile.TemporaryDirectory() as folder:
        out = call(programs / command[0], *command[1:], cwd=folder)
    if expected not in out:
        raise SetupError(f"`{_shown(command)}` does not print {expected!r}: {out[-1500:]}")


def try_core(wheel, python):
    """Installs the wheel and its core's dependencies for an interpreter, and runs CHECKS; gives a line on it."""
    with tempfile.TemporaryDirectory() as folder:
        programs = make_environment(python, Path(folder) / "venv")
        began = time.monotonic()
        call(programs / "python", "-m", "pip", "install", "--quiet", wheel)
        seconds = time.monotonic() - began
        call(programs / "python", "-m", "pip", "check")
        listed = call(programs / "python", "-m", "pip", "list", "--format", "freeze")
        versions = " ".join(re.findall(r"^(?:tensorflow|keras|numpy)==\S+", listed, re.MULTILINE))
        for command, expected in CHECKS:
            check(programs, command, expected)
        size = sum(file.lstat().st_size for file in Path(folder).rglob("*")) / 1e9
        return f"{versions}; installed in {seconds:.0f} s ({size:.1f} GB), {len(CHECKS)} checks in all passed"


def resolve(wheel, version):
    """Resolves the core's dependencies for a Python that is not here, from wheels alone; gives a line on it."""
    command = [get_uv(), "pip", "compile", "--quiet", "--python-version", version, "--only-binary", ":all:", "-"]
    done = subprocess.run([str(part) for part in command], input=f"x3d-search @ {wheel.as_uri()}", env=environment(),
                          capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"does not resolve: {done.stderr[-1500:]}")
    return f"not on this machine, so nothing was run; {done.stdout.count('==')} packages resolve, all as wheels"


def find(version):
    """An interpreter of a version such as '3.12', or None. One that is named but does not run, as pyenv's can, is none."""
    for python in filter(None, [shutil.which(f"python{version}"), shutil.which("python3"), sys.executable]):
        done = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"],
                              capture_output=True, text=True)
        found, _, path = done.stdout.strip().partition(" ")
        if found == version:
            return path
    return None


def _shown(command):
    return " ".join(str(part).strip().partition("\n")[0] for part in command)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=lambda path: Path(path).resolve())
    parser.add_argument("versions", nargs="*", help="of Python; default: the one that runs this")
    options = parser.parse_args()
    failed = 0
    for version in options.versions or ["%d.%d" % sys.version_info[:2]]:
        python = find(version)
        try:
            line = try_core(options.wheel, python) if python else resolve(options.wheel, version)
        except SetupError as error:
            line, failed = f"FAILED: {error}", 1
        print(f"Python {version}: {line}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
