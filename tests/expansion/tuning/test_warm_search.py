"""A real search with warm starts and further seeds, on made videos."""

import os

import numpy as np
import pytest

import expansion
from expansion.display.progress import SearchProgress
from expansion.network.saving import load_model
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.tuning.trial import read_job
from tests.expansion.networks import assert_equal_but_for_rounding

SEED = Spec(stride=8, size=24, width=0.34, depth=0.2)


def tuner(data, folder, **settings):
    return expansion.ExpansionTuner(
        data, expansion.SearchSettings(start=SEED, steps=1, axes=("width", "bottleneck"), without_gain="continue", **settings),
        recipe=Recipe(epochs=1, batch=16, rate=1e-9, rate_batch=16, warmup_epochs=0, dropout=0.0),
        clips=ClipSettings(flip=False, views=2), directory=folder, project_name="s", progress=SearchProgress(quiet=True))


@pytest.mark.slow
def test_candidates_begin_as_the_winner_of_the_step_before_and_the_tied_are_trained_again(demo_records, tmp_path):
    """At a rate near zero a candidate ends as it began: with a warm start that is its parent, for every seed."""
    search = tuner(demo_records, tmp_path, warm_start=True, repeats={"extra": 1, "std": 0.2})
    search.search()
    seed, step = search.state.steps[0].winner, search.state.steps[1]
    parent_file = search.folder.trial(seed.trial_id).model
    clips = np.random.default_rng(0).integers(0, 256, (4, 1, 24, 24, 3)).astype("float32")
    # Running statistics have followed the batches; equal outputs are those of training mode.
    expected = np.asarray(load_model(parent_file)(clips, training=True))
    trainings = list(step.trainings)
    assert sorted(t.repeat for t in trainings) == [0, 0, 1] and {t.warm_start for t in trainings} == {"all clips"}
    assert read_job(search.folder.trial(seed.trial_id)).parent is None
    jobs = [read_job(search.folder.trial(t.trial_id)) for t in trainings]
    assert [job.seed for job in jobs] == [t.repeat for t in trainings] and {job.parent for job in jobs} == {parent_file}
    for training in trainings:
        model = load_model(search.folder.trial(training.trial_id).model)
        assert model.spec == training.spec
        assert_equal_but_for_rounding(model(clips, training=True), expected, 1e-3)
    assert len([name for name in os.listdir(os.path.join(search.logs, "step01")) if name.endswith("-seed1")]) == 1
    assert search.get_best_models()[0].spec == step.winner.spec
    assert sorted(len(candidate.accuracies) for candidate in step.candidates) == [1, 2]
