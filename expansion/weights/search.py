"""A search that grows from a file of weights: its seed, and what of the file its results depend on. Plain Python."""

from __future__ import annotations

from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.weights.source import WeightsSource, open_source


def with_start(settings: SearchSettings) -> SearchSettings:
    """The settings of a search, which begins with the network of its weights where no other start is set.

    Raises:
        InputError: the weights cannot be read, or do not grow to the start that is set.
    """
    try:
        source = source_of(settings)
    except InputError as error:
        raise InputError(str(error).replace("--spec ", "--set search.start=")) from None
    if source is None:
        return settings
    if "start" not in settings.model_fields_set:
        return settings.model_copy(update={"start": source.spec})
    source.grows_to(settings.start)
    return settings


def source_of(settings: SearchSettings) -> WeightsSource | None:
    """What the weights of a search hold; None where it begins from scratch."""
    if settings.weights is None:
        return None
    return open_source(settings.weights, settings.start if "start" in settings.model_fields_set else None)


def weights_made_with(source: WeightsSource | None) -> dict:
    """The part of what a search was made with that its weights are, as JSON: the digest of the file, wherever it lies."""
    return {"weights": source.sha256 if source else None}


def new_search(settings: SearchSettings, made_with: dict | None = None, **means) -> SearchState:
    """A search at its beginning, whose seed is the network of its weights where it has some.

    Args:
        made_with, means: of SearchState.

    Raises:
        InputError: the weights cannot be read, or do not grow to the seed; or as SearchState.
    """
    settings, source = with_start(settings), source_of(settings)
    if source is not None:
        means["seed_keeps"] = source.grows_to(settings.start)
    return SearchState(settings, {**(made_with or {}), **weights_made_with(source)}, **means)
