"""The comparison of choices: raw results, who may be told from the first, and what contenders may cost."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.choices import resnet3d
from benchmarks.choices.__main__ import arguments, cell_folder, report
from benchmarks.choices.contenders import CONTENDERS, by_hand, named, named_near, one_frame
from benchmarks.choices.results import RESULTS, Result, append, letters, read
from benchmarks.choices.sets import CANDIDATES, SETS, training_macs
from benchmarks.choices.summary import figure, overturned, rows, table
from expansion.complexity import complexity
from expansion.data.dataset import VideoDataset
from tests.expansion.manifests import manifest_of

FIGHTS = SETS["fights"]
DATA = VideoDataset("nowhere", manifest_of(["a", "b"], {"train": 200, "val": 50}, frames=70, short_side=64))
ONE = Result("fights", "XS", 0, "a network", 1e8, 10, "1101", 0.5, 0.0, 1e12, 60.0)


def results(rng, contender: str, accuracy: float, seeds: int = 5, **changes) -> list[Result]:
    return [replace(ONE, contender=contender, seed=seed, right=letters(rng.random(200) < accuracy), **changes)
            for seed in range(seeds)]


def test_results_are_lines_that_a_stop_does_not_harm(tmp_path):
    for seed in range(2):
        append(tmp_path, replace(ONE, seed=seed))
    with open(tmp_path / RESULTS, "a") as file:
        file.write('{"dataset": "fi')  # a stop in the middle of a line
    append(tmp_path, replace(ONE, seed=2))
    assert [result.seed for result in read(tmp_path)] == [0, 1, 2] and read(tmp_path)[0] == ONE
    assert ONE.accuracy == 0.75 and read(tmp_path / "none") == []


def test_the_table_has_the_best_first_and_marks_what_cannot_be_told_from_it():
    rng = np.random.default_rng(0)
    found = rows([*results(rng, "XS", 0.71), *results(rng, "random search", 0.7, searched=5e12), *results(rng, "one frame", 0.4)],
                 "fights")
    assert [row.contender for row in found][2] == "one frame" and found[0].p_first == 1.0
    assert found[1].p_first > 0.05 and found[2].p_first < 1e-4 and 0.02 < found[0].reach < 0.08
    shown = table(found).splitlines()
    assert len(shown) == 5 and sum("**" in line for line in shown) == 2 and "| 5 T |" in "".join(shown)
    assert rows([ONE], "lips") == []
    assert "75.0 % (1 seeds)" in table(rows([ONE], "fights"))  # too few to say more


def test_it_is_counted_how_often_another_seed_decides_otherwise():
    def step(best: str) -> Result:
        of = {axis: tuple(video < (45 if axis == best else 20) for video in range(50)) for axis in ("fast", "depth")}
        candidates = [{"axis": axis, "macs": 200, "params": 1, "accuracy": sum(right) / 50, "right": letters(right)}
                      for axis, right in of.items()]
        seed = {"axis": "seed", "macs": 100, "params": 1, "accuracy": 0.3, "right": ""}
        return replace(ONE, contender="expansion search", steps=[{"candidates": [seed]}, {"candidates": candidates}])

    assert overturned([step("fast"), step("fast"), step("depth")], "fights") == (6, 6, 4)


def test_the_report_of_what_is_there(tmp_path, capsys):
    append(tmp_path, ONE)
    report(arguments([str(tmp_path), "--figure", str(tmp_path / "choices.png")]))
    assert "### fights" in capsys.readouterr().out and (tmp_path / "choices.png").stat().st_size > 10_000
    figure({"fights": rows(results(np.random.default_rng(0), "XS", 0.7), "fights")}, tmp_path / "choices.svg")
    assert len({cell_folder(tmp_path, "fights", name, 0) for name in CONTENDERS}) == len(CONTENDERS)


@pytest.mark.parametrize("choose", [named_near, by_hand, one_frame])
def test_what_is_chosen_keeps_to_the_cost_and_to_the_data(choose):
    spec = choose(FIGHTS, DATA, 0, None).spec
    share = complexity(spec, 2).macs / FIGHTS.limit(2)
    assert 0.7 < share <= 1.0 and DATA.limits.broken_by(spec) is None


def test_a_budget_is_that_of_every_candidate_of_every_doubling():
    of_start = training_macs(FIGHTS.start, FIGHTS.recipe, DATA)
    assert of_start == 3 * complexity(FIGHTS.start, 2).macs * 208 * FIGHTS.recipe.epochs  # 13 batches of 16
    assert FIGHTS.budget(DATA) == of_start * (1 + CANDIDATES * (2 + 4))
    assert DATA.limits.broken_by(named(FIGHTS, DATA, 0, None).spec) is None


@pytest.mark.slow
def test_a_resnets_cost_is_that_of_its_layers():
    spec, width = resnet3d.nearest(FIGHTS, DATA)
    model = resnet3d.build(spec, width, 2, 0.2)
    macs, params = resnet3d.cost(spec, width, 2)
    assert params == sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    counted = 2 * 8 * width + 0
    for layer in model.layers:
        if type(layer).__name__ == "Conv3D":
            counted += int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:4]))
    assert macs == counted and 0.8 < macs / FIGHTS.limit(2) <= 1.0  # as near as the grid of sizes and widths comes
