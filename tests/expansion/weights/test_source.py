"""A file of weights looked at without TensorFlow: whose network it is, what may begin with it, and a search that does."""

import dataclasses
import json
import subprocess
import sys
import zipfile

import pytest

from expansion.foundation.errors import InputError
from expansion.search.settings import SearchSettings
from expansion.search.state import SearchState
from expansion.spec import Spec
from expansion.weights.search import new_search, weights_made_with, with_start
from expansion.weights.source import WeightsSource, open_source

SPEC = Spec(frames=2, stride=4, size=24, width=0.34, depth=0.2)
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def weight_files(tmp_path_factory):
    """The same network as .keras and in both dialects, by form."""
    import keras

    from expansion.network.model import build_model
    from expansion.weights.checkpoints import save_weights

    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(5)
    model = build_model(SPEC, 3, class_names=NAMES)
    paths = {"keras": str(folder / "a.keras"), "pyslowfast": str(folder / "a.pyth"), "pytorchvideo": str(folder / "b.pyth")}
    model.save(paths["keras"])
    for dialect in ("pyslowfast", "pytorchvideo"):
        save_weights(model, paths[dialect], dialect)
    return paths


@pytest.mark.parametrize("form", ["keras", "pyslowfast", "pytorchvideo"])
def test_every_form_tells_its_network(weight_files, form):
    source = open_source(weight_files[form])
    assert (source.form, source.classes, source.class_names) == (form, 3, NAMES)
    assert source.spec.blocks() == SPEC.blocks() and (source.spec.frames, source.spec.size) == (2, 24)


def test_it_is_told_without_tensorflow(weight_files):
    code = ("import sys; from expansion.weights.source import open_source; "
            f"[open_source(path) for path in {list(weight_files.values())}]; assert 'tensorflow' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


def source(classes=3, names=(), spec=SPEC):
    return WeightsSource("w.pyth", "pyslowfast", spec, classes, names, "0" * 64)


@pytest.mark.parametrize("of, classes, names, message", [
    (source(), 5, (), "w.pyth: 3 classes, and the data have 5; --new-head replaces the last layer"),
    (source(), 2, (), "3 classes, and the data have 2"),
    (source(None), 3, (), "no last layer in it; --new-head begins a new one"),
    (source(names=NAMES), 3, ("a", "x", "c"), "class 1 is 'b' there and 'x' in the data; --new-head"),
])
def test_other_classes_need_a_new_last_layer(of, classes, names, message):
    with pytest.raises(InputError, match=message):
        of.check_head(classes, names)
    assert of.check_head(classes, names, new_head=True)
    with pytest.raises(InputError, match="its task is single-label, and that of the data multi-label; --new-head replaces"):
        source().check_head(3, task="multi-label")
    assert not source(names=NAMES).check_head(3, NAMES)


def test_a_localizer_takes_a_classifiers_last_layer_and_the_reverse():
    of = dataclasses.replace(source(), task="multi-label")
    assert not of.check_head(3, task="localization")
    assert not dataclasses.replace(of, task="localization").check_head(3, task="multi-label")


def test_a_start_grows_from_the_file_and_may_see_another_clip():
    assert source().grows_to(SPEC) == source().grows_to(SPEC.replace(depth=0.6, width=0.68)) == "all clips"
    assert source().grows_to(SPEC.replace(size=16)) == source().grows_to(SPEC.replace(frames=1)) == "weights"
    with pytest.raises(InputError, match="cannot be reached from w.pyth: depth 0.2 is less than the file's 1; a network can"):
        source(spec=SPEC.replace(depth=1.0)).grows_to(SPEC)


def test_a_search_starts_with_the_files_network(weight_files):
    settings = with_start(SearchSettings(weights=weight_files["pyslowfast"], start=None, new_head=True))
    assert settings.start == open_source(weight_files["pyslowfast"]).spec and settings.warm_start
    assert with_start(settings) == settings
    larger = settings.start.replace(depth=0.6)
    assert with_start(SearchSettings(weights=weight_files["keras"], start=larger)).start == larger
    with pytest.raises(InputError, match="cannot be reached from .*: width 0.1 is less than the file's 0.34"):
        with_start(SearchSettings(weights=weight_files["keras"], start=SPEC.replace(width=0.1)))


@pytest.mark.parametrize("settings, message", [
    ({"weights": "w.pyth", "warm_start": False}, "warm_start is false: from weights, candidates begin with their parent's"),
    ({"new_head": True}, "new_head is true: it is for a search from weights"),
])
def test_settings_that_contradict_weights(settings, message):
    with pytest.raises(ValueError, match=message):
        SearchSettings(**settings)


def test_the_trace_knows_what_it_grew_from(weight_files, tmp_path):
    from expansion.search.trace import refuse_changes

    settings = SearchSettings(weights=weight_files["keras"], classes=3)
    search = new_search(settings, {"seed": 0})
    seed = search.steps[0].candidates[0]
    assert (seed.spec, seed.warm_start) == (SPEC, "all clips")
    assert search.made_with["weights"] == open_source(weight_files["keras"]).sha256
    again = SearchState.from_dict(json.loads(json.dumps(search.as_dict())))
    moved = tmp_path / "elsewhere.keras"
    moved.write_bytes(open(weight_files["keras"], "rb").read())
    same = with_start(settings.model_copy(update={"weights": str(moved)}))
    refuse_changes(again, same, {"seed": 0, **weights_made_with(open_source(str(moved)))}, "folder")
    for other in ({"weights": None}, weights_made_with(open_source(weight_files["pyslowfast"]))):
        with pytest.raises(InputError, match="weights was .*, is now"):
            refuse_changes(again, same, {"seed": 0, **other}, "folder")


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_source(str(tmp_path / "none.pyth"))
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(InputError, match="not a network that Keras can read"):
        open_source(str(tmp_path / "text.keras"))
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential"}))
    with pytest.raises(InputError, match="a Sequential, not an X3D network"):
        open_source(str(tmp_path / "other.keras"))
    (tmp_path / "text.pyth").write_text("no checkpoint")
    with pytest.raises(InputError, match="text.pyth"):
        open_source(str(tmp_path / "text.pyth"))


def test_a_checkpoint_that_does_not_tell_its_clip_takes_that_of_the_start(weight_files, monkeypatch):
    monkeypatch.setattr("expansion.weights.weights_file._config", lambda text: {})
    with pytest.raises(InputError, match="do not tell the frames, stride and size of a clip"):
        open_source(weight_files["pyslowfast"])
    with pytest.raises(InputError, match="name the network: --set search.start="):
        with_start(SearchSettings(weights=weight_files["pyslowfast"]))
    start = with_start(SearchSettings(weights=weight_files["pyslowfast"], start=SPEC)).start
    assert start == SPEC and open_source(weight_files["pyslowfast"], SPEC).spec.blocks() == SPEC.blocks()


@pytest.mark.parametrize("accuracies, end", [((0.5, 0.6, 0.7), 2), ((0.5, 0.6, 0.4), 1), ((0.5, 0.4), 0)])
def test_a_search_from_weights_ends_no_worse_than_it_began(accuracies, end):
    search = SearchState(SearchSettings(weights="w.pyth", start=SPEC, steps=2, axes=("depth",)))
    for number, accuracy in enumerate(accuracies):
        _, candidate = search.next()
        search.started(candidate, str(number))
        search.completed(str(number), accuracy)
    assert search.finished and len(search.path) == end + 1 and search.path[-1].accuracy == max(accuracies)
