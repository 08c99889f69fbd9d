"""The format of the records: what is written is what TensorFlow and the project's own parser read."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from expansion.data import records
from expansion.data.example import FRAMING, example, find_features, parse, tfrecord
from expansion.data.videos import parse as parse_in_tensorflow

INT = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(width=32, allow_nan=False)
VALUES = (st.lists(st.binary(max_size=300), max_size=4) | st.lists(INT, max_size=4)
          | st.lists(FLOAT, min_size=1, max_size=4))
FEATURES = st.dictionaries(st.text(max_size=8), VALUES, max_size=6)


@settings(max_examples=200)
@given(FEATURES)
def test_what_is_written_is_read(features):
    record = example(features)
    assert parse(record) == features
    assert parse(tf.train.Example.FromString(record).SerializeToString()) == features
    for name, (_, spans) in find_features(record).items():
        if features[name] and isinstance(features[name][0], bytes):
            assert [record[begin:end] for begin, end in spans] == features[name]


def test_numbers_that_are_not_packed_are_read():
    """As writers of protocol buffers before version 3 leave them."""
    ints, floats = b"\x08\x05\x08\x80\x01", b"\x0d\x00\x00\x80\x3f"  # 5, 128; 1.0
    record = b""
    for name, kind, content in ((b"i", 3, ints), (b"f", 2, floats)):
        value = bytes([kind << 3 | 2, len(content)]) + content
        entry = b"\x0a\x01" + name + b"\x12" + bytes([len(value)]) + value
        record += b"\x0a" + bytes([len(entry)]) + entry
    record = b"\x0a" + bytes([len(record)]) + record
    assert parse(record) == {"i": [5, 128], "f": [1.0]}
    assert list(tf.train.Example.FromString(record).features.feature["i"].int64_list.value) == [5, 128]


@pytest.mark.parametrize("values", [{"b": [b"x", b"", b"y" * 300], "i": -5, "n": [1, 2**40], "f": [0.5, -1.25], "none": []}])
def test_the_wire_format_is_tensorflows(values):
    read_back = tf.train.Example.FromString(example(values)).features.feature
    assert list(read_back["b"].bytes_list.value) == values["b"]
    assert list(read_back["i"].int64_list.value) == [-5] and list(read_back["n"].int64_list.value) == [1, 2**40]
    assert list(read_back["f"].float_list.value) == [0.5, -1.25] and not read_back["none"].WhichOneof("kind")


@pytest.mark.slow
def test_every_damage_is_an_error_of_value():
    record = example({"jpeg": [b"abc", b"d" * 200], "label": 300, "fps": 29.97})
    for end in range(1, len(record)):
        with pytest.raises(ValueError):
            parse(record[:end])
    for at in range(len(record)):
        for byte in range(256):
            try:
                parse(record[:at] + bytes([byte]) + record[at + 1:])
            except ValueError:
                pass


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.integers(0, 2**31 - 1), st.integers(1, 8192))
def test_tensorflow_parses_a_record_by_the_same_names(jpegs, label, height):
    record = example({records.JPEG: jpegs, records.LABEL: label, records.HEIGHT: height, records.WIDTH: 7,
                      records.VIDEO_ID: b"v"})
    video = parse_in_tensorflow(record)
    assert video.frames.numpy().tolist() == jpegs and (video.label, video.height, video.width) == (label, height, 7)
    assert video.video_id == b"v"


def test_tensorflow_reads_the_framing(tmp_path):
    written = [b"", b"a", b"b" * 70_000]
    with open(tmp_path / "shard", "wb") as file:
        for record in written:
            file.write(b"".join(tfrecord(record)))
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(tmp_path / "shard"))] == written
    assert (tmp_path / "shard").stat().st_size == sum(map(len, written)) + 3 * sum(FRAMING)
