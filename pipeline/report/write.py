"""Renders a report into one HTML file, or into a Markdown file with its pictures beside it."""

from __future__ import annotations

import os

import jinja2

from expansion.display.ending import ended
from expansion.display.lettering import if_drawn
from expansion.display.path_figure import png
from expansion.display.tables import in_markdown, to_markdown
from expansion.foundation import files
from expansion.foundation.errors import InputError
from pipeline.report import content
from pipeline.report.facts import Facts
from pipeline.report.svg import themed

ENDINGS = {"html": (".html", ".htm"), "markdown": (".md", ".markdown")}


def write_report(facts: Facts, path: str, markdown: bool = False) -> list[str]:
    """Writes a report.

    Args:
        path: of the page; Markdown's pictures go into a folder of the same name beside it.

    Returns:
        The paths of all files written, the page first.

    Raises:
        InputError: the path's ending is of another format.
    """
    kind = "markdown" if markdown else "html"
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS[kind]:
        raise InputError(f"--output {path}: {ending or 'no ending'!r} is not known for {kind}; allowed are "
                         f"{', '.join(ENDINGS[kind])}")
    pictures = content.pictures(facts, as_text=not markdown)
    if markdown:
        entries, written = _pictures_beside(pictures, path)
        text = _template("page.md.j2").render(facts=facts, content=content, ended=ended, pictures=entries)
    else:
        drawn = {name: if_drawn(name, lambda: themed(picture.figure, name, picture.about)) for name, picture in pictures.items()}
        entries = {name: {"svg": svg, "about": pictures[name].about} for name, svg in drawn.items() if svg is not None}
        text, written = _template("page.html.j2").render(
            facts=facts, content=content, ended=ended, pictures=entries), []
    files.write_text(path, text)
    return [path, *written]


def _pictures_beside(pictures: dict[str, content.Picture], path: str) -> tuple[dict, list[str]]:
    folder = f"{os.path.splitext(path)[0]}_files"
    os.makedirs(folder, exist_ok=True)
    entries, written = {}, []
    for name, picture in pictures.items():
        drawn = if_drawn(name, lambda: png(picture.figure))
        if drawn is None:
            continue
        written.append(os.path.join(folder, f"{name}.png"))
        with open(written[-1], "wb") as file:
            file.write(drawn)
        entries[name] = {"path": f"{os.path.basename(folder)}/{name}.png", "about": picture.about}
    return entries, written


def _template(name: str) -> jinja2.Template:
    settings = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.report", "."), autoescape=name.endswith(".html.j2"), trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    settings.filters |= {"markdown": to_markdown, "plain": in_markdown}
    return settings.get_template(name)
