"""`x3d predict`: a table or JSON, and errors of use in one line."""

import json

import pytest

from expansion import InputError, build
from pipeline.commands.predict import predict
from tests.expansion.network.test_model import awake

SPEC = "frames=2,stride=3,size=24,width=0.34,depth=0.4,bottleneck=1.5"


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("model") / "m.keras")
    awake(build(SPEC, class_names=("a", "b", "c"))).save(path)
    return path


@pytest.mark.slow
def test_json_and_table_agree(stored, demo_labels, capsys):
    videos = [str(path) for path in sorted(demo_labels.parent.glob("left/*.mp4"))[:2]]
    predict(stored, videos, top=2, views=2, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [entry["video"] for entry in found] == videos and all(len(entry["top"]) == 2 for entry in found)
    assert found[0]["top"][0][0] == found[0]["label"] and found[0]["views"] == 2
    predict(stored, videos, top=2, views=2)
    printed = capsys.readouterr().out
    for entry in found:
        for label, share in entry["top"]:
            assert f"{label} " in printed and f"{100 * share:.1f} %" in printed


def test_errors_of_use(stored, tmp_path):
    with pytest.raises(InputError, match="none.mp4: no such file"):
        predict(stored, [str(tmp_path / "none.mp4")])
    with pytest.raises(InputError, match="--top is 0; at least 1"):
        predict(stored, ["a.mp4"], top=0)
    with pytest.raises(InputError, match="m2.keras: no such file"):
        predict("m2.keras", ["a.mp4"])
