"""The site builds without a warning, its reference of the API is complete, and links between the files of the tree hold."""

import re
import subprocess
import sys

import pytest

import expansion
from tests.docs.pages import PAGES, ROOT

MOST = 22  # pages


def test_the_api_page_names_what_expansion_exports():
    page = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: expansion\.([\w.]+)\.(\w+)$", page, re.MULTILINE)
    assert {name: home for home, name in named} == expansion._HOME and len(named) == len(expansion.__all__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_to_them(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_paths_of_pages_in_the_tree_are_right():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".ipynb", ".yaml", ".yml", ".sh", "") and path.is_file() and name != __file__:
            for page in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text(encoding="utf-8", errors="ignore")):
                assert (ROOT / page).exists() or (path.parent / page).exists(), f"{name}: {page}"


def test_there_are_few_pages():
    assert len(list((ROOT / "docs").rglob("*.md"))) <= MOST


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    built = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")], cwd=ROOT,
                           capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 15
    for page in pages:  # nothing is fetched when it is read
        assert not re.findall(r'<(?:script|link)[^>]+(?:src|href)="https?://[^"]+\.(?:js|css)', page.read_text(encoding="utf-8"))
