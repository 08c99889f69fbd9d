"""Costs other than MACs, constraints, and the solver on them."""

import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from expansion.complexity import complexity
from expansion.evaluation import latency as latency_module
from expansion.evaluation.latency import Latencies
from expansion.foundation.errors import InputError
from expansion.search.axes import expand, macs, propose
from expansion.search.constraints import UNITS, Constraint, broken_constraint
from expansion.search.costs import cost_of, show_cost
from expansion.spec import NAMED, X2D, Limits, Spec

XS = NAMED["XS"]


def test_costs_in_closed_form():
    assert cost_of("macs", XS, 400) == 605_256_512 and cost_of("params", XS, 400) == 3_794_322
    assert cost_of("memory", XS, 400) == 4 * complexity(XS).stored
    assert [show_cost(name, cost_of(name, XS, 400)) for name in ("macs", "params", "memory")] == [
        "605 M", "3.79 M", "135 MiB"]
    assert (show_cost("latency", 0.0312), show_cost("latency", 2), show_cost("memory", 10)) == (
        "31.2 ms", "2 s", "0.00977 KiB")


@pytest.mark.parametrize("name", ["params", "memory"])
def test_the_solver_matches_candidates_in_the_cost_that_is_chosen(name):
    def cost(spec):
        return cost_of(name, spec, 400)

    candidates, saturated = propose(XS, cost=cost)
    assert {c.axis for c in candidates} | {s.axis for s in saturated} == {
        "fast", "temporal", "spatial", "depth", "width", "bottleneck"}
    assert all(c.cost == cost(c.spec) for c in candidates)
    for candidate in candidates:
        assert candidate.cost / cost(XS) == pytest.approx(2, rel=0.12), candidate
    if name == "params":
        assert {s.axis: s.reason for s in saturated} == {
            "fast": "it does not raise the cost", "temporal": "it does not raise the cost",
            "spatial": "no size up to 2272 costs 2 times as much"}


@pytest.mark.slow
@given(st.sampled_from(["spatial", "depth", "width", "bottleneck"]), st.floats(1.2, 5), st.builds(
    Spec, frames=st.integers(1, 8), size=st.integers(32, 200), width=st.floats(0.3, 2), depth=st.floats(0.3, 4),
    bottleneck=st.floats(0.5, 3)))
def test_halving_the_bracket_finds_what_trying_every_value_does(axis, factor, spec):
    from expansion.search.axes import FIELD, _grid_values

    target, best = factor * macs(spec), None
    for value in _grid_values(FIELD[axis], getattr(spec, FIELD[axis])):
        tried = spec.replace(**{FIELD[axis]: value})
        distance = abs(math.log(macs(tried) / target))
        if best is None or distance < best[0] - 1e-12:
            best = distance, tried
        if macs(tried) >= target:
            break
    assert expand(spec, axis, factor=factor) == best[1]


# Constraints


@pytest.mark.parametrize("text, measure, limit", [
    ("params < 4M", "params", 4e6), ("latency < 30 ms", "latency", 0.03), ("gmacs <= 2", "macs", 2e9),
    ("memory < 2GiB", "memory", 2**31), (" Params<=1.5e3 K ", "params", 1.5e6), ("MACS < 20_000", None, None),
    ("memory < 500 mb", "memory", 5e8), ("latency <= 1s", "latency", 1.0), ("macs < 600m", "macs", 6e8),
])
def test_texts(text, measure, limit):
    if measure is None:
        with pytest.raises(ValidationError):
            Constraint.model_validate(text)
    else:
        found = Constraint.model_validate(text)
        assert (found.measure, found.limit) == (measure, pytest.approx(limit))


@pytest.mark.parametrize("text, message", [
    ("params", "a number and a unit are expected"), ("params > 4M", "are expected, like 'params < 4M'"),
    ("flops < 4M", "'flops' is not known; allowed are macs, gmacs, params, memory, latency"),
    ("latency < 30", "unit 'none' of latency is not known; allowed are us, ms, s"),
    ("params < 4 ms", "unit 'ms' of params is not known; allowed are none, k, M, G"),
    ("params < 0", "greater than 0"), ("gmacs < 1e999", "finite"), ("", "are expected"), ("memory < -1 GiB", "expected"),
])
def test_what_is_refused_and_why(text, message):
    with pytest.raises(ValidationError, match=message):
        Constraint.model_validate(text)


quantities = st.sampled_from(sorted(UNITS))
numbers = st.floats(1e-6, 1e12, allow_nan=False)


@given(quantities.flatmap(lambda name: st.tuples(st.just(name), st.sampled_from(sorted(UNITS[name])))),
       st.sampled_from(["<", "<="]), numbers, st.sampled_from(["", " ", "   "]), st.booleans())
def test_a_text_and_what_it_means_are_the_same(named, sign, value, space, shout):
    quantity, unit = named
    text = f"{space}{quantity}{space}{sign}{space}{value!r}{space}{unit}{space}"
    found = Constraint.model_validate(text.upper() if shout else text)
    assert (found.quantity, found.sign, found.value, found.unit) == (quantity, sign, value, unit)
    assert Constraint.model_validate(str(found)) == found == Constraint.model_validate(found.model_dump(mode="json"))
    assert found.limit == value * UNITS[quantity][unit]
    assert found.holds(found.limit) == (sign == "<=")
    assert found.holds(found.limit * 0.999) and not found.holds(found.limit * 1.001)


@given(st.text(string.printable, max_size=20))
def test_any_other_text_is_one_clear_error(text):
    try:
        found = Constraint.model_validate(text)
    except ValidationError as error:
        assert len(error.errors()) == 1
    else:
        assert Constraint.model_validate(str(found)) == found


def test_a_constraint_makes_an_axis_saturate_with_the_reason():
    constraints = (Constraint.model_validate("params < 2.5M"),)
    asked = []

    def reject(spec):
        return broken_constraint(constraints, lambda name: asked.append(name) or cost_of(name, spec, 400))

    candidates, saturated = propose(X2D, reject=reject)
    assert all(complexity(c.spec).params < 2.5e6 for c in candidates) and candidates
    assert [s.axis for s in saturated] == ["bottleneck"]
    assert saturated[0].reason == "params of 2.65 M; the constraint is params < 2.5 M"


def test_latency_is_measured_only_where_the_others_hold():
    constraints = [Constraint.model_validate(text) for text in ("latency < 1 s", "gmacs < 1")]
    assert broken_constraint(constraints, lambda name: {"macs": 2e9}[name]) == (
        "macs of 2 G; the constraint is gmacs < 1")
    assert broken_constraint(constraints, lambda name: {"macs": 1e8, "latency": 1.5}[name]) == (
        "latency of 1.5 s; the constraint is latency < 1 s")
    assert broken_constraint(constraints, lambda name: {"macs": 1e8, "latency": 0.5}[name]) is None


# Latency


def test_every_spec_is_measured_once_and_kept(tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(latency_module, "measure_latency", lambda spec, classes: measured.append(spec) or 0.01 * spec.frames)
    latencies = Latencies(5, tmp_path)
    assert [latencies(XS), latencies(XS.replace(stride=3)), latencies(XS.replace(frames=8))] == [0.04, 0.04, 0.08]
    assert Latencies(5, tmp_path)(XS) == 0.04 and len(measured) == 2
    Latencies(6, tmp_path)(XS)
    assert len(measured) == 3
    monkeypatch.setattr(latency_module.platform, "node", lambda: "another")
    Latencies(5, tmp_path)(XS)
    assert len(measured) == 4


def test_latency_as_the_cost_takes_few_measurements(monkeypatch):
    """Invented times: a fixed part, and one that rises with the MACs."""
    measured = []
    monkeypatch.setattr(latency_module, "measure_latency",
                        lambda spec, classes: measured.append(spec) or 0.004 + macs(spec) * 5e-11)
    latencies = Latencies(400)
    candidates, saturated = propose(XS, cost=lambda spec: cost_of("latency", spec, 400, latencies))
    assert not saturated and len(measured) < 32
    near = {c.axis: c.cost / latencies(XS) for c in candidates if c.axis not in ("fast", "temporal")}
    assert near == pytest.approx(dict.fromkeys(near, 2), rel=0.12)
    limited, _ = propose(XS, cost=lambda spec: cost_of("latency", spec, 400, latencies), limits=Limits(size=160))
    assert "spatial" not in {c.axis for c in limited}


@pytest.mark.slow
def test_a_real_latency_is_measured_on_the_network_itself():
    assert 0 < latency_module.measure_latency(Spec(frames=2, size=32, width=0.3, depth=0.4), 4) < 30


def test_an_axis_that_never_gets_there_says_so():
    with pytest.raises(InputError, match="no size up to .* costs 2 times as much"):
        expand(X2D, "spatial", cost=lambda spec: complexity(spec).params)
