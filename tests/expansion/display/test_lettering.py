"""Names in pictures: dollars, Arabic, Chinese; numbers where no font has the letters; nothing that costs a result."""

import logging

import numpy as np
import pytest

from expansion.display import lettering
from expansion.display.charts import classes_figure
from expansion.display.lettering import Lettering, fonts, if_drawn
from expansion.display.path_figure import confusion_figure, pixels, png
from expansion.display.samples import samples_figure
from expansion.evaluation.samples import Sample
from pipeline.report.svg import themed

PLAIN = ["cash $$", "$x_", "sit [/] stand", r"a\frac{1}{2}", "50 %_^", "مشي", "läuft", "бег"]
CHINESE = ["跑步", "walk", "跳跃"]


@pytest.fixture
def dejavu_alone(monkeypatch):
    """As on a machine with matplotlib's own fonts alone."""
    real = lettering._letters
    monkeypatch.setattr(lettering, "_letters", lambda name: real(name) if name == lettering.OWN else frozenset())
    fonts.cache_clear()
    yield
    fonts.cache_clear()


def ticks(figure):
    return [text.get_text() for text in figure.axes[0].get_yticklabels()]


def test_signs_of_formulas_and_other_scripts_are_drawn_as_they_are():
    figure = confusion_figure(np.eye(len(PLAIN), dtype=int), PLAIN)
    assert ticks(figure) == PLAIN and not any(text.get_parse_math() for text in figure.axes[0].get_yticklabels())
    assert png(figure).startswith(b"\x89PNG")
    chart = classes_figure(PLAIN, [1] * len(PLAIN), [2] * len(PLAIN))
    assert set(ticks(chart)) == set(PLAIN) and png(chart)
    clip = np.zeros((2, 16, 16, 3), np.uint8)
    assert pixels(samples_figure([Sample("v", clip, 0, 1, 0.5)], PLAIN)).any()


def test_letters_that_no_font_has_become_numbers_with_a_legend(dejavu_alone):
    found = Lettering.of(CHINESE)
    assert found.names == ("0", "walk", "2")
    assert found.legend.endswith("so pictures show numbers: 0 跑步, 2 跳跃")
    figure = confusion_figure(np.eye(3, dtype=int), CHINESE)
    assert ticks(figure) == ["0", "walk", "2"]
    assert Lettering.of(PLAIN).legend == ""


def test_a_font_that_has_the_letters_is_found(monkeypatch):
    real, asked = lettering._letters, []

    def letters(name):
        asked.append(name)
        return real(name) if name == lettering.OWN else frozenset("跑步跳跃") if name == "DejaVu Serif" else frozenset()

    monkeypatch.setattr(lettering, "_letters", letters)
    fonts.cache_clear()
    found = Lettering.of(CHINESE)
    fonts.cache_clear()
    assert found.names == tuple(CHINESE) and found.legend == ""
    assert found.style["fontfamily"] == ["DejaVu Sans", "DejaVu Serif"]


def test_a_page_keeps_the_names_as_text(dejavu_alone, recwarn):
    svg = themed(classes_figure(CHINESE, [1, 2, 3], [3, 3, 3], as_text=True), "classes", "about")
    assert "跑步" in svg and "跳跃" in svg
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]
    dollars = themed(classes_figure(PLAIN, [1] * 8, [2] * 8, as_text=True), "classes", "about")
    assert all(name in dollars for name in ("cash $$", "$x_", "50 %_^"))


def test_long_names_are_shortened_and_control_characters_shown():
    found = Lettering.of(["a" * 100, "b\n\x1b"])
    assert len(found.names[0]) == lettering.LONGEST and found.names[1] == "b\\n\\x1b"


def test_what_cannot_be_drawn_is_left_out_with_a_line_in_the_log(caplog):
    with caplog.at_level(logging.WARNING):
        assert if_drawn("the picture", lambda: 1 / 0) is None
    assert "the picture is left out, it cannot be drawn: division by zero" in caplog.text
    assert if_drawn("x", lambda: 7) == 7
