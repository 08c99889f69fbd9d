"""TensorFlow and Keras without what they import only because it is installed: for processes of this project's own.

Both look for scikit-learn, pandas, matplotlib and others, which TFX brings along, and import all that they find: half of
the time that an import takes and a quarter of its memory (benchmarks/README.md). They can do without.
"""

from __future__ import annotations

import importlib
import sys

OPTIONAL = ("sklearn", "pandas", "scipy", "IPython", "matplotlib", "google.api_core", "google.auth", "googleapiclient")


def import_keras() -> None:
    """Imports TensorFlow and Keras while OPTIONAL seem not to be installed; afterwards they can be imported as ever.

    Keras then takes no pandas frames as data and wraps no models for scikit-learn, so a library must not call this in its
    user's process.
    """
    hidden = [name for name in OPTIONAL if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # an import of what is None there fails
    try:
        importlib.import_module("tensorflow")
        importlib.import_module("keras")
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
