"""What a linear classifier on the features of a network reaches before anything is trained: the first answer of a search."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """What a linear probe reached.

    Args:
        accuracy: on validation videos, share of 1.
        largest_class: share of those videos that the largest class has, which a constant answer reaches.
        train, val: videos that were looked at.
        seconds: that it took.
    """

    accuracy: float
    largest_class: float
    train: int
    val: int
    seconds: float

    def text(self, name: str) -> str:
        """In words.

        Args:
            name: whose features they are.
        """
        return (f"a linear classifier on the features of {name} as they are has {100 * self.accuracy:.1f} % of {self.val} "
                f"validation videos (the largest class alone {100 * self.largest_class:.1f} %; {self.train} training videos, "
                f"{self.seconds:.0f} s)")
