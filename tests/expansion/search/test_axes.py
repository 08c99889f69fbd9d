"""The solver, saturation and contraction, held to the paper's path."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expansion.foundation.errors import InputError
from expansion.search.axes import AXES, GRID, contract, expand, macs, propose
from expansion.spec import NAMED, X2D, Limits, Spec
from tests.expansion.paper import SPECS, STEPS, WINNERS, golden_spec


def parents():
    return [X2D, *(golden_spec(name) for name in WINNERS[:-1])]


@pytest.mark.parametrize("number", range(1, 12))
def test_the_winning_spec_of_every_step_is_the_papers(number):
    parent = X2D if number == 1 else expand_path(number - 1)
    assert macs(expand(parent, STEPS[number - 1]["winner"])) == SPECS[WINNERS[number - 1]]["macs"]
    grown, golden = expand(parent, STEPS[number - 1]["winner"]), SPECS[WINNERS[number - 1]]["spec"]
    assert {key: value for key, value in grown.as_dict().items() if golden[key] is not None} == {
        key: value for key, value in golden.items() if value is not None}


def expand_path(steps: int) -> Spec:
    spec = X2D
    for step in STEPS[:steps]:
        spec = expand(spec, step["winner"])
    return spec


@pytest.mark.slow
def test_51_of_66_candidates_are_within_2_percent_of_figure_2():
    near = 0
    for number, step in enumerate(STEPS):
        for axis in AXES:
            ratio = macs(expand(expand_path(number), axis)) / 1e9 / step["candidates"][axis]["gmacs"]
            near += abs(ratio - 1) <= 0.02
    assert near == 51


def test_s_is_step_7_contracted():
    six = expand_path(6)
    assert contract(six, expand(six, "temporal"), "temporal", 2e9) == NAMED["S"]


@pytest.mark.parametrize("axis", ["spatial", "depth", "width", "bottleneck"])
def test_contraction_takes_the_largest_value_that_meets_the_target(axis):
    grown = expand(NAMED["XS"], axis)
    target = (macs(NAMED["XS"]) + macs(grown)) / 2
    smaller = contract(NAMED["XS"], grown, axis, target)
    assert macs(NAMED["XS"]) < macs(smaller) <= target
    assert contract(NAMED["XS"], grown, axis, macs(grown)) == grown
    assert contract(NAMED["XS"], grown, axis, macs(NAMED["XS"])) is None


@settings(max_examples=60)
@given(st.sampled_from(AXES), st.builds(
    Spec, frames=st.integers(1, 32), stride=st.integers(2, 32), size=st.integers(32, 320),
    width=st.floats(0.3, 3), depth=st.floats(0.3, 6), bottleneck=st.floats(0.5, 4)))
def test_a_candidate_changes_its_own_axis_and_costs_more(axis, spec):
    grown = expand(spec, axis)
    changed = {key for key in spec.as_dict() if spec.as_dict()[key] != grown.as_dict()[key]}
    if axis in ("fast", "temporal"):
        assert changed <= {"frames", "stride"} and grown.frames == 2 * spec.frames
    else:
        (field,) = changed
        assert abs(getattr(grown, field) / GRID[field] - round(getattr(grown, field) / GRID[field])) < 1e-6
    assert macs(grown) > macs(spec)


def test_at_one_frame_temporal_is_merged_into_fast():
    candidates, saturated = propose(X2D)
    assert [c.axis for c in candidates] == ["fast", "spatial", "depth", "width", "bottleneck"]
    assert candidates[0].merged == ("temporal",) and candidates[0].spec.stride == 16 and not saturated


def test_axes_that_round_to_the_same_stride_are_one_candidate():
    candidates, _ = propose(Spec(frames=4, stride=3))  # 1.5 and 2.25 both round to 2
    assert [(c.axis, c.spec.stride, c.merged) for c in candidates][:2] == [("fast", 2, ("temporal",)), ("spatial", 3, ())]


def test_where_fast_is_left_out_temporal_stands_for_itself():
    candidates, _ = propose(X2D, ("temporal", "spatial"))
    assert [(c.axis, c.merged) for c in candidates] == [("temporal", ()), ("spatial", ())]


def test_axes_that_cannot_move_are_named_with_the_reason():
    candidates, saturated = propose(Spec(frames=4, stride=1, size=40), limits=Limits(span=7, size=44))
    assert {c.axis for c in candidates} == {"depth", "width", "bottleneck"}
    reasons = {s.axis: s.reason for s in saturated}
    assert "stride is 1" in reasons["fast"]
    assert "spans 8 frames; the videos have 7" in reasons["temporal"]
    assert "larger than the source's 44" in reasons["spatial"]


def test_unknown_axis():
    with pytest.raises(InputError, match="axis 'time' is not known; allowed are fast, temporal"):
        expand(X2D, "time")
