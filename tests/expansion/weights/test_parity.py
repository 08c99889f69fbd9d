"""Networks compute what PyTorch's do with the same weights."""

import sys
from pathlib import Path

import numpy as np
import pytest

from expansion.spec import NAMED
from expansion.weights.naming import DIALECTS

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

import parity  # noqa: E402

FILES = Path(__file__).parent / "files"
CASES = list(parity.cases(["XS", "S", "M"]))  # L takes as long as all of these


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_parity_with_pytorch(case, tmp_path):
    """Random weights through files and both frameworks; scripts/parity.py made the references, and compares all."""
    key, spec, size, dialect = case
    with np.load(FILES / "parity.npz") as stored:
        assert max(parity.difference(spec, size, dialect, stored[key], str(tmp_path))) < parity.TOLERANCE


@pytest.mark.slow
def test_parity_sees_a_missing_batch_norm(tmp_path):
    """The two dialects' networks have the same random weights but for the res2 shortcut's batch norm."""
    with np.load(FILES / "parity.npz") as stored:
        other = stored["XS_train_pytorchvideo"]
    assert parity.difference(NAMED["XS"], 160, DIALECTS["pyslowfast"], other, str(tmp_path))[0] > 100 * parity.TOLERANCE
