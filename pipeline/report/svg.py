"""A matplotlib figure as an SVG inside a page: the page's fonts, its light and dark colours, texts at the pointer."""

from __future__ import annotations

import html
import io
import re
import warnings

import matplotlib
from matplotlib.figure import Figure
from matplotlib.text import Text

from expansion.display.charts import GRID_COLOUR, PHASE_COLOURS
from expansion.display.path_figure import DESCRIBED, PATH_COLOUR, REFERENCE_COLOUR, STYLES

# Colours of the figures, and the page's variable that takes the place of each.
VARIABLES = {
    "#ffffff": "page", "#000000": "ink", PATH_COLOUR: "ink", REFERENCE_COLOUR: "grey", GRID_COLOUR: "grid",
    "#cccccc": "grid", "#dddddd": "grid", PHASE_COLOURS["other"]: "other",
} | {style.colour: name for name, style in STYLES.items() if name != "seed"}
_KNOWN = {colour.lower(): f"var(--{name})" for colour, name in VARIABLES.items()}


def themed(figure: Figure, name: str, about: str) -> str:
    """The figure as an <svg> element without colours of its own.

    Args:
        name: keeps its ids apart from those of the page's other figures.
        about: what it shows, for those who do not see it.
    """
    for label in figure.findobj(Text):
        label.set_path_effects([])  # they would turn letters into outlines; the page draws its own halo
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the reader's browser has them
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.S)
    text = re.sub(rf'<g id="{DESCRIBED}([^"]*)">', r"<g><title>\1</title>", text)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)  # figure_1, axes_1 ...: not of use, and not unique in a page
    text = re.sub(r"#[0-9a-fA-F]{6}\b", lambda found: _KNOWN.get(found.group().lower(), found.group()), text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    width = re.search(r'<svg[^>]*? width="([\d.]+)pt"', text).group(1)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[\d.]+pt"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[\d.]+pt"', r"\1", text, count=1)
    about = html.escape(about, quote=True)
    return text.replace("<svg", f'<svg role="img" aria-label="{about}" style="max-width: {4 / 3 * float(width):.0f}px"', 1)
