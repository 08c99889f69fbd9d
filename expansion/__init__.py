"""The expansion search: spec, complexity, axes, selection, network, clips, oracle and tuner.

Names are loaded when they are first used, so that what needs no TensorFlow does not wait for it.
"""

from importlib import import_module

_HOME = {
    "Spec": "spec", "NAMED": "spec", "parse_spec": "spec",
    "Limits": "spec", "expand": "search.axes", "propose": "search.axes", "contract": "search.axes",
    "decide": "search.selection", "marginal_gain": "search.selection",
    "RepeatSettings": "search.repeats", "Constraint": "search.constraints", "start_from": "network.transfer",
    "Recipe": "recipe", "ClipSettings": "recipe", "Augmentation": "recipe",
    "SearchSettings": "search.settings", "SearchState": "search.state", "read_trace": "search.trace",
    "VideoDataset": "data.dataset", "InputError": "foundation.errors",
    "build": "weights.build", "predict": "evaluation.predict", "Prediction": "evaluation.predict",
    "X3D": "network.model", "build_model": "network.model", "at_size": "network.model",
    "new_model": "training.fit", "train": "training.fit", "load_model": "network.saving",
    "start_from_file": "network.transfer", "recompute_statistics": "training.precise_bn",
    "Devices": "training.distribute", "make_strategy": "training.distribute", "on_one_device": "training.distribute",
    "evaluate": "evaluation.evaluate", "Evaluation": "evaluation.evaluate",
    "evaluate_network": "evaluation.evaluate", "open_network": "evaluation.networks",
    "export_saved_model": "evaluation.export",
    "load_weights": "weights.checkpoints", "save_weights": "weights.checkpoints", "open_weights": "weights.checkpoints",
    "EngineSettings": "tuning.engines.settings", "ExpansionOracle": "tuning.oracle", "ExpansionTuner": "tuning.tuner",
    "X3DHyperModel": "tuning.hypermodel",
    "search_figure": "display.path_figure", "save_figure": "display.path_figure",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'expansion' has no attribute {name!r}")
    return getattr(import_module(f"expansion.{_HOME[name]}"), name)


def __dir__():
    return __all__
