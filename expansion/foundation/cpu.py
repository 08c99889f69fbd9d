"""This machine's CPU: what it is called, and how wide its vectors are. Plain Python."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
LIMIT = "ONEDNN_MAX_CPU_ISA"  # oneDNN then acts as on a CPU without what is newer
X86 = ("older", "avx2", "avx512")
LIMITS = {"SSE41": "older", "AVX": "older", "AVX2": "avx2", "AVX2_VNNI": "avx2", "AVX2_VNNI_2": "avx2"}
SHOWN = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "asimd", "sve")
# What of x86 makes TensorFlow take oneDNN's kernels by itself (tensorflow/core/util/util.cc, 2.16 to 2.21).
TENSORFLOW_WANTS = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}


@dataclass(frozen=True)
class Cpu:
    """A CPU.

    Attributes:
        name: as the system calls it.
        vectors: "avx512", "avx2", "older" (x86 without it) or "other" (ARM).
        features: those of SHOWN that it has.
    """

    name: str
    vectors: str
    features: tuple[str, ...]

    @property
    def register_floats(self) -> int:
        """Numbers of 32 bits in a vector register."""
        return {"avx512": 16, "avx2": 8}.get(self.vectors, 4)

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.features) or platform.machine()})"


def read_cpu(cpuinfo: str, machine: str, limit: str = "") -> Cpu:
    """A CPU by the text of /proc/cpuinfo, which is empty where the system has none.

    Args:
        machine: as platform.machine() gives it.
        limit: $ONEDNN_MAX_CPU_ISA.
    """
    entries = dict(line.split(":", 1) for line in reversed(cpuinfo.splitlines()) if ":" in line)
    entries = {key.strip(): value.strip() for key, value in entries.items()}
    flags = set((entries.get("flags") or entries.get("Features") or "").split())
    vectors = "other" if machine not in ("x86_64", "AMD64") else "older"
    if {"avx2", "fma"} <= flags:
        vectors = "avx512" if {"avx512f", "avx512bw", "avx512vl", "avx512dq"} <= flags else "avx2"
    if vectors in X86:
        vectors = min(vectors, LIMITS.get(limit.upper(), vectors), key=X86.index)
    return Cpu(entries.get("model name") or machine, vectors, tuple(name for name in SHOWN if name in flags))


@functools.cache
def this_cpu() -> Cpu:
    """The CPU of this machine, no newer than $ONEDNN_MAX_CPU_ISA allows."""
    text = CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.exists() else ""
    return read_cpu(text, platform.machine(), os.environ.get(LIMIT, ""))
