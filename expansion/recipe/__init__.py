"""How a network is trained: the settings, and the schedule that follows from them. Plain Python; no TensorFlow."""

from expansion.recipe.settings import ClipSettings, Recipe

__all__ = ["ClipSettings", "Recipe"]
