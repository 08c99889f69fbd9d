"""The expansion search: spec, complexity, axes, selection, network, clips, oracle and tuner."""
