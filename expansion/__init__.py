"""The expansion search: spec, complexity, axes, selection, network, clips, oracle and tuner.

Names are loaded when they are first used, so that what needs no TensorFlow does not wait for it.
"""

from importlib import import_module

_HOME = {
    "Spec": "spec", "NAMED": "spec", "parse_spec": "spec",
    "Limits": "axes", "expand": "axes", "propose": "axes", "contract": "axes",
    "decide": "selection", "marginal_gain": "selection",
    "SeedSettings": "seeds", "Constraint": "constraints", "start_from": "warm_start",
    "Recipe": "training.recipe", "ClipSettings": "training.recipe",
    "SearchSettings": "search", "Search": "search", "read_trace": "trace",
    "VideoDataset": "training.dataset", "InputError": "errors",
    "build": "weights.build", "predict": "evaluation.predict", "Prediction": "evaluation.predict",
    "X3D": "network.model", "build_model": "network.model", "at_size": "network.model",
    "new_model": "training.fit", "train": "training.fit", "load_model": "training.fit",
    "start_from_file": "weights.transfer", "recompute_statistics": "training.precise_bn",
    "Devices": "training.distribute", "make_strategy": "training.distribute", "on_one_device": "training.distribute",
    "evaluate": "evaluation.evaluate", "Evaluation": "evaluation.evaluate",
    "evaluate_network": "evaluation.evaluate", "open_network": "evaluation.stored",
    "export_saved_model": "evaluation.export",
    "load_weights": "weights.public", "save_weights": "weights.public", "open_weights": "weights.public",
    "ExpansionOracle": "oracle", "ExpansionTuner": "tuner",
    "search_figure": "show.figure", "save_figure": "show.figure",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'expansion' has no attribute {name!r}")
    return getattr(import_module(f"expansion.{_HOME[name]}"), name)


def __dir__():
    return __all__
