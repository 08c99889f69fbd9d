"""The borders between packages hold (pyproject.toml), lazy imports included; no circles, and no long chains."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_UNITS, MOST_IN_SEARCH = 7, 8


def test_borders():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def longest(imports: dict[str, set[str]]) -> list[str]:
    """The longest chain of imports.

    Raises:
        AssertionError: there is a circle.
    """
    known: dict[str, list[str]] = {}

    def chain(name: str, above: tuple[str, ...] = ()) -> list[str]:
        assert name not in above, f"a circle: {' -> '.join((*above[above.index(name):], name))}"
        if name not in known:
            known[name] = [name, *max((chain(other, (*above, name)) for other in imports.get(name, ())), key=len, default=[])]
        return known[name]

    return max((chain(name) for name in imports), key=len)


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("expansion", "components", "pipeline", cache_dir=None)


def among(graph, unit) -> dict[str, set[str]]:
    """Imports between units; `unit` gives a module's, or None for one that is left out."""
    found: dict[str, set[str]] = {}
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            one, two = unit(module), unit(other)
            if one and two and one != two:
                found.setdefault(one, set()).add(two)
    return found


def test_no_module_imports_itself_by_way_of_others(graph):
    longest(among(graph, lambda module: module))


def test_packages_stand_on_few_others(graph):
    """The package of lazy names, expansion itself, is left out."""
    chain = longest(among(graph, lambda module: ".".join(module.split(".")[:2]) if module.startswith("expansion.") else None))
    assert 3 < len(chain) <= MOST_UNITS, " -> ".join(chain)


def test_the_method_is_read_in_few_steps(graph):
    chain = longest(among(graph, lambda module: module if module.startswith("expansion.search.") else None))
    assert 3 < len(chain) <= MOST_IN_SEARCH, " -> ".join(chain)


def test_a_circle_is_found():
    with pytest.raises(AssertionError, match="a circle: a -> b -> a"):
        longest({"a": {"b"}, "b": {"a"}})
