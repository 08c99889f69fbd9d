"""TFX components: video ingestion, the expansion search and what the pipeline needs of its own."""


def __getattr__(name):
    # Kubeflow's containers import an artifact's class by its type name, which may have two parts only.
    if name == "ExpansionTrace":
        from components.expansion_search.artifacts import ExpansionTrace  # brings TFX with it

        return ExpansionTrace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
