"""TFX Trainer's run_fn: the chosen spec, trained with the full schedule and exported for serving."""

from __future__ import annotations

import os

import keras_tuner

from expansion.data.dataset import VideoDataset
from expansion.display.progress import SearchProgress
from expansion.display.tensorboard import summaries
from expansion.evaluation.export import export_saved_model
from expansion.foundation.files import KERAS_MODEL
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.schedule import epochs_in, schedule_of
from expansion.spec import Spec
from expansion.training.checkpoint import training_key
from expansion.training.fit import new_model, train
from expansion.tuning.oracle import spec_of
from expansion.weights.source import open_source
from expansion.weights.start import start_from_weights

RUN_FN = f"{__name__}.run_fn"


def run_fn(fn_args) -> None:
    """Trains the network that the hyperparameters name.

    Args:
        fn_args: TFX FnArgs. custom_config holds "recipe", "final", "clips", "seed", "checkpoints", a folder that
            outlives a run of the pipeline, so that a stopped training resumes, and, if the search grew from a file, "weights":
            its path, digest and spec, and whether the last layer is new; hyperparameters are those of the search.
    """
    config = fn_args.custom_config
    clips, seed = ClipSettings(**config["clips"]), config["seed"]
    # A file pattern is <examples>/Split-train/*.
    data = VideoDataset.open(os.path.dirname(os.path.dirname(fn_args.train_files[0])))
    chosen = keras_tuner.HyperParameters.from_config(fn_args.hyperparameters)
    spec = spec_of(chosen)
    recipe = Recipe(**config["recipe"]).final(chosen.get("step"), config["final"])
    progress = SearchProgress()
    progress.training_began(spec, epochs_in(spec, recipe, data.videos("train")))
    model = new_model(spec, data, recipe, seed)
    weights = config.get("weights")
    start = weights and weights["sha256"]
    if weights:
        start_from_weights(model, open_source(weights["path"], Spec(**weights["spec"])), new_head=weights["new_head"])
    checkpoint = os.path.join(config["checkpoints"], training_key(spec, data, recipe, clips, seed, start))
    train(model, data, recipe, clips, seed=seed, on_epoch=progress.epoch_ended, checkpoint=checkpoint, start=start,
          callbacks=[summaries.Curves(os.path.join(fn_args.model_run_dir, "train"),
                                      schedule_of(spec, recipe, data.videos("train")))])
    progress.trial_ended("trained")
    export_saved_model(model, fn_args.serving_model_dir, clips)
    # serving_model_dir is <model>/Format-Serving.
    model.save(os.path.join(os.path.dirname(fn_args.serving_model_dir), KERAS_MODEL))
