"""Shared by all tests: the `slow` marker, and where the developers' own data lies, if it is there."""

import contextlib
import os
from pathlib import Path

import hypothesis
import pytest

# No outcome depends on how fast the machine is, and a first run here tries what CI tried. Other examples, to look for
# faults: --hypothesis-profile=search
ANY_SPEED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("same", derandomize=True, **ANY_SPEED)
hypothesis.settings.register_profile("search", derandomize=False, **ANY_SPEED)
hypothesis.settings.load_profile("same")

os.fsync = lambda file: None  # it guards against a power cut; on a busy disk it takes most of a test's time


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than about a second; left out unless asked for with --slow or -m")


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests as well")


# Several processes of pytest-xdist share the tests by module, for the fixtures of one are made once. Those that import
# TFX, which takes half a minute, go to one of them together.
TFX = ("tests/components/test_video_example_gen.py", "tests/e2e/test_kubeflow.py", "tests/e2e/test_pipeline.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            module = nodeid.split("::")[0]
            return "tfx" if module in TFX else module

    return ByModule(config, log)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow") or "slow" in (config.getoption("-m") or ""):
        # What takes long first, so that no process is left alone with it at the end.
        slow = {item.fspath for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.fspath not in slow)
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the developers' data: $X3D_SHARED, else shared/ beside the repository."""
    folder = Path(os.environ.get("X3D_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip("the developers' data is not on this machine (X3D_SHARED)")
    return folder


@pytest.fixture
def as_nobody():
    """A context in which the rights of files hold, also where the tests run as root."""

    @contextlib.contextmanager
    def without_rights():
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(before)

    return without_rights


pytest_plugins = ["tests.data"]
