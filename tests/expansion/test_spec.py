"""Specs: names, rounding, layers, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expansion.foundation.errors import InputError
from expansion.spec import NAMED, X2D, Spec, parse_spec, round_depth, round_width
from tests.expansion.paper import SPECS, golden_spec


@pytest.mark.parametrize("name", NAMED)
def test_named_specs_are_the_papers(name):
    golden, named = golden_spec(name), NAMED[name]
    if SPECS[name]["spec"]["stride"] is None:  # not printed in the paper
        golden = golden.replace(stride=named.stride)
    assert named == golden


def test_paper_width_is_on_12_channels():
    assert (X2D.paper_width, NAMED["XL"].paper_width) == (2.0, 2.9)


@given(st.integers(1, 400), st.floats(0.05, 8))
def test_rounded_width_is_a_multiple_of_8_and_at_least_nine_tenths(channels, factor):
    rounded = round_width(channels, factor)
    assert rounded % 8 == 0 and rounded >= max(8, 0.9 * channels * factor)
    assert rounded <= max(8, channels * factor + 8)


@pytest.mark.parametrize("blocks, factor, expected", [(5, 2.2, 11), (3, 2.2, 7), (1, 2.2, 3), (2, 5.0, 10), (5, 10.2, 51)])
def test_depth_rounds_up_but_not_float_noise(blocks, factor, expected):
    assert round_depth(blocks, factor) == expected


def test_blocks_of_xs():
    blocks = NAMED["XS"].blocks()
    assert [sum(b.stage == stage for b in blocks) for stage in (2, 3, 4, 5)] == [3, 5, 11, 7]
    assert all((block.squeeze > 0) == (block.index % 2 == 0) for block in blocks)
    assert all(block.spatial_stride == (2 if block.index == 0 else 1) for block in blocks)
    assert all(block.project == (block.index == 0) for block in blocks)
    assert {block.inner for block in blocks} == {54, 108, 216, 432}


@pytest.mark.parametrize("text, expected", [
    ("XS", NAMED["XS"]), ("xl", NAMED["XL"]), ("X3D-M", NAMED["M"]), ("M,size=160", NAMED["M"].replace(size=160)),
    ("frames=4,stride=12,width=1.5", Spec(frames=4, stride=12, width=1.5)),
])
def test_parse(text, expected):
    assert parse_spec(text) == expected


@pytest.mark.parametrize("text, complaint", [
    ("Q", "'Q' is not known; allowed are X2D, XS"), ("frame=4", "unknown key 'frame'; allowed are frames"),
    ("size=big", "size='big' is not a number"), ("frames=0", "frames is 0"), ("width=-1", "width is -1"),
    ("size=8", "at least 16 pixels"), ("size=112,M", "'M' is not known"), ("", "is not known"), ("width=nan", "width is nan"),
])
def test_parse_refuses_in_one_line(text, complaint):
    with pytest.raises(InputError) as caught:
        parse_spec(text)
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_parse_gives_a_spec_or_an_input_error(text):
    try:
        assert isinstance(parse_spec(text), Spec)
    except InputError:
        pass


@given(st.integers(1, 64), st.integers(1, 64))
def test_span_counts_first_and_last_frame(frames, stride):
    spec = Spec(frames=frames, stride=stride)
    assert spec.span == len(range(0, frames * stride, stride)) * stride - stride + 1
    assert math.isclose(spec.span, (frames - 1) * stride + 1)
