"""Clips with what a network says of them, as strips of frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from expansion.display.lettering import Lettering
from expansion.evaluation.samples import Sample

FRAMES_SHOWN = 8
RIGHT_COLOUR, WRONG_COLOUR = "#007a59", "#b84a00"


def samples_figure(samples: Sequence[Sample], classes: Sequence[str] = ()) -> Figure:
    """One row per clip: what it is, what it was predicted as and how surely, and up to FRAMES_SHOWN of its frames."""
    letters = Lettering.of(classes)
    shown = max((min(len(sample.clip), FRAMES_SHOWN) for sample in samples), default=1)
    figure = Figure(figsize=(3.2 + 0.9 * shown, 0.3 + 0.95 * max(1, len(samples))), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(max(1, len(samples)), 2, width_ratios=(2.9, 0.9 * shown), left=0.01, right=0.99, bottom=0.02,
                               top=0.98, hspace=0.08, wspace=0.02)
    for row, sample in enumerate(samples):
        words, strip = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
        right = sample.label == sample.prediction
        label, prediction = (_name(letters.names, index) for index in (sample.label, sample.prediction))
        verdict = "correct" if right else f"predicted as {prediction}"
        words.text(0, 0.62, label, fontsize=10, fontweight="bold", va="center", **letters.style)
        words.text(0, 0.36, f"{verdict}, {100 * sample.probability:.0f} %", fontsize=9, va="center",
                   color=RIGHT_COLOUR if right else WRONG_COLOUR, **letters.style)
        strip.imshow(_strip(sample.clip, shown), interpolation="nearest", aspect="equal")
        strip.set_anchor("W")
        for axes in (words, strip):
            axes.set_axis_off()
    return figure


def _name(classes: Sequence[str], index: int) -> str:
    return classes[index] if index < len(classes) else f"class {index}"


def _strip(clip: np.ndarray, shown: int) -> np.ndarray:
    """Frames spread evenly over the clip, side by side with a white line between; white where there are fewer."""
    size = clip.shape[1]
    places = np.linspace(0, len(clip) - 1, min(len(clip), shown)).round().astype(int)
    gap = max(1, size // 24)
    strip = np.full((size, shown * (size + gap) - gap, 3), 255, np.uint8)
    for column, place in enumerate(places):
        strip[:, column * (size + gap):column * (size + gap) + size] = clip[place]
    return strip
