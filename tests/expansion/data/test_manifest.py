"""manifest.json: what is written is read, and what is none is one line."""

import json

import pytest

from expansion import InputError
from expansion.data.dataset import VideoDataset
from expansion.data.manifest import is_whole, read_manifest
from expansion.spec import Limits
from tests.expansion.manifests import manifest_of


def test_what_is_written_is_read(tmp_path):
    written = manifest_of(["a", "b"], {"train": 5, "val": 2}, frames=12, short_side=48, reject_reasons={"empty": 1})
    written.write(str(tmp_path))
    assert read_manifest(str(tmp_path)) == written
    data = VideoDataset.open(tmp_path)
    assert data.classes == ("a", "b") and data.splits == ("train", "val") and data.videos("test") == 0
    assert data.limits == Limits(span=12, size=48)
    assert written.splits["train"].per_class == {"a": 3, "b": 2}


@pytest.mark.parametrize("change, message", [
    (None, "no manifest.json there; `x3d ingest` makes a data set from videos"),
    ("{", "manifest.json: damaged (it is not JSON); ingest again"),
    ("\xff", "manifest.json: damaged"),
    ("[]", "manifest.json: not a manifest of this project; this version reads format 1: ingest again"),
    ("{}", "not a manifest of this project"),
    ({"format_version": 2}, "manifest.json: of format 2; this version reads format 1: ingest again"),
    ({"short_side": "wide"}, "manifest.json: damaged (short_side is 'wide': "),
    ({"classes": []}, "manifest.json: damaged (classes is []: "),
    ({"more": 1}, "manifest.json: damaged (unknown key 'more'"),
    ({"splits": {"train": {"videos": 3}}}, "manifest.json: damaged (splits.train.frames is missing"),
    ({"fingerprint": ...}, "manifest.json: damaged (fingerprint is missing)"),
])
def test_what_is_no_manifest_is_one_line(tmp_path, change, message):
    path = tmp_path / "manifest.json"
    if isinstance(change, dict):
        values = json.loads(manifest_of(["a"], {"train": 1}).model_dump_json()) | change
        change = json.dumps({key: value for key, value in values.items() if value is not ...})
    if change is not None:
        path.write_text(change, encoding="latin-1")
    with pytest.raises(InputError) as error:
        VideoDataset.open(str(tmp_path))
    assert message in str(error.value) and "\n" not in str(error.value) and str(tmp_path) in str(error.value)
    assert is_whole(str(tmp_path), "made") is None


def test_whole_is_by_fingerprint_and_sizes(tmp_path):
    shard = tmp_path / "Split-train" / "data_tfrecord-0"
    shard.parent.mkdir()
    shard.write_bytes(b"12345")
    written = manifest_of(["a"], {"train": 1}, folder=tmp_path)
    written.write(str(tmp_path))
    assert is_whole(str(tmp_path), "made") == written and is_whole(str(tmp_path), "other") is None
    shard.write_bytes(b"1234")
    assert is_whole(str(tmp_path), "made") is None
