"""The choice of a profile, what makes an installation stale, and what a lock may hold."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import get_uv  # noqa: E402
import install  # noqa: E402

DEBIAN_12, UBUNTU_24, DEBIAN_13 = (2, 36), (2, 39), (2, 41)


@pytest.mark.parametrize("glibc, pythons, expected", [
    (DEBIAN_12, {"3.11"}, "py311"),
    (DEBIAN_12, {"3.12", "3.13"}, "py311"),  # no glibc for TFX 1.21: uv fetches a 3.11
    (UBUNTU_24, {"3.12"}, "py312"),
    (DEBIAN_13, {"3.13"}, "py313"),
    (DEBIAN_13, {"3.11", "3.13"}, "py311"),
    (DEBIAN_13, {"3.14"}, "py311"),
])
def test_machine_chooses_profile(glibc, pythons, expected):
    assert install.choose(None, glibc, pythons.__contains__).name == expected


def test_wanted_profile_wins():
    assert install.choose("py313", DEBIAN_13, {"3.11"}.__contains__).name == "py313"


@pytest.mark.parametrize("wanted, glibc, message", [
    ("py39", DEBIAN_12, "PROFILE=py39: no such profile; there are py311, py312, py313"),
    ("py312", DEBIAN_12, "need glibc 2.39, this machine has 2.36"),
    (None, (2, 17), "need glibc 2.28, this machine has 2.17"),
])
def test_impossible_profile_is_one_clear_line(wanted, glibc, message):
    with pytest.raises(get_uv.SetupError, match=re.escape(message)) as caught:
        install.choose(wanted, glibc, lambda version: True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("system, machine, library", [
    ("Darwin", "arm64", ""), ("Linux", "aarch64", "glibc"), ("Linux", "x86_64", ""),
])
def test_machine_without_wheels_is_pointed_to_the_core(monkeypatch, system, machine, library):
    monkeypatch.setattr(install.platform, "system", lambda: system)
    monkeypatch.setattr(install.platform, "machine", lambda: machine)
    monkeypatch.setattr(install.platform, "libc_ver", lambda: (library, "2.41"))
    with pytest.raises(get_uv.SetupError, match=r"pip install \."):
        install.machine_glibc()


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder that looks installed from py311."""
    for name in ("locks/py311.txt", "locks/py312.txt", *install.INPUTS, ".venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name, value in {"ROOT": tmp_path, "VENV": tmp_path / ".venv", "STAMP": tmp_path / ".venv/.installed"}.items():
        monkeypatch.setattr(install, name, value)
    install.STAMP.write_text(install.digest("py311"))
    return tmp_path


def test_second_run_installs_nothing(installed, monkeypatch):
    monkeypatch.setattr(install, "install", lambda wanted: pytest.fail("installed again"))
    monkeypatch.setenv("PROFILE", "py311")
    assert install.main() == 0
    monkeypatch.setenv("PROFILE", "")
    assert install.main() == 0


@pytest.mark.parametrize("changed", ["locks/py311.txt", "setup.py"])
def test_change_makes_stale(installed, changed):
    (installed / changed).write_text("new")
    assert not install.is_installed(None)


@pytest.mark.parametrize("removed", [".venv/.installed", ".venv/bin/python", "locks/py311.txt"])
def test_removal_makes_stale(installed, removed):
    (installed / removed).unlink()
    assert not install.is_installed(None)


def test_other_profile_makes_stale(installed):
    assert install.is_installed("py311") and not install.is_installed("py312")


def settings_from(monkeypatch, tmp_path, pip, **variables):
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(get_uv, "_pip_settings", lambda: pip)
    return get_uv.environment()


def test_index_of_pip_is_handed_to_uv(monkeypatch, tmp_path):
    settings = settings_from(monkeypatch, tmp_path, {"index-url": "https://mirror.example/simple", "cert": "/ca.pem"})
    assert settings["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert settings["SSL_CERT_FILE"] == "/ca.pem"


def test_settings_of_uv_come_first(monkeypatch, tmp_path):
    pip = {"index-url": "https://mirror.example/simple"}
    own = settings_from(monkeypatch, tmp_path, pip, UV_INDEX_URL="https://own.example/simple")
    assert own["UV_INDEX_URL"] == "https://own.example/simple" and "UV_DEFAULT_INDEX" not in own
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv/uv.toml").write_text("")
    assert "UV_DEFAULT_INDEX" not in settings_from(monkeypatch, tmp_path, pip)


LOCKS = sorted((ROOT / "locks").glob("*.txt"))


def test_every_profile_has_its_lock():
    assert {f"{profile.name}.txt" for profile in install.PROFILES} <= {lock.name for lock in LOCKS}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_holds_pins_and_hashes_and_no_addresses(lock):
    lines = [line.strip() for line in lock.read_text().splitlines() if not line.startswith("#")]
    text = " ".join(line.rstrip("\\") for line in lines)
    assert not re.search(r"://|--index|--find-links|file:|(^|\s)/", text)
    pins = re.split(r"\s(?=[A-Za-z0-9][\w.-]*(?:\[[^]]*\])?==)", text)
    for pin in pins:
        assert re.match(r"^[A-Za-z0-9][\w.\[\],-]*==\S+( ; [^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+\s*$", pin), pin[:80]


@pytest.mark.parametrize("profile", install.PROFILES, ids=lambda profile: profile.name)
def test_lock_is_of_its_tfx_and_can_build_the_project(profile):
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / f"locks/{profile.name}.txt").read_text(), re.MULTILINE))
    assert pins["tfx"].startswith(profile.tfx + ".")
    assert int(pins["setuptools"].split(".")[0]) < 81
    assert {"av", "keras-tuner", "pytest", "scikit-learn", "tensorboard"} <= pins.keys()
