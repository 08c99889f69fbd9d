"""The ways to train that are compared: what each has other than today's recipe for small data. Plain Python."""

from __future__ import annotations

from expansion.recipe import Recipe

TODAY = "today"
# The last training of configs/small.yaml.
BASE = Recipe(epochs=60, batch=16, rate=0.1, rate_batch=16, warmup_epochs=2, dropout=0.5)
TOGETHER = {"rate": 0.05, "label_smoothing": 0.1, "ema": 0.98, "augment": {"erasing": 0.25, "mixup": 0.2, "colour": 0.2}}
# All but "long" take as many multiply-adds as today's.
WAYS: dict[str, dict] = {
    TODAY: {},
    "low-rate": {"rate": 0.03},
    "smoothing": {"label_smoothing": 0.1},
    "precise-bn": {"precise_bn": 200},
    "ema": {"ema": 0.98},
    "colour": {"augment": {"colour": 0.3}},
    "randaugment": {"augment": {"randaugment": 2}},
    "erasing": {"augment": {"erasing": 0.25}},
    "mixup": {"augment": {"mixup": 0.2}},
    "cutmix": {"augment": {"cutmix": 1.0}},
    "clips": {"clips_per_video": 4, "epochs": 15},
    "class-weights": {"class_weights": True},
    "together": TOGETHER,
    "long": {"epochs": 120},
    # From weights, which --weights names:
    "weights": {"rate": 0.03},
    "weights-slow": {"rate": 0.1, "stage_rates": {"backbone": 0.1}},
    "weights-frozen": {"rate": 0.1, "freeze": "stage4"},
}
FROM_WEIGHTS = tuple(way for way in WAYS if way.startswith("weights"))


def recipe_of(way: str, epochs: float | None = None) -> Recipe:
    """How a way trains.

    Args:
        epochs: of today's recipe in place of its own; the others' in the same proportion.
    """
    changes = dict(WAYS[way])
    scale = 1.0 if epochs is None else epochs / BASE.epochs
    changes["epochs"] = scale * changes.get("epochs", BASE.epochs)
    return Recipe(**BASE.model_dump() | changes)
