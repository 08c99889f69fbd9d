"""Names in pictures: as they are, in a font that has their letters; where this machine has none, as numbers with a legend."""

from __future__ import annotations

import functools
import logging
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from matplotlib import font_manager

from expansion.display.fitted import as_shown
from expansion.display.tables import listed

OWN = "DejaVu Sans"  # comes with matplotlib
# How families begin that are for formulas or for no language, and what those are called that have many letters: asked first.
UNFIT = ("last resort", "stix", "cm")
LARGE = ("cjk", "noto sans", "source han", "wenquanyi", "unifont", "unicode", "droid sans fallback", "yahei", "pingfang",
         "hiragino", "malgun", "nanum", "freesans", "freeserif")
LONGEST = 28  # characters of a name that are drawn; then "…"
Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Lettering:
    """How names are drawn.

    Args:
        names: what is drawn of each.
        style: arguments of matplotlib's texts: names are data, so that dollars are no formulas, and the fonts.
        legend: which names the numbers stand for, a sentence; "" where all are drawn as they are.
    """

    names: tuple[str, ...]
    style: dict
    legend: str

    @classmethod
    def of(cls, names: Sequence[str]) -> Lettering:
        """For the names of classes; a class whose name cannot be drawn gets its number."""
        shown = [as_shown(name) for name in names]
        families, missing = fonts(frozenset("".join(shown)))
        without = [number for number, name in enumerate(shown) if missing & set(name)]
        drawn = tuple(str(number) if number in without else f"{name[:LONGEST - 1]}…" if len(name) > LONGEST else name
                      for number, name in enumerate(shown))
        legend = ""
        if without:
            legend = (f"no font on this machine has the letters of some names, so pictures show numbers: "
                      f"{listed([f'{number} {shown[number]}' for number in without], 40)}")
        return cls(drawn, {"fontfamily": list(families), "parse_math": False}, legend)


@functools.lru_cache(maxsize=64)
def fonts(characters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Families that have characters together, matplotlib's own first, and the characters that no font here has."""
    missing = frozenset(c for c in characters if not c.isspace() and unicodedata.category(c) not in ("Cf", "Mn")) - _letters(OWN)
    families = [OWN]
    names = {font.name for font in font_manager.fontManager.ttflist if not font.name.lower().startswith(UNFIT)}
    candidates = iter(sorted(names, key=lambda name: (not any(word in name.lower() for word in LARGE), name)))
    while missing and (name := next(candidates, None)):
        if missing & _letters(name):
            families.append(name)
            missing -= _letters(name)
    return tuple(families), missing


@functools.lru_cache(maxsize=None)
def _letters(family: str) -> frozenset[str]:
    """The characters that a family's usual face has."""
    faces = [font for font in font_manager.fontManager.ttflist if font.name == family]
    try:
        usual = min(faces, key=lambda font: (font.style != "normal", font.variant != "normal", font.fname))
        return frozenset(map(chr, font_manager.get_font(usual.fname).get_charmap()))
    except (OSError, ValueError, RuntimeError):  # there is none, it is gone, or not to be read
        return frozenset()


def if_drawn(what: str, draw: Callable[[], Drawn]) -> Drawn | None:
    """What drawing gives, or None with a line in the log: a picture is to look at, and nothing else depends on it.

    Args:
        what: is drawn.
    """
    try:
        return draw()
    except Exception as error:  # whatever matplotlib and its fonts find
        logging.getLogger(__name__).warning("%s is left out, it cannot be drawn: %s", what, error, exc_info=True)
        return None
