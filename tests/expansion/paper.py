"""The paper's figures, as the golden tests use them."""

from expansion import paper
from expansion.spec import Spec

STEPS = paper.figures()["figure2"]
SPECS = {entry["name"]: entry for entry in paper.figures()["specs"]}
# The model that each of the steps 1 to 11 ends in.
WINNERS = ("step1", "step2", "step3", "step4", "XS", "step6", "step7", "M", "step9", "L", "XL")


def golden_spec(name: str) -> Spec:
    values = {key: value for key, value in SPECS[name]["spec"].items() if value is not None}
    return Spec(**values)


def top1(step: int, axis: str) -> float:
    """Accuracy of Figure 2 as a share of 1; step 0 is X2D."""
    return paper.recorded(step, axis)[1]
