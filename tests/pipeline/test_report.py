"""The report: what it tells is what the run holds, as one HTML page and as Markdown."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from expansion.display.charts import classes_figure, curves_figure, gains_figure, time_figure
from expansion.display.tables import accuracy
from expansion.foundation import files
from expansion.foundation.errors import InputError
from expansion.search.forecast import phases
from expansion.search.state import SearchState
from expansion.search.steps import CandidateState
from expansion.spec import X2D
from pipeline.report import content
from pipeline.report.facts import gather
from pipeline.report.svg import themed
from pipeline.report.write import write_report
from tests.browser import Browser
from tests.expansion.search.test_racing import run, settings
from tests.expansion.search.test_training_cost import MADE_WITH
from tests.expansion.searches import SMALL, finished
from tests.pipeline.folders import CONFUSION, make_run

VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """A page's visible texts, its elements' names, and whether all are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.texts, self.addresses = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style" and data.strip():
            self.texts.append(data.strip())


def page_of(folder, tmp_path) -> Page:
    path = str(tmp_path / "report.html")
    assert write_report(gather(folder), path) == [path]
    page = Page(files.read_text(path))
    assert page.open == []
    return page


@pytest.mark.slow
def test_the_page_of_a_finished_run(tmp_path):
    search = finished(failing="width")
    page = page_of(make_run(tmp_path / "demo", search), tmp_path)
    text = " ".join(page.texts)
    assert page.texts[0] == "demo: expansion search" and "finished" in page.texts
    assert page.names.count("svg") == 6  # accuracy, paper, gains, curves, time, classes
    assert "85.7 % (70.6 to 93.7) top-1 on 35 test videos" in " ".join(text.split())
    for words in ("MemoryError: a|b", "fast wins by +10.0 points over", "within noise", "spatial cannot move",
                  "x3d search --videos videos", "Seed 7.", "0123456789abcdef", "<sit>", "cannot be decoded 2",
                  "Classes far below the rest: run | walk.", "python", "always saying the largest class 28.6 %",
                  "always saying 'fall' would reach 28.6 %; mean over the classes 87.5 %"):
        assert words.lower() in text.lower(), words
    for candidate in search.path:
        assert accuracy(candidate) in page.texts


@pytest.mark.slow
def test_a_network_that_is_no_better_than_its_largest_class_is_called_so(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.pipeline.folders.CONFUSION", [[9, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0]])
    search = finished()
    for candidate in search.path:
        candidate.metrics |= {"val_largest_class": 0.75, "val_balanced_accuracy": 0.25}
    text = " ".join(page_of(make_run(tmp_path / "demo", search), tmp_path).texts)
    assert "It is no better than always saying 'fall' (69.2 %, 69.2 %)." in text
    assert "It never names jump, run | walk, <sit>." in text and "mean over classes 25.0 %" in text
    assert "always saying the largest class reaches 75.0 % of the validation videos; no better: " in text


@pytest.mark.slow
def test_a_picture_that_cannot_be_drawn_costs_no_page(tmp_path, monkeypatch):
    def broken(*args):
        raise ValueError("no such font")

    monkeypatch.setattr("pipeline.report.write.themed", broken)
    page = page_of(make_run(tmp_path / "demo", finished()), tmp_path)
    assert "svg" not in page.names and "Model card" in page.texts


@pytest.mark.slow
def test_the_page_says_how_candidates_were_matched_and_begun(tmp_path):
    settings = SMALL.model_copy(update={"warm_start": True, "cost": "params"})
    text = " ".join(page_of(make_run(tmp_path / "demo", finished(settings)), tmp_path).texts)
    assert "matched in parameters and trained with their parent's weights" in text
    assert "trained from scratch" in " ".join(page_of(make_run(tmp_path / "other", finished()), tmp_path).texts)


@pytest.mark.slow
def test_the_page_of_a_race_says_who_stopped_why_and_what_was_saved(tmp_path):
    search = run(SearchState(settings(), MADE_WITH))
    texts = " ".join(page_of(make_run(tmp_path / "demo", search), tmp_path).texts)
    assert "width stopped after epoch 3: 25.0 %, gain -" in texts and "of the training cost saved by racing" in texts
    assert "3 candidates stopped early, 24 of 72 epochs not trained" in texts
    curves = content.pictures(gather(make_run(tmp_path / "again", search)))["curves"].figure
    stopped = [line for line in curves.axes[1].lines if len(line.get_xdata()) == 3]
    assert len(stopped) == 2  # width and bottleneck, as far as they came


@pytest.mark.slow
def test_the_page_tells_how_right_the_forecasts_were_and_counts_all_trainings(tmp_path):
    search = run(SearchState(settings(), MADE_WITH))
    trainings = [training for step in search.steps for training in step.trainings]
    for training in trainings:
        training.metrics |= {"seconds": 10.0, "train_seconds": 8.0}
    texts = " ".join(page_of(make_run(tmp_path / "demo", search), tmp_path).texts)
    assert "was forecast to take" in texts and f"for {len(trainings)} trainings" in texts
    assert any(training.status == "stopped" for training in trainings)


@pytest.mark.slow
def test_the_page_needs_nothing_else_and_follows_the_readers_colours(tmp_path):
    page = page_of(make_run(tmp_path / "demo", finished()), tmp_path)
    assert not {"script", "link", "img", "iframe"} & set(page.names)
    assert all(address.startswith("#") for address in page.addresses)
    text = files.read_text(str(tmp_path / "report.html"))
    assert "prefers-color-scheme: dark" in text and "@media print" in text and "url(http" not in text
    figures = re.findall(r"<svg.*?</svg>", text, re.S)
    # Every colour in a figure is a variable of the page, which the dark scheme sets again.
    assert not re.findall(r"(?:fill|stroke): #", "".join(figures))
    used, defined = set(re.findall(r"var\(--(\w+)\)", text)), re.findall(r"--(\w+):", text)
    assert all(defined.count(name) == 2 for name in used)


@pytest.mark.slow
def test_the_page_of_a_running_search_says_what_is_not_known_yet(tmp_path):
    folder = make_run(tmp_path / "demo", finished(steps=1), ended=False)
    text = " ".join(page_of(folder, tmp_path).texts)
    assert "stopped" in text and "not decided yet" in text and "The network so far" in text
    assert "once the search has ended" in text and "Confusion matrix" not in text


def test_a_search_without_a_result_has_a_page_too(tmp_path):
    text = " ".join(page_of(make_run(tmp_path / "new", SearchState(SMALL), ended=False), tmp_path).texts)
    assert "0 steps decided, 0 candidates trained" in text and "Model card" not in text


def test_a_result_of_an_earlier_search_is_left_out(tmp_path):
    folder = make_run(tmp_path / "demo", finished())
    assert gather(folder).outcome.confusion == CONFUSION
    files.write_json(folder.environment, {})  # someone works on it again
    assert gather(folder).outcome is None


@pytest.mark.slow
def test_markdown_has_the_same_tables_and_its_pictures_beside_it(tmp_path):
    facts = gather(make_run(tmp_path / "demo", finished(failing="width")))
    page, *pictures = write_report(facts, str(tmp_path / "out" / "report.md"), markdown=True)
    text = files.read_text(page)
    shown = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert [str(tmp_path / "out" / name) for name in shown] == pictures and len(pictures) == 6
    assert all(open(path, "rb").read(4) == b"\x89PNG" for path in pictures)
    assert r"| run \| walk | 6 | 10 | 60.0 % (31.3 to 83.2) |" in text
    assert "MemoryError: a\\|b" in text and "**2 fast**" in text and "&lt;sit&gt;" in text and "<sit>" not in text
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


@pytest.mark.parametrize("path, markdown", [("a.md", False), ("a.html", True), ("a", False)])
def test_another_ending_is_an_error_that_names_it(tmp_path, path, markdown):
    with pytest.raises(InputError, match="is not known for"):
        write_report(gather(make_run(tmp_path / "demo", finished())), path, markdown)


def test_phases_add_up_to_the_whole():
    state = CandidateState("fast", X2D, 1, 1, 1, metrics={
        "seconds": 12.0, "build_seconds": 1.0, "train_seconds": 8.0, "start_seconds": 2.5, "input_wait_seconds": 0.5,
        "evaluate_seconds": 2.0})
    assert phases(state) == {"start": 3.5, "train": 5.0, "input": 0.5, "evaluate": 2.0, "other": 1.0}
    assert phases(CandidateState("fast", X2D, 1, 1, 1)) == {}


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_charts_name_what_counts():
    search = finished()
    assert texts(gains_figure(search)) == ["fast  +10.0 points over bottleneck, within noise",
                                           "fast  +5.0 points over temporal, within noise"]
    assert texts(time_figure(search)) == [f"{10 * n} s, {n} trained" for n in (len(s.candidates) for s in search.steps)]
    assert texts(classes_figure(["a", "b"], [1, 4], [4, 4])) == ["100.0 %  (4 of 4)", "25.0 %  (1 of 4)"]
    winner = search.path[-1]
    curves = curves_figure(search, {winner.trial_id: {"accuracy": [0.1, 0.4]}})
    assert [axes.get_title(loc="left") for axes in curves.axes] == ["step 2: fast"]
    (line, mark) = curves.axes[0].lines
    assert list(line.get_ydata()) == [10, 40] and mark.get_ydata()[0] == pytest.approx(100 * winner.accuracy)


def test_charts_of_nothing_are_empty_not_errors():
    search = SearchState(SMALL)
    for figure in (gains_figure(search), time_figure(search), curves_figure(search, {})):
        assert texts(figure) == []


def test_figures_lose_their_fonts_ids_and_outlines():
    svg = themed(gains_figure(finished()), "gains", 'about "this"')
    assert svg.startswith('<svg role="img" aria-label="about &quot;this&quot;"') and "font-family" not in svg
    assert "<title>fast: +" in svg and "figure_1" not in svg and " width=" not in svg.split(">")[0]
    assert ">fast +10.0 points over" in re.sub(" +", " ", svg)


@pytest.mark.slow
def test_a_browser_shows_it_in_light_and_in_dark(tmp_path):
    path = str(tmp_path / "report.html")
    write_report(gather(make_run(tmp_path / "demo", finished())), path)
    with Browser(tmp_path / "profile", (1000, 1000)) as browser:
        browser.open(f"file://{path}")
        browser.wait_for_texts("Model card", "accuracy on validation videos", "jump")
        assert browser.evaluate("document.documentElement.scrollWidth") <= 1000
        colours = {}
        for scheme in ("light", "dark"):
            browser.prefer(scheme)
            colours[scheme] = browser.evaluate(
                "[getComputedStyle(document.body).backgroundColor, "
                "getComputedStyle(document.querySelector('svg path')).fill, "
                "getComputedStyle(document.querySelector('svg text')).fill]")
    assert colours == {"light": ["rgb(255, 255, 255)", "rgb(255, 255, 255)", "rgb(34, 34, 34)"],
                       "dark": ["rgb(22, 24, 27)", "rgb(22, 24, 27)", "rgb(232, 232, 232)"]}


def test_a_report_waits_for_no_tensorflow():
    code = "import sys, pipeline.report.write; print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
