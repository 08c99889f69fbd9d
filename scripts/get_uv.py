"""Gets the pinned uv into .venv-tools with nothing but the standard library, and tells it how pip is set up here.

As a script it runs that uv: `python3 scripts/get_uv.py pip list --python .venv`.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv-tools"
PIN = ROOT / "locks" / "uv.txt"
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
APT = "apt-get update -qq && apt-get install -y -qq python3-venv"


class SetupError(Exception):
    """What stops the set-up, in one line that says what to do."""


def say(text):
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def run(command, **options):
    """Runs a command. SetupError names it if it fails; its own output has told why."""
    command = [str(part) for part in command]
    try:
        return subprocess.run(command, check=True, **options)
    except subprocess.CalledProcessError as error:
        raise SetupError(f"`{' '.join(command)}` failed ({error.returncode})") from None


def succeeds(*command):
    return subprocess.run([str(part) for part in command], capture_output=True).returncode == 0


def get_uv():
    """Path of a uv that works: the pinned one, else one from PATH where Python can install nothing.

    Debian's python3 has neither pip nor ensurepip, so there are three ways: a venv, the interpreter's own pip,
    or the package python3-venv first.
    """
    uv = TOOLS / "bin" / "uv"
    version = re.search(r"^uv==(\S+)", PIN.read_text(), re.MULTILINE).group(1)
    if uv.exists() and version in subprocess.run([str(uv), "--version"], capture_output=True, text=True).stdout:
        return uv
    say(f"getting uv {version}")
    if not (_through_venv() or _through_pip()):
        found = shutil.which("uv")
        if found:
            say(f"this Python has neither venv nor pip; taking {found}")
            return Path(found)
        _install_python_venv()
        if not _through_venv("/usr/bin/python3"):
            raise SetupError("python3 still cannot make a virtual environment after installing python3-venv")
    return uv


def _pip_install(python, *options):
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps",
         "--only-binary", ":all:", *options, "-r", PIN])


def _through_venv(python=sys.executable):
    shutil.rmtree(TOOLS, ignore_errors=True)
    if not succeeds(python, "-m", "venv", TOOLS):
        shutil.rmtree(TOOLS, ignore_errors=True)
        return False
    _pip_install(TOOLS / "bin" / "python")
    return True


def _through_pip():
    if not succeeds(sys.executable, "-m", "pip", "--version"):
        return False
    _pip_install(sys.executable, "--target", TOOLS)  # --target is allowed in an externally managed Python
    return True


def _install_python_venv():
    by_hand = "this Python has neither venv nor pip; install Debian's package, then try again: "
    if not shutil.which("apt-get"):
        raise SetupError("this Python has neither venv nor pip; install either with your system's packages")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if os.geteuid() == 0:
        say(f"this Python has neither venv nor pip; running `{APT}`")
        run(["sh", "-c", APT], env=environment, stdout=subprocess.DEVNULL)
    elif shutil.which("sudo") and sys.stdin.isatty():
        say(f"this Python has neither venv nor pip; running `sudo sh -c '{APT}'` (Ctrl-C to stop)")
        run(["sudo", "sh", "-c", APT], env=environment)
    else:
        raise SetupError(f"{by_hand}sudo apt-get install python3-venv")


def environment():
    """The environment for uv. It does not read pip's settings, so index and certificates are handed on.

    Variables of uv itself, and a uv.toml, come before what pip is told. Certificates are the system's where it has
    any, as apt's and pip's are: uv's own list does not know a company's authority.
    """
    result = dict(os.environ)
    result.pop("VIRTUAL_ENV", None)
    result.setdefault("UV_HTTP_TIMEOUT", "120")
    if any(os.path.exists(bundle) for bundle in CERTIFICATES):
        result.setdefault("UV_SYSTEM_CERTS", "1")
    pip = _pip_settings()
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    configured = any(file.exists() for file in (home / "uv/uv.toml", Path("/etc/uv/uv.toml")))
    if "index-url" in pip and not configured and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & result.keys():
        result["UV_DEFAULT_INDEX"] = pip["index-url"]
    if "cert" in pip:
        result.setdefault("SSL_CERT_FILE", pip["cert"])
    return result


def _pip_settings():
    """pip's settings by name, the environment's last: {'index-url': ..., 'cert': ...}."""
    for python in (TOOLS / "bin" / "python", sys.executable):
        if Path(python).exists():
            listed = subprocess.run([str(python), "-m", "pip", "config", "list"], capture_output=True, text=True)
            if listed.returncode == 0:
                break
    else:
        return {}
    lines = [line.partition("=") for line in listed.stdout.splitlines() if "=" in line]
    lines.sort(key=lambda line: line[0].startswith(":env:"))
    return {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, _, value in lines}


def main():
    try:
        return subprocess.run([str(get_uv()), *sys.argv[1:]], env=environment()).returncode
    except SetupError as error:
        say(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
