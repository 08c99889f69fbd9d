"""The search's picture: what is drawn, in which way, and the files."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib import image

from expansion.display.path_figure import STYLES, Reference, confusion_figure, pixels, save_figure, search_figure
from expansion.foundation.errors import InputError
from expansion.search.axes import AXES
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from tests.expansion.searches import SMALL, finished


def markers(figure, hollow):
    """Places (GMACs, %) of the lone markers, hollow or filled."""
    lines = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    chosen = [line for line in lines if (line.get_markerfacecolor() == "white") == hollow]
    return sorted((float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in chosen)


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def place(candidate):
    return pytest.approx((candidate.macs / 1e9, 100 * candidate.accuracy))


def test_every_axis_looks_its_own_way():
    assert set(STYLES) == {"seed", *AXES}
    assert len({style.colour for style in STYLES.values()}) == len({style.marker for style in STYLES.values()}) == 7


def test_winners_are_filled_and_joined_and_losers_are_hollow():
    search = finished()
    figure = search_figure(search)
    assert markers(figure, hollow=False) == [place(c) for c in search.path]
    losers = [c for step in search.steps for c in step.candidates if c is not step.winner]
    assert markers(figure, hollow=True) == [place(c) for c in sorted(losers, key=lambda c: (c.macs, c.accuracy))]
    joined = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    assert len(joined) == len(search.path) - 1
    names = [text.get_text() for text in figure.axes[0].texts]
    assert names == ["seed", "fast ~", "fast ~"]
    assert "~  within noise" in legend(figure) and "not chosen" in legend(figure)
    assert figure.axes[0].get_xscale() == "log"


def test_until_draws_the_search_as_it_was():
    figure = search_figure(finished(), until=1)
    assert len(markers(figure, hollow=False)) == 2
    assert "temporal: same as fast" in legend(figure)


def test_failed_and_untrained_candidates_are_not_drawn():
    whole, search = finished(), finished(failing="width")
    assert len(markers(search_figure(whole), hollow=True)) == len(markers(search_figure(search), hollow=True)) + 2
    assert "width" not in legend(search_figure(search))
    assert not search_figure(SearchState(SMALL)).axes[0].lines


def test_a_contraction_is_dashed():
    search = finished(SearchSettings(**SMALL.model_dump() | {"target_gmacs": 0.02, "steps": 5}))
    assert search.steps[-1].kind == "contraction"
    figure = search_figure(search)
    assert [line.get_linestyle() for line in figure.axes[0].lines].count("--") == 1
    assert figure.axes[0].texts[-1].get_text() == "contraction"


def test_references_are_grey_and_in_the_legend():
    references = [Reference(0.02, 47.75, "seed", True), Reference(0.04, 54.94, "bottleneck", True),
                  Reference(0.04, 51.3, "depth", False)]
    figure = search_figure(finished(), references=references, references_name="the paper", title="Both")
    assert legend(figure)[-1] == "the paper"
    assert (0.04, 51.3) in markers(figure, hollow=True)
    assert figure.axes[0].get_title(loc="left") == "Both"


def test_png_and_svg_are_whole_and_the_same_each_time(tmp_path):
    search = finished()
    png = image.imread(save_figure(search, tmp_path / "new" / "path.png"))
    assert png.shape[:2] == (600, 960) and np.allclose(png[0, 0], 1)
    first, second = (save_figure(search, tmp_path / name) for name in ("a.svg", "b.svg"))
    assert ElementTree.parse(first).getroot().tag.endswith("svg")
    assert open(first, "rb").read() == open(second, "rb").read()


def test_another_ending_is_an_error_that_names_it(tmp_path):
    with pytest.raises(InputError, match="'gif' is not known; allowed are png, svg"):
        save_figure(finished(), tmp_path / "path.gif")


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 30, 60])
def test_confusion_matrices_of_any_size(classes):
    counts = np.diag(np.arange(classes))
    figure = confusion_figure(counts, [f"class {index}" for index in range(classes)])
    assert pixels(figure).dtype == np.uint8 and pixels(figure).shape[2] == 3
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert ("class 1" in labels) == (classes <= 40)
    assert [text.get_text() for text in figure.axes[0].texts] == (["1"] if classes == 2 else [])
