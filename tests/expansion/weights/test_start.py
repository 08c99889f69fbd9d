"""Networks that begin with a file of weights, in each of its forms, and a search that grows from one."""

import os

import numpy as np
import pytest

import expansion
from expansion.display.progress import SearchProgress
from expansion.foundation.errors import InputError
from expansion.network.model import build_model
from expansion.network.saving import load_model
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.settings import STAGES, stage_of
from expansion.search.path import NO_GAIN
from expansion.spec import Spec
from expansion.tuning.jobs import read_job
from expansion.weights.checkpoints import save_weights
from expansion.weights.source import open_source
from expansion.weights.start import network_of, start_from_weights
from tests.expansion.networks import assert_equal_but_for_rounding, awake, clips

pytestmark = pytest.mark.slow
SPEC = Spec(frames=2, stride=4, size=24, width=0.34, depth=0.2)
FORMS = ("keras", "pyslowfast", "pytorchvideo")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network with something in every weight, and its files by form."""
    folder = tmp_path_factory.mktemp("weights")
    model = awake(build_model(SPEC, 3, class_names=("a", "b", "c")))
    paths = {form: str(folder / f"{form}.{'keras' if form == 'keras' else 'pyth'}") for form in FORMS}
    model.save(paths["keras"])
    for dialect in FORMS[1:]:
        save_weights(model, paths[dialect], dialect)
    return model, paths


def pooled(model, of):
    """What the last layer sees."""
    import keras

    return np.asarray(keras.Model(model.input, model.get_layer("head_linear").output)(of, training=False))


@pytest.mark.parametrize("form", FORMS)
def test_the_files_network_comes_along_with_its_classes_or_new_ones(trained, form):
    model, paths = trained
    source, of = open_source(paths[form]), clips(SPEC, 3)
    assert_equal_but_for_rounding(network_of(source, 3, ("a", "b", "c"))(of), model(of))
    other = network_of(source, 5, new_head=True)
    assert other.classes == 5 and other(of).shape == (3, 5)
    assert_equal_but_for_rounding(pooled(other, of), pooled(model, of))
    with pytest.raises(InputError, match="3 classes, and the data have 5"):
        network_of(source, 5)


def test_a_larger_network_begins_as_the_file_and_another_clip_with_its_weights(trained):
    model, paths = trained
    source, of = open_source(paths["pytorchvideo"]), clips(SPEC, 3)
    grown = build_model(SPEC.replace(depth=0.6, width=0.68, bottleneck=1.5), 3)
    assert start_from_weights(grown, source) == "all clips"
    assert_equal_but_for_rounding(grown(of), model(of), 1e-4)
    smaller = build_model(SPEC.replace(size=16, frames=1), 4)
    fresh = smaller.get_layer("logits").get_weights()
    assert start_from_weights(smaller, source, new_head=True) == "weights"
    assert all(np.array_equal(a, b) for a, b in zip(smaller.get_layer("logits").get_weights(), fresh))
    assert np.array_equal(smaller.get_layer("stem_space").get_weights()[0], model.get_layer("stem_space").get_weights()[0])


def tuner(data, weights, folder, engine="in-process", **search):
    settings = expansion.SearchSettings(weights=weights, new_head=True, steps=1, axes=("depth",), **search)
    return expansion.ExpansionTuner(data, settings, recipe=Recipe(epochs=1, batch=16), clips=ClipSettings(views=1),
                                    directory=folder, project_name="s", progress=SearchProgress(quiet=True), engine=engine)


def test_a_search_grows_from_the_file(trained, demo_records, tmp_path, monkeypatch):
    """Without training, the seed is the file's network and each candidate computes what its parent does."""
    monkeypatch.setattr("expansion.tuning.trial.train", lambda model, *args, **kwargs: dict.fromkeys(
        ("loss", "accuracy", "clips_per_second"), [1.0]))
    model, paths = trained
    search = tuner(demo_records, paths["pytorchvideo"], tmp_path)
    search.search()
    seed, deeper = (step.winner for step in search.state.steps)
    assert search.state.stopped_by == NO_GAIN and search.state.path == [seed]  # equal answers, so the start is kept
    assert seed.spec.blocks() == SPEC.blocks() and (seed.warm_start, deeper.warm_start) == ("all clips", "all clips")
    assert search.state.probe.train == 48 and 0 <= search.state.probe.accuracy <= 1
    # What every engine gets is the file of the parent.
    jobs = [read_job(search.folder.trial(winner.trial_id)) for winner in (seed, deeper)]
    parents = [os.path.abspath(path) for path in (search.folder.start, search.folder.trial(seed.trial_id).model)]
    assert [job.parent for job in jobs] == parents
    of = clips(SPEC, 4)
    begun, *grown = (load_model(path) for path in (
        search.folder.start, *(search.folder.trial(winner.trial_id).model for winner in (seed, deeper))))
    assert_equal_but_for_rounding(pooled(begun, of), pooled(model, of))
    assert [other.spec for other in grown] == [seed.spec, deeper.spec] and seed.spec.depth < deeper.spec.depth
    for other in grown:
        assert np.ptp(begun(of)) > 1e-3
        assert_equal_but_for_rounding(other(of), begun(of), 1e-4)
    again = tuner(demo_records, paths["pytorchvideo"], tmp_path)
    assert again.state.finished and again.state.as_dict() == search.state.as_dict()
    with pytest.raises(InputError, match="weights was .*, is now"):
        tuner(demo_records, paths["keras"], tmp_path)


def test_a_child_process_trains_from_the_file_what_this_one_does(trained, demo_records, tmp_path):
    _, paths = trained
    found = []
    for engine in ("in-process", "local"):
        search = tuner(demo_records, paths["pytorchvideo"], tmp_path / engine, engine, without_gain="continue")
        search.search()
        found.append([load_model(search.folder.trial(winner.trial_id).model).get_weights() for winner in search.state.path])
    assert [len(path) for path in found] == [2, 2]
    for inside, child in zip(*found):
        for one, other in zip(inside, child, strict=True):
            np.testing.assert_array_equal(one, other)


def test_keras_tuners_oracle_begins_with_the_file(trained, tmp_path):
    _, paths = trained
    oracle = expansion.ExpansionOracle(expansion.SearchSettings(weights=paths["pyslowfast"], classes=3))
    oracle._set_project_dir(tmp_path, "oracle")
    first = oracle.create_trial("tuner0").hyperparameters
    assert (first.get("axis"), first.get("size"), first.get("frames")) == ("seed", 24, 2)


def test_frozen_stages_stay_as_they_are(trained, demo_records):
    _, paths = trained
    recipe = Recipe(epochs=1, batch=48, rate=0.01, rate_batch=48, warmup_epochs=0, freeze="stage3", precise_bn=1)
    model = network_of(open_source(paths["keras"]), 8, demo_records.classes, new_head=True)
    before = model.get_weights()
    expansion.train(model, demo_records, recipe, ClipSettings(flip=False))
    moved: dict[str, float] = {}
    for weight, old in zip(model.weights, before, strict=True):
        stage = stage_of(weight.path.partition("/")[0])
        moved[stage] = max(moved.get(stage, 0.0), float(np.abs(weight.numpy() - old).max()))
    assert {stage for stage, change in moved.items() if change == 0} == {"stem", "stage2", "stage3"}
    assert set(moved) == {*STAGES, "logits"}
