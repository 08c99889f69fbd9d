"""The worker process with trials that do what their folder's name says: no TensorFlow, at once."""

import os
import signal
import time
from types import SimpleNamespace

from expansion.tuning.trial_process import main


def run(folder, job, on_epoch):
    what = os.path.basename(folder)
    print("a library says something on standard output")
    on_epoch(1, 2, {"loss": 0.5})
    if what == "raises":
        raise MemoryError("no memory left\nand more about it")
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exits":
        os._exit(3)
    if what == "hangs":
        time.sleep(60)
    if what == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    return {"val_accuracy": 0.5, "process": os.getpid()}


if __name__ == "__main__":
    main(lambda: SimpleNamespace(run_job=run, read_job=lambda folder: None))
