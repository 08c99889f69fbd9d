"""TensorFlow and Keras without what they only look for."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
from expansion.foundation.imports import OPTIONAL, import_keras
import_keras()
loaded = [name for name in OPTIONAL if name in sys.modules]
import matplotlib.pyplot, keras
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
print(json.dumps({"loaded": loaded, "afterwards": "matplotlib" in sys.modules, "shape": list(model.output_shape)}))
"""


@pytest.mark.slow
def test_what_is_optional_is_not_imported_and_can_be_imported_afterwards():
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
                          capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {"loaded": [], "afterwards": True, "shape": [None, 2]}
