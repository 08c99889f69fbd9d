"""Ray tasks that do what their folder's name says: no TensorFlow, at once."""

import json
import os
import signal
import time

from expansion.foundation.kernels import ONEDNN


def prepare():
    """Imports nothing."""


def train(trial, folder, progress):
    progress.put((trial, {"worker": f"process {os.getpid()}"}))
    what, mark = os.path.basename(folder), os.path.join(os.path.dirname(folder), "mark")
    if what == "killed at once" or (what == "killed once" and not os.path.exists(mark)):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    progress.put((trial, {"epoch": 1, "epochs": 2, "logs": {"loss": 0.5}}))
    if what == "raises":
        return json.dumps({"reason": "MemoryError: no memory left", "details": "and more about it"})
    if what == "breaks":
        raise ValueError("a fault of the engine's own\nmore")
    if what == "hangs":
        time.sleep(600)
    return json.dumps({"metrics": {"val_accuracy": 0.5, "process": os.getpid(),
                                   "threads": int(os.environ["TF_NUM_INTRAOP_THREADS"]),
                                   "onednn": os.environ[ONEDNN]}, "attempt": folder})
