"""How a network is trained: the settings, and the schedule that follows from them. Plain Python; no TensorFlow."""

from expansion.recipe.augmentation import Augmentation
from expansion.recipe.settings import ClipSettings, Recipe

__all__ = ["Augmentation", "ClipSettings", "Recipe"]
