"""The expansion search: spec, complexity, axes, selection, network, clips, oracle and tuner.

Names are loaded when they are first used, so that what needs no TensorFlow does not wait for it.
"""

from importlib import import_module

_HOME = {
    "Spec": "spec", "NAMED": "spec", "parse_spec": "spec",
    "Limits": "axes", "expand": "axes", "propose": "axes", "contract": "axes",
    "decide": "selection", "marginal_gain": "selection",
    "SeedSettings": "seeds", "Constraint": "constraints", "start_from": "warm_start",
    "Recipe": "recipe", "ClipSettings": "recipe",
    "SearchSettings": "search", "Search": "search", "read_trace": "trace",
    "VideoDataset": "dataset", "InputError": "errors",
    "X3D": "model", "build_model": "model", "at_size": "model",
    "new_model": "training", "train": "training", "load_model": "training",
    "start_from_file": "transfer", "recompute_statistics": "precise_bn",
    "Devices": "distribute", "make_strategy": "distribute", "on_one_device": "distribute",
    "evaluate": "evaluation", "Evaluation": "evaluation", "evaluate_network": "evaluation", "open_network": "network",
    "export_saved_model": "export",
    "load_weights": "weights", "save_weights": "weights", "open_weights": "weights",
    "ExpansionOracle": "oracle", "ExpansionTuner": "tuner",
    "search_figure": "figure", "save_figure": "figure",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'expansion' has no attribute {name!r}")
    return getattr(import_module(f"expansion.{_HOME[name]}"), name)


def __dir__():
    return __all__
