"""The paper's figures, as the golden tests use them."""

import json
from pathlib import Path

from expansion.spec import Spec

PAPER = json.loads((Path(__file__).parent / "golden" / "paper.json").read_text())
STEPS = PAPER["figure2"]
SPECS = {entry["name"]: entry for entry in PAPER["specs"]}
# The model that each of the steps 1 to 11 ends in.
WINNERS = ("step1", "step2", "step3", "step4", "XS", "step6", "step7", "M", "step9", "L", "XL")


def golden_spec(name: str) -> Spec:
    values = {key: value for key, value in SPECS[name]["spec"].items() if value is not None}
    return Spec(**values)


def top1(step: int, axis: str) -> float:
    """Accuracy of Figure 2 as a share of 1; step 0 is X2D."""
    return (PAPER["x2d_top1"] if step == 0 else STEPS[step - 1]["candidates"][axis]["top1"]) / 100
