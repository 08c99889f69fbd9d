"""Starting from a .keras file: the same layers come along, other classes do not, other layers are refused."""

import keras
import numpy as np
import pytest

from expansion.foundation.errors import InputError
from expansion.network.model import build_model
from expansion.network.transfer import start_from_file
from expansion.spec import Spec

SPEC = Spec(frames=2, stride=4, size=24, width=0.34, depth=0.2)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("weights") / "source.keras")
    model = build_model(SPEC, 3, class_names=("a", "b", "c"))
    model.save(path)
    return model, path


def by_path(model):
    return {weight.path: weight.numpy() for weight in model.weights}


@pytest.mark.slow
def test_other_clips_have_the_same_layers(source):
    model, path = source
    other = build_model(Spec(frames=4, stride=2, size=32, width=0.34, depth=0.2), 3, class_names=("a", "b", "c"))
    assert start_from_file(other, path)
    assert all(np.array_equal(value, by_path(other)[name]) for name, value in by_path(model).items())


@pytest.mark.slow
@pytest.mark.parametrize("names", [("a", "b", "c", "d"), ("c", "b", "a")])
def test_with_other_classes_the_last_layer_is_new(source, names):
    model, path = source
    other = build_model(SPEC, len(names), class_names=names)
    fresh = by_path(other)
    assert not start_from_file(other, path)
    for name, value in by_path(other).items():
        expected = fresh[name] if name.startswith("logits/") else by_path(model)[name]
        assert np.array_equal(value, expected), name


@pytest.mark.parametrize("changes, message", [({"width": 0.7}, "width is 0.34 there and 0.7 here"),
                                           ({"depth": 1.0}, "depth is 0.2 there and 1 here")])
def test_other_layers_are_refused(source, changes, message):
    other = build_model(Spec(**SPEC.as_dict() | changes), 3, class_names=("a", "b", "c"))
    with pytest.raises(InputError, match=f"other layers: {message}"):
        start_from_file(other, source[1])


def test_what_is_no_network_is_refused(tmp_path, source):
    with pytest.raises(InputError, match="no such file"):
        start_from_file(source[0], str(tmp_path / "none.keras"))
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(InputError, match="not a network that Keras can read"):
        start_from_file(source[0], str(tmp_path / "text.keras"))
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(tmp_path / "dense.keras")
    with pytest.raises(InputError, match="not an X3D network"):
        start_from_file(source[0], str(tmp_path / "dense.keras"))
