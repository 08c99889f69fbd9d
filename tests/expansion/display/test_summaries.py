"""What TensorBoard will find: runs, tags, values and pictures, each once."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import metadata

from expansion.display.tensorboard import layout, summaries, task_pictures
from expansion.evaluation.evaluate import Evaluation
from expansion.recipe import Recipe
from expansion.recipe.schedule import Schedule
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.spec import Spec
from tests.expansion.search.test_racing import run, settings
from tests.expansion.searches import SMALL, VIDEOS, finished

METRICS = {"val_accuracy": 0.5, "val_top5": 1.0, "val_loss": 1.25, "loss": 1.0, "seconds": 12.0, "build_seconds": 1.0,
           "train_seconds": 8.0, "evaluate_seconds": 3.0}


def evaluation():
    probabilities = np.eye(4)[np.arange(VIDEOS) % 4]
    return Evaluation(probabilities, np.zeros(VIDEOS, int), tuple(str(index) for index in range(VIDEOS)))


def read(folder) -> dict[str, dict[str, list]]:
    """Every run's tags, each with its (step, value): a number, a text, or a picture's (height, width)."""
    multiplexer = EventMultiplexer(size_guidance={"tensors": 0})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    # Files of one second are read in the order of their names, in which a tenth file comes before the ninth.
    return {run: {tag: sorted(((event.step, _value(multiplexer, run, tag, event)) for event in multiplexer.Tensors(run, tag)),
                              key=lambda event: event[0])
                  for tag in content["tensors"]} for run, content in multiplexer.Runs().items()}


def _value(multiplexer, run, tag, event):
    plugin = multiplexer.SummaryMetadata(run, tag).plugin_data.plugin_name
    array = tf.make_ndarray(event.tensor_proto)
    if plugin == "images":
        assert array[:2].tolist() == [str(size).encode() for size in tf.io.decode_png(array[2]).shape[1::-1]]
        return tf.io.decode_png(array[2]).shape[:2]
    if plugin == "text":
        return array.flat[0].decode()
    return float(array) if plugin == "scalars" else plugin


def write_all(folder, search):
    for step in search.steps:
        for candidate in step.candidates:
            if candidate.status == "completed":
                run = os.path.join(folder, summaries.run_name(step, candidate.axis))
                summaries.write_candidate(run, step, candidate, METRICS, evaluation(), Recipe())
    summaries.write_search(str(folder), search)


def test_run_names():
    search = finished(SearchSettings(**SMALL.model_dump() | {"target_gmacs": 0.02, "steps": 5}))
    names = [summaries.run_name(step, step.winner.axis) for step in search.steps]
    assert names == ["step00/seed", "step01/fast", "step02/fast", "step03/contraction"]


def test_curves_of_a_training(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(2):  # the second attempt takes the first one's place
        losses = model.fit(np.ones((4, 2)), np.zeros(4), epochs=3, verbose=0,
                           callbacks=[summaries.Curves(str(tmp_path / "step00" / "seed"))]).history["loss"]
    assert read(tmp_path)["step00/seed"] == {
        "training/loss": [(epoch + 1, pytest.approx(loss)) for epoch, loss in enumerate(losses)]}


def test_curves_of_a_training_that_is_resumed(tmp_path):
    for first, last in ((0, 2), (2, 4), (3, 5)):  # the last attempt repeats an epoch whose points are there
        curves = summaries.Curves(str(tmp_path / "train"))
        for epoch in range(first, last):
            curves.on_epoch_begin(epoch)
            curves.on_epoch_end(epoch, {"loss": 1.0 + epoch})
        curves.on_train_end()
    assert read(tmp_path)["train"] == {"training/loss": [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0)]}


def test_curves_take_what_the_training_reports(tmp_path):
    curves = summaries.Curves(str(tmp_path))
    curves.on_epoch_begin(0)
    curves.on_epoch_end(0, {"loss": 1.0, "accuracy": 0.5, "learning_rate": 0.25, "clips_per_second": 8.0, "other": 1.0})
    live = read(tmp_path)["."]  # it can be watched before it ends
    curves.on_train_end()
    assert live == {"training/loss": [(1, 1.0)], "training/accuracy": [(1, 0.5)], "training/learning_rate": [(1, 0.25)],
                    "training/clips_per_second": [(1, 8.0)]}


def test_a_candidate(tmp_path):
    step = finished().steps[2]
    candidate = step.winner
    for _ in range(2):
        summaries.write_candidate(str(tmp_path), step, candidate, METRICS, evaluation(), Recipe(batch=7))
    run = read(tmp_path)["."]
    assert run["search/val_accuracy"] == [(2, 0.5)] and run["search/val_loss"] == [(2, 1.25)]
    assert run["search/gmacs"] == [(2, pytest.approx(candidate.macs / 1e9))]
    assert run["search/params"] == [(2, candidate.params)]
    assert run["seconds/train"] == [(2, 8.0)]
    assert "| batch | 7 |" in run["recipe"][0][1]
    assert len(run["confusion"]) == 1 and min(run["confusion"][0][1]) > 100


def test_a_picture_that_cannot_be_drawn_costs_no_trial(tmp_path, monkeypatch, caplog):
    def broken(*args):
        raise ValueError("cash $$")

    monkeypatch.setattr(task_pictures, "confusion_figure", broken)
    step = finished().steps[2]
    summaries.write_candidate(str(tmp_path), step, step.winner, METRICS, evaluation(), Recipe(), ["cash $$"] * 4, broken)
    run = read(tmp_path)["."]
    assert run["search/val_accuracy"] == [(2, 0.5)] and metadata.SESSION_END_INFO_TAG in run
    assert "confusion" not in run and "samples" not in run
    assert "confusion, step 2 is left out, it cannot be drawn: cash $$" in caplog.text


def test_the_hparams_of_a_candidate(tmp_path):
    step = finished().steps[1]
    summaries.write_candidate(str(tmp_path), step, step.winner, METRICS, evaluation(), Recipe())
    multiplexer = EventMultiplexer().AddRun(str(tmp_path), "run").Reload()
    content = multiplexer.SummaryMetadata("run", metadata.SESSION_START_INFO_TAG).plugin_data.content
    info = metadata.parse_session_start_info_plugin_data(content)
    values = {name: value.string_value or value.number_value for name, value in info.hparams.items()}
    assert info.group_name.startswith("step01/fast ")
    assert values == {"axis": "fast", "step": 1, "frames": 2, "stride": 16, "size": 64, "width": 1, "depth": 1,
                      "bottleneck": 1, "GMACs": pytest.approx(step.winner.macs / 1e9, rel=1e-3),
                      "params": step.winner.params}
    other = layout.trial_id(str(tmp_path / "other"), "step01/fast")
    assert other.startswith("step01/fast ") and other != info.group_name  # another search is another trial
    assert metadata.SESSION_END_INFO_TAG in multiplexer.Runs()["run"]["tensors"]


@pytest.mark.slow
def test_the_search(tmp_path):
    search = finished()
    write_all(tmp_path, search)
    runs = read(tmp_path)
    assert set(runs) == {".", "summary"} | {summaries.run_name(s, c.axis) for s in search.steps for c in s.candidates}
    assert runs["."] == {metadata.EXPERIMENT_TAG: [(0, "hparams")],
                         "custom_scalars__config__": [(0, "custom_scalars")]}
    summary, decisions = runs["summary"], [step.decision for step in search.steps]
    close = pytest.approx
    assert summary["search/val_accuracy"] == [(i, close(c.accuracy)) for i, c in enumerate(search.path)]
    assert summary["search/gmacs"] == [(i, close(c.macs / 1e9)) for i, c in enumerate(search.path)]
    assert summary["search/params"] == [(i, c.params) for i, c in enumerate(search.path)]
    assert summary["search/gain"] == [(i, close(search.path[i].gain)) for i in (1, 2)]
    assert summary["search/margin"] == [(i, close(decisions[i].margin)) for i in (1, 2)]
    assert summary["search/p_value"] == [(i, close(decisions[i].p_value)) for i in (1, 2)]
    assert {tag: values for tag, values in summary.items() if tag.startswith("wins/")} == {"wins/fast": [(1, 1), (2, 2)]}
    assert summary["interval/accuracy"] == summary["search/val_accuracy"]
    assert all(low < c.accuracy < high for c, (_, low), (_, high) in zip(
        search.path, summary["interval/low"], summary["interval/high"]))
    assert [step for step, _ in summary["gains"]] == [1, 2] and [step for step, _ in summary["time"]] == [0, 1, 2]
    assert summary["seconds/step"] == [(s.number, 10 * len(s.candidates)) for s in search.steps]
    assert summary["accuracy_over_cost"] == [(i, (528, 768)) for i in range(3)]
    loser = next(c for c in search.steps[2].candidates if c is not search.steps[2].winner)
    assert runs[f"step02/{loser.axis}"]["search/gain"] == [(2, close(loser.gain))]


@pytest.mark.slow
def test_the_tables(tmp_path):
    search = finished(failing="width")
    summaries.write_search(str(tmp_path), search)
    summary = read(tmp_path)["summary"]
    table = summary["path/step 01"][0][1]
    assert "| **fast = temporal** | 2x16 | 64 |" in table
    assert "failed: MemoryError: a\\|b" in table
    assert "fast wins by +10.0 points over" in table and "within noise" in table
    assert "spatial cannot move: " in table
    overview = summary["path/overview"]
    assert [text.count("\n| ") for _, text in overview] == [2, 3, 4]  # the rule, and a row a step
    assert overview[-1][1].endswith("The search has ended: steps.") and "ended" not in overview[1][1]


@pytest.mark.slow
def test_the_tables_of_a_race(tmp_path):
    summaries.write_search(str(tmp_path), run(SearchState(settings())))
    table = read(tmp_path)["summary"]["path/step 01"][0][1]
    assert "| stopped at 25.0 % |" in table and "width stopped after epoch 3: 25.0 %, gain -" in table
    assert table.count("95 % bound") == 3


@pytest.mark.slow
def test_called_after_every_step_and_again_after_a_restart_nothing_is_doubled(tmp_path):
    once, often = str(tmp_path / "once"), str(tmp_path / "often")
    settings = SearchSettings(**SMALL.model_dump() | {"axes": ("fast", "depth")})
    search = finished(settings, on_decided=lambda search, _: summaries.write_search(often, search))
    write_all(often, search)
    summaries.write_search(often, SearchState.from_dict(search.as_dict()))
    write_all(once, search)
    assert read(often) == read(once)


@pytest.mark.slow
def test_a_step_that_a_crash_left_out_is_written_later(tmp_path):
    summaries.write_search(str(tmp_path), finished(steps=1))
    path = next(path for path in (tmp_path / "summary").iterdir())
    path.write_bytes(path.read_bytes() + b"torn")
    search = finished()
    summaries.write_search(str(tmp_path), search)
    assert [step for step, _ in read(tmp_path)["summary"]["search/val_accuracy"]] == [0, 1, 2]


@pytest.mark.slow
def test_a_scheduled_training_shows_shape_batch_and_rate_of_every_step(tmp_path):
    schedule = Schedule(Spec(frames=4, size=48), Recipe(epochs=4, batch=4, multigrid="both", long_cycles=1), 40)
    curves = summaries.Curves(str(tmp_path / "run"), schedule)
    for epoch in range(len(schedule.epochs)):
        curves.on_epoch_begin(epoch)
        curves.on_epoch_end(epoch, {"loss": 1.0})
    curves.on_train_end()
    found = {tag: dict(events) for tag, events in read(tmp_path)["run"].items()}
    assert len(found["schedule/batch"]) == schedule.steps > len(schedule.epochs)
    shapes = [epoch.shape(step) for epoch in schedule.epochs for step in range(epoch.steps)]
    for name, values in (("frames", [s.frames for s in shapes]), ("size", [s.size for s in shapes]),
                         ("batch", [4 * s.factor for s in shapes])):
        assert [found[f"schedule/{name}"][step] for step in range(schedule.steps)] == values
    assert [found["schedule/learning_rate"][step] for step in range(schedule.steps)] == pytest.approx(
        [schedule.rate(step) for step in range(schedule.steps)])
