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


def tuner(data, weights, folder, engine, **changes):
    settings = expansion.SearchSettings(weights=weights, new_head=True, steps=1, axes=("depth", "bottleneck"))
    recipe = Recipe(epochs=1, batch=16, rate=1e-9, rate_batch=16, warmup_epochs=0, dropout=0.0)
    return expansion.ExpansionTuner(data, settings, recipe=recipe, clips=ClipSettings(flip=False, views=1), directory=folder,
                                    project_name="s", engine=engine, progress=SearchProgress(quiet=True), **changes)


@pytest.mark.parametrize("form, engine", [("pyslowfast", "in-process"), ("pytorchvideo", "local"), ("keras", "ray")])
def test_a_search_grows_from_the_file(trained, demo_records, tmp_path, form, engine):
    """At a rate near zero a candidate ends as it began: the seed as the file, the others as the seed."""
    model, paths = trained
    search = tuner(demo_records, paths[form], tmp_path, engine)
    search.search()
    seed, step = search.state.path[0], search.state.steps[1]
    assert seed.spec.blocks() == SPEC.blocks() and seed.warm_start == "all clips"
    assert search.state.probe.train == 48 and 0 <= search.state.probe.accuracy <= 1
    of, begun = clips(SPEC, 4), load_model(search.folder.start)
    assert_equal_but_for_rounding(pooled(begun, of), pooled(model, of))
    # Running statistics have followed the batches; equal outputs are those of training mode.
    expected = np.asarray(begun(of, training=True))
    assert np.ptp(expected, axis=0).max() > 1e-3
    jobs = [read_job(search.folder.trial(t.trial_id)) for t in (seed, *step.candidates)]
    assert [job.parent for job in jobs] == [os.path.abspath(search.folder.start)] + [
        os.path.abspath(search.folder.trial(seed.trial_id).model)] * 2
    for candidate in (seed, *step.candidates):
        grown = load_model(search.folder.trial(candidate.trial_id).model)
        assert grown.spec == candidate.spec
        assert_equal_but_for_rounding(grown(of, training=True), expected, 1e-3)
    again = tuner(demo_records, paths[form], tmp_path, engine)
    assert again.state.finished and again.state.as_dict() == search.state.as_dict()
    with pytest.raises(InputError, match="weights was .*, is now"):
        tuner(demo_records, paths[FORMS[FORMS.index(form) - 1]], tmp_path, engine)


def test_keras_tuners_oracle_begins_with_the_file(trained):
    _, paths = trained
    oracle = expansion.ExpansionOracle(expansion.SearchSettings(weights=paths["pyslowfast"], classes=3))
    first = oracle.create_trial("tuner0").hyperparameters
    assert (first.get("axis"), first.get("size"), first.get("frames")) == ("seed", 24, 2)


def test_frozen_stages_stay_and_slow_ones_move_less(trained, demo_records):
    _, paths = trained
    before = network_of(open_source(paths["keras"]), 8, demo_records.classes, new_head=True).get_weights()

    def moved(**changes):
        recipe = Recipe(epochs=1, batch=48, rate=0.01, rate_batch=48, warmup_epochs=0, weight_decay=0, momentum=0, **changes)
        model = network_of(open_source(paths["keras"]), 8, demo_records.classes, new_head=True)
        expansion.train(model, demo_records, recipe, ClipSettings(flip=False))
        stages: dict[str, float] = {}
        for weight, old in zip(model.weights, before, strict=True):
            name = weight.path.partition("_")[0].partition("/")[0]
            stages[name] = max(stages.get(name, 0.0), float(np.abs(weight.numpy() - old).max()))
        return stages

    frozen = moved(freeze="stage3")
    assert all(frozen[name] == 0 for name in ("stem", "stage2", "stage3"))
    assert all(frozen[name] > 0 for name in ("stage4", "stage5", "head", "logits"))

    def kernel_change(**changes):
        recipe = Recipe(epochs=1, batch=48, rate=0.01, rate_batch=48, warmup_epochs=0, weight_decay=0, momentum=0, dropout=0,
                        **changes)
        model = network_of(open_source(paths["keras"]), 8, demo_records.classes, new_head=True)
        old = {name: model.get_layer(name).get_weights()[0] for name in ("stem_space", "logits")}
        expansion.train(model, demo_records, recipe, ClipSettings(flip=False))
        return [np.abs(model.get_layer(name).get_weights()[0] - old[name]).max() for name in old]

    whole, slow = kernel_change(), kernel_change(stage_rates={"backbone": 0.25})
    assert slow[0] == pytest.approx(0.25 * whole[0], rel=0.05) and slow[1] == pytest.approx(whole[1], rel=0.05)
