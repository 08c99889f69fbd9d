"""TensorBoard in a real browser: a search is opened while it runs, and its runs, tables and pictures are found."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

from expansion.display.tensorboard import summaries
from expansion.evaluation.samples import Sample
from expansion.recipe import Recipe
from tests.browser import IMAGES, TEXTS, Browser
from tests.expansion.display.test_summaries import METRICS, evaluation
from tests.expansion.searches import finished

pytestmark = pytest.mark.slow
CLASSES = ("fall", "jump", "run", "walk")


def write(folder, search):
    """What a tuner writes of the steps that are decided, and of the candidates of the one that is not."""
    curves = {"loss": 1.0, "accuracy": 0.5, "learning_rate": 0.1, "clips_per_second": 30.0}
    for step in search.steps:
        for candidate in step.candidates:
            run = os.path.join(folder, summaries.run_name(step, candidate.axis))
            if candidate.status == "completed" and not os.path.exists(run):
                callback = summaries.Curves(run)
                for epoch in range(3):
                    callback.on_epoch_begin(epoch)
                    callback.on_epoch_end(epoch, curves)
                callback.on_train_end()
                clip = np.full((candidate.spec.frames, 32, 32, 3), 90, np.uint8)
                samples = [Sample("a.mp4", clip, 0, 0, 0.9), Sample("b.mp4", clip, 1, 2, 0.6)]
                summaries.write_candidate(run, step, candidate, METRICS | {"latency_ms": 12.5}, evaluation(), Recipe(),
                                          CLASSES, lambda: samples)
    summaries.write_search(folder, search)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("logs"))
    write(folder, finished(steps=2))
    return folder


@pytest.fixture(scope="module")
def address(logs):
    """Of a TensorBoard on the logs, which it reads again every second."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--host", "localhost", "--port", str(port),
         "--reload_interval", "1", "--samples_per_plugin", "images=100,text=100"], stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if f"localhost:{port}" in line:
            break
    else:
        pytest.fail("TensorBoard did not start")
    yield f"http://localhost:{port}"
    server.kill()
    server.wait()
    server.stderr.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory, address):
    with Browser(tmp_path_factory.mktemp("profile"), (1400, 3000)) as browser:
        yield browser


def runs(address) -> set[str]:
    with urllib.request.urlopen(f"{address}/data/runs", timeout=120) as answer:
        return set(json.load(answer))


def show(browser, address, tab):
    browser.open("about:blank")  # else only the part after # changes, and nothing is loaded
    browser.open(f"{address}/?smoothing=0#{tab}")


def test_a_running_search_is_shown_step_by_step(browser, address, logs):
    show(browser, address, "timeseries")
    before = browser.wait_for_texts("step00/seed", "step01/fast", "step01/bottleneck", "summary", "accuracy_over_cost")
    assert "step02" not in before
    write(logs, finished())
    until = time.monotonic() + 300
    while "step02/width" not in runs(address):
        assert time.monotonic() < until, "TensorBoard has not read what was written while it ran"
        time.sleep(0.25)
    show(browser, address, "timeseries")
    browser.wait_for_texts("step02/fast", "step02/temporal", "step02/bottleneck", "step02/depth", "step02/width")


def test_pictures_of_the_search_and_of_each_candidate_are_loaded(browser, address):
    show(browser, address, "images")
    browser.wait_for_texts("accuracy_over_cost", "gains", "samples", "confusion", "step01/fast")
    images = browser.wait_for(IMAGES, lambda found: len(found) > 10 and all(width > 100 for _, width in found))
    assert all(source.startswith(address) for source, _ in images)


def test_tables_tell_which_axis_won_by_how_much_and_whether_by_chance(browser, address):
    show(browser, address, "text")
    browser.wait_for_texts("path/overview", "path/step 02",
                           "fast wins by +5.0 points over temporal (within noise, p = 1; also width, depth, bottleneck).",
                           "The search has ended: steps.", "spatial cannot move")


def test_hparams_compare_all_candidates(browser, address):
    show(browser, address, "hparams")
    text = browser.wait_for_texts("Number of matching session groups: 10", "latency_ms", "val_accuracy", "step02/width")
    assert {"axis", "step", "GMACs", "params", "gain", "12.500"} <= set(text.splitlines())


def test_charts_of_the_questions_are_laid_out(browser, address):
    show(browser, address, "custom_scalars")
    text = browser.wait_for_texts("steps that each axis has won", "wins/fast (summary)", "search/margin (summary)",
                                  "accuracy of the winner, with its 95 % interval", "interval/accuracy (summary)",
                                  "latency per clip, milliseconds")
    assert "Missing Tags" not in text and "No data" not in text


def test_curves_with_rate_and_throughput(browser, address):
    show(browser, address, "scalars")
    browser.wait_for_texts("training", "step01/fast")
    browser.wait_for(TEXTS, lambda text: "wins" in text and "interval" in text)
