"""Makes .venv from the lock that fits this machine and puts the project into it; `make install` runs it.

Needs Python 3.8 or later and its standard library. PROFILE=py311, py312 or py313 overrides the choice.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections import namedtuple

from get_uv import ROOT, SetupError, environment, get_uv, run, say

VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
INPUTS = ("setup.py", "locks/build.txt", "scripts/install.py")

Profile = namedtuple("Profile", "name python glibc tfx")
# The first whose glibc and Python are there is taken. Not 3.10: nothing that TFDV can use ships pyfarmhash for it.
PROFILES = (
    Profile("py311", "3.11", (2, 28), "1.16"),
    Profile("py312", "3.12", (2, 39), "1.21"),
    Profile("py313", "3.13", (2, 39), "1.21"),
)
CORE = "the core (network, search, clips) installs without TFX: `python3 -m pip install .` (docs/guides/install.md)"


def choose(wanted, glibc, has_python):
    """The profile for a machine.

    Args:
        wanted: name of a profile, or None to choose.
        glibc: (major, minor) of the machine.
        has_python: function from a Python version such as '3.11' to whether an interpreter is there.

    Returns:
        A Profile. If no interpreter fits it is the first one that glibc allows, and uv fetches its Python.

    Raises:
        SetupError: unknown name, or glibc too old.
    """
    names = [profile.name for profile in PROFILES]
    if wanted and wanted not in names:
        raise SetupError(f"PROFILE={wanted}: no such profile; there are {', '.join(names)}")
    profiles = [profile for profile in PROFILES if not wanted or profile.name == wanted]
    usable = [profile for profile in profiles if glibc >= profile.glibc]
    if not usable:
        needed = min(profile.glibc for profile in profiles)
        raise SetupError(f"TFX's wheels need glibc {_dotted(needed)}, this machine has {_dotted(glibc)}; {CORE}")
    return next((profile for profile in usable if has_python(profile.python)), usable[0])


def machine_glibc():
    """(major, minor) of this machine's glibc. SetupError where TFX has no wheels at all."""
    library, version = platform.libc_ver()
    kind = f"{platform.system()} on {platform.machine()}" + ("" if library == "glibc" else ", no glibc")
    if platform.system() != "Linux" or platform.machine() != "x86_64" or library != "glibc":
        raise SetupError(f"TFX has wheels for Linux on x86_64 with glibc only, this is {kind}; {CORE}")
    return tuple(int(part) for part in version.split(".")[:2])


def digest(profile):
    """What an installation of `profile` is made of; a moved folder counts, since scripts in .venv name it."""
    content = hashlib.sha256(f"{profile} {VENV}".encode())
    for name in (f"locks/{profile}.txt", *INPUTS):
        content.update((ROOT / name).read_bytes())
    return f"{profile} {content.hexdigest()}\n"


def is_installed(wanted):
    """Whether .venv is there, complete, and made from the present lock and setup.py."""
    if not (STAMP.exists() and (VENV / "bin" / "python").exists()):
        return False
    stamp = STAMP.read_text()
    profile = stamp.partition(" ")[0]
    return wanted in (None, profile) and (ROOT / f"locks/{profile}.txt").exists() and stamp == digest(profile)


def install(wanted):
    """Brings .venv to the lock. Packages that a developer has added stay; `make clean` removes all."""
    began = time.monotonic()
    glibc = machine_glibc()
    uv = get_uv()
    settings = environment()

    def find(version):
        command = [str(uv), "python", "find", "--system", "--no-python-downloads", f"cpython{version}"]
        return subprocess.run(command, env=settings, capture_output=True).returncode == 0

    profile = choose(wanted, glibc, find)
    lock = ROOT / "locks" / f"{profile.name}.txt"
    STAMP.unlink() if STAMP.exists() else None
    python = VENV / "bin" / "python"
    if not _runs(python, profile.python):
        shutil.rmtree(VENV, ignore_errors=True)
        fetch = [] if find(profile.python) else ["--python-preference", "managed"]
        if fetch:
            say(f"no Python {profile.python} here; uv fetches one")
        run([uv, "venv", "--quiet", "--python", f"cpython{profile.python}", *fetch, VENV], env=settings)
    packages = lock.read_text().count("==")
    say(f"{packages} packages from locks/{lock.name}: TFX {profile.tfx}, Python {profile.python}; 1.1 GB if not cached")
    pip = [uv, "pip", "install", "--quiet", "--python", python]
    # The lock is complete, hence --no-deps (it also has a newer pyfarmhash than TFDV asks for, see overrides.in).
    # Six packages have no wheel: they are built with the setuptools of build.txt, none needs a compiler.
    builders = ROOT / "locks" / "build.txt"
    # Compiled here, on all cores: where Python is told to write no bytecode, as in many images, each process that imports
    # TensorFlow would compile it again, for 9 s of its 13.
    run([*pip, "--compile-bytecode", "--no-deps", "--require-hashes", "--build-constraints", builders, "-r", lock], env=settings)
    run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT], env=settings)
    STAMP.write_text(digest(profile.name))
    say(f"installed into .venv in {time.monotonic() - began:.0f} s")


def _runs(python, version):
    """Whether this virtual environment works, is of this Python version, and was made where it stands."""
    activate = VENV / "bin" / "activate"
    if not activate.exists() or str(VENV) not in activate.read_text():
        return False
    code = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
    return python.exists() and subprocess.run([str(python), "-c", code], capture_output=True).returncode == 0


def _dotted(version):
    return ".".join(str(part) for part in version)


def main():
    wanted = os.environ.get("PROFILE") or None
    try:
        if not is_installed(wanted):
            install(wanted)
    except SetupError as error:
        say(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
