"""Writes docs/api.md from the docstrings of what `import expansion` gives.

    python scripts/api_page.py            writes the page; a test compares it
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "api.md"
GROUPS = {
    "A network": ("build", "predict", "Prediction", "X3D", "build_model", "new_model", "at_size", "load_model", "open_network"),
    "Specs and their costs": ("Spec", "NAMED", "parse_spec", "Limits", "expand", "propose", "contract", "Constraint"),
    "The search": ("ExpansionTuner", "ExpansionOracle", "SearchSettings", "SeedSettings", "Search", "read_trace", "decide",
                   "marginal_gain", "search_figure", "save_figure"),
    "Training": ("VideoDataset", "Recipe", "ClipSettings", "train", "start_from", "start_from_file",
                 "recompute_statistics", "Devices", "make_strategy", "on_one_device"),
    "Evaluation and export": ("evaluate", "evaluate_network", "Evaluation", "export_saved_model"),
    "Public weights": ("load_weights", "save_weights", "open_weights"),
    "Errors": ("InputError",),
}
HEAD = """# Python API

What `import expansion` gives. Everything else is internal and may change. Written by `scripts/api_page.py` from the
docstrings.
"""


def page() -> str:
    """The page's text.

    Raises:
        ValueError: a public name stands in no group, or one in a group is not public.
    """
    import expansion

    listed = [name for names in GROUPS.values() for name in names]
    odd = set(listed) ^ set(expansion.__all__)
    if odd:
        raise ValueError(f"groups of {__file__} and expansion.__all__ differ in {', '.join(sorted(odd))}")
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_entry(name, getattr(expansion, name)) for name in names]
    return "\n".join(parts)


def _entry(name: str, item) -> str:
    if not callable(item):
        return f"### `{name}`\n\n{type(item).__name__}: {', '.join(item)}.\n"
    lines = [f"### `{name}`\n"]
    if not (inspect.isclass(item) and issubclass(item, Exception)):
        lines.append(f"```python\n{name}{_signature(item)}\n```\n")
    lines.append(f"```text\n{inspect.getdoc(item)}\n```\n")
    if inspect.isclass(item):
        for member, value in vars(item).items():
            value = inspect.unwrap(getattr(value, "__func__", getattr(value, "fget", value)) or value)
            said = inspect.getdoc(value) if inspect.isfunction(value) else None
            if said and not member.startswith("_"):
                lines.append(f"- `{member}`: {' '.join(said.split(chr(10) * 2)[0].split())}")
        lines.append("")
    return "\n".join(lines)


def _signature(item) -> str:
    if hasattr(item, "model_fields"):  # settings: what pydantic says of them is longer than what it means
        given = [name if field.is_required() else f"{name}={field.get_default(call_default_factory=True)!r}"
                 for name, field in item.model_fields.items()]
        return f"(*, {', '.join(given)})"
    found = inspect.signature(item)
    shown = [parameter for parameter in found.parameters.values() if not parameter.name.startswith("_")]
    text = str(found.replace(parameters=shown)).replace("'", "").replace("expansion.", "")
    return re.sub(r"<function (\w+) at \w+>", r"\1", re.sub(r"<function <lambda> at \w+>", "...", text))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    PAGE.write_text(page(), encoding="utf-8")
