"""A network in one call: by name, with public weights or a file of our own, for other classes."""

import numpy as np
import pytest

from expansion import NAMED, InputError, Spec, build, save_weights
from tests.expansion.networks import assert_equal_but_for_rounding, awake

SPEC = Spec(frames=2, stride=3, size=24, width=0.34, depth=0.4, bottleneck=1.5)


@pytest.mark.slow
def test_names_texts_and_specs():
    assert build("XS").spec == NAMED["XS"] and build("XS").classes == 400
    model = build("frames=2,stride=3,size=24,width=0.34", 7, dropout=0.1)
    assert model.spec == Spec(frames=2, stride=3, size=24, width=0.34) and model.classes == 7
    assert build(SPEC, class_names=("a", "b")).class_names == ("a", "b")


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["pyslowfast", "pytorchvideo"])
def test_public_weights(tmp_path, dialect):
    source, path = awake(build(SPEC, 5)), str(tmp_path / "w.pyth")
    save_weights(source, path, dialect)
    clips = np.random.default_rng(0).integers(0, 256, (1, 2, 24, 24, 3)).astype("float32")
    assert_equal_but_for_rounding(build(SPEC, weights=path)(clips), source(clips))
    other = build(SPEC, 3, weights=path)
    assert other.classes == 3
    np.testing.assert_array_equal(other.get_layer("head_linear").kernel, source.get_layer("head_linear").kernel)


@pytest.mark.slow
def test_a_file_of_our_own(tmp_path):
    source, path = awake(build(SPEC, class_names=("a", "b", "c"))), str(tmp_path / "m.keras")
    source.save(path)
    same = build(SPEC, weights=path)
    assert same.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(same.get_layer("logits").kernel, source.get_layer("logits").kernel)
    other = build(SPEC.replace(frames=4), 5, weights=path)
    assert other.classes == 5 and other.spec.frames == 4


@pytest.mark.slow
def test_errors_of_use(tmp_path):
    with pytest.raises(InputError, match="'Q' is not known; allowed are X2D, XS"):
        build("Q")
    with pytest.raises(InputError, match="2 names for 3 classes"):
        build(SPEC, 3, class_names=("a", "b"))
    for name in ("w.pyth", "w.keras"):
        with pytest.raises(InputError, match="no such file"):
            build(SPEC, 3, weights=tmp_path / name)
