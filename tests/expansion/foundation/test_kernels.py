"""Which CPU this is by /proc/cpuinfo, and which of TensorFlow's kernels suit it."""

import os
import subprocess
import sys

import pytest

from expansion.foundation import kernels
from expansion.foundation.cpu import read_cpu, this_cpu

AVX2 = "processor : 0\nmodel name : Some EPYC\nflags : fpu avx avx2 fma\n\nprocessor : 1\nmodel name : Some EPYC\n"
AVX512 = AVX2.replace("fma", "fma avx512f avx512bw avx512vl avx512dq avx512_vnni")
XS, DEMO = 4 * 160**2, 32**2


@pytest.mark.parametrize("text, machine, limit, vectors, floats", [
    (AVX512, "x86_64", "", "avx512", 16),
    (AVX512, "x86_64", "avx2", "avx2", 8),
    (AVX512, "x86_64", "AVX512_CORE", "avx512", 16),
    (AVX2, "x86_64", "", "avx2", 8),
    (AVX2, "x86_64", "SSE41", "older", 4),
    ("flags : sse4_2", "x86_64", "AVX2", "older", 4),
    ("Features : fp asimd", "aarch64", "AVX2", "other", 4),
    ("", "arm64", "", "other", 4),
])
def test_what_a_cpu_has(text, machine, limit, vectors, floats):
    found = read_cpu(text, machine, limit)
    assert (found.vectors, found.register_floats) == (vectors, floats)


def test_a_cpu_in_words():
    assert str(read_cpu(AVX2, "x86_64")) == "Some EPYC (avx, avx2, fma)"
    assert "arm64" in str(read_cpu("", "arm64"))


@pytest.mark.parametrize("text, pixels, onednn", [
    (AVX512, DEMO, True), (AVX512, XS, True), (AVX2, DEMO, False), (AVX2, XS, True), (AVX2, None, True),
    ("flags : sse4_2", XS, False),
])
def test_what_was_measured_decides(text, pixels, onednn):
    assert kernels.onednn_for(pixels, read_cpu(text, "x86_64")) == onednn


@pytest.mark.parametrize("value, in_use", [("0", False), ("false", False), ("1", True), ("TRUE", True)])
def test_the_environment_wins(monkeypatch, value, in_use):
    monkeypatch.setenv(kernels.ONEDNN, value)
    monkeypatch.setattr(kernels, "_chosen", [])
    kernels.choose(not in_use)
    assert kernels.given() == kernels.onednn_in_use() == in_use and os.environ[kernels.ONEDNN] == value


def test_what_is_chosen_is_no_wish_of_the_user(monkeypatch):
    monkeypatch.delenv(kernels.ONEDNN, raising=False)
    monkeypatch.setattr(kernels, "_chosen", [])
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setenv(kernels.ONEDNN, "")
    kernels.choose(False)
    assert kernels.given() is None and not kernels.onednn_in_use() and os.environ[kernels.ONEDNN] == "0"


@pytest.mark.slow
@pytest.mark.parametrize("value", [None, "0", "1"])
def test_tensorflow_says_the_same(value):
    environment = {name: text for name, text in os.environ.items() if name != kernels.ONEDNN}
    code = ("import tensorflow; from tensorflow.python.util import _pywrap_util_port as port\n"
            "from expansion.foundation.kernels import onednn_in_use; print(port.IsMklEnabled(), onednn_in_use())")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env=environment | ({kernels.ONEDNN: value} if value else {}) | {"PYTHONPATH": os.getcwd()})
    by_tensorflow, ours = done.stdout.split()
    assert by_tensorflow == ours, (this_cpu(), done.stderr[-500:])
