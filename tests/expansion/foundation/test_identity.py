"""What identifies a piece of work: the same values have the same fingerprint, others are named."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from expansion.foundation.identity import differences, fingerprint, flat

NESTED = {"recipe": {"batch": 8, "by_step": {3: {"batch": 4}}}, "clips": {}, "seed": 0}


def test_flat():
    assert flat(NESTED) == {"recipe.batch": 8, "recipe.by_step.3.batch": 4, "clips": {}, "seed": 0}


@given(st.dictionaries(st.text(), st.integers()))
def test_the_order_of_keys_is_no_part_of_it(values):
    turned = dict(reversed(values.items()))
    assert fingerprint(values) == fingerprint(turned) and differences(values, turned) == []


def test_it_is_the_same_in_another_process():
    code = f"from expansion.foundation.identity import fingerprint; print(fingerprint({NESTED!r}, 'a'))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == fingerprint(NESTED, "a")
    assert len(fingerprint(NESTED, digits=64)) == 64 and fingerprint("a", "b") != fingerprint("ab")


def test_differences_name_key_and_both_values():
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": None}) == ["a is 1 there and None here", "b is 2 there and 3 here"]
