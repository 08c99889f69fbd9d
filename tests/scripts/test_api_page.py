"""docs/api.md says what the docstrings say."""

import sys
from pathlib import Path

import expansion

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import api_page  # noqa: E402


def test_the_page_is_up_to_date():
    assert api_page.PAGE.read_text(encoding="utf-8") == api_page.page(), "run: python scripts/api_page.py"


def test_every_public_name_has_a_docstring_with_its_arguments():
    import inspect

    for name in expansion.__all__:
        item = getattr(expansion, name)
        if callable(item):
            assert inspect.getdoc(item), name
