"""Constraints on networks, from short texts: params < 4M, latency < 30 ms, gmacs <= 2, memory < 2GiB. Plain Python."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field, model_serializer, model_validator

from expansion.foundation.settings import Settings
from expansion.search.costs import CostName, show_cost

_COUNT = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
UNITS = {
    "macs": _COUNT,
    "gmacs": {"": 1e9},
    "params": _COUNT,
    "memory": {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    "latency": {"us": 1e-6, "ms": 1e-3, "s": 1.0},
}
_FORM = re.compile(r"\s*([A-Za-z]+)\s*(<=|<)\s*([0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)\s*")
_HOW = "a quantity, < or <=, a number and a unit are expected, like 'params < 4M', 'latency < 30 ms', 'memory <= 2 GiB'"


class Constraint(Settings):
    """What a network must not exceed. Made from a text or from its four parts.

    Args:
        quantity: "macs", "gmacs", "params", "memory" or "latency", as of costs.cost_of.
        sign: "<" or "<=".
        value: the number that was written.
        unit: none, k, M or G for counts; bytes and seconds have to be written with a unit, which is any of UNITS. Upper
            and lower case count as the same.

    Raises:
        pydantic.ValidationError: the text is not of this form; the message says what is.
    """

    quantity: Literal["macs", "gmacs", "params", "memory", "latency"]
    sign: Literal["<", "<="]
    value: float = Field(gt=0, allow_inf_nan=False)
    unit: str = ""

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, given):
        if not isinstance(given, str):
            return given
        found = _FORM.fullmatch(given)
        if not found:
            raise ValueError(_HOW)
        quantity, sign, number, unit = found.groups()
        if quantity.lower() not in UNITS:
            raise ValueError(f"{quantity!r} is not known; allowed are {', '.join(UNITS)}")
        return {"quantity": quantity.lower(), "sign": sign, "value": float(number), "unit": unit}

    @model_validator(mode="after")
    def _known_unit(self):
        units = UNITS[self.quantity]
        name = next((unit for unit in units if unit.lower() == self.unit.lower()), None)
        if name is None:
            allowed = ", ".join(unit or "none" for unit in units)
            raise ValueError(f"unit {self.unit or 'none'!r} of {self.quantity} is not known; allowed are {allowed}")
        object.__setattr__(self, "unit", name)
        return self

    @model_serializer
    def __str__(self) -> str:
        number = repr(self.value).removesuffix(".0")
        return f"{self.quantity} {self.sign} {number}{' ' if self.unit else ''}{self.unit}"

    @property
    def measure(self) -> CostName:
        """The cost that it limits."""
        return "macs" if self.quantity == "gmacs" else self.quantity

    @property
    def limit(self) -> float:
        """In MACs, parameters, bytes or seconds."""
        return self.value * UNITS[self.quantity][self.unit]

    def holds(self, value: float) -> bool:
        return value < self.limit or (self.sign == "<=" and math.isclose(value, self.limit, rel_tol=1e-12))


def broken_constraint(constraints: Sequence[Constraint], cost: Callable[[CostName], float]) -> str | None:
    """Which constraint a network does not meet, and by what; None where it meets all.

    Args:
        cost: gives the network's costs by name. Latency, which has to be measured, is asked for last.
    """
    for constraint in sorted(constraints, key=lambda constraint: constraint.measure == "latency"):
        value = cost(constraint.measure)
        if not constraint.holds(value):
            return f"{constraint.measure} of {show_cost(constraint.measure, value)}; the constraint is {constraint}"
    return None
