"""A trial process whose trials do what their folder's name says: no TensorFlow, at once."""

import os
import signal
import time
from types import SimpleNamespace

from expansion.tuning.trial_process import main


def run_attempt(folder, on_epoch):
    what = os.path.basename(folder)
    print("a library says something on standard output")
    if what == "killed at once":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "crashes, then is killed":
        first = not os.path.exists(mark := os.path.join(os.path.dirname(folder), "crashed"))
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGSEGV if first else signal.SIGKILL)
    on_epoch(1, 2, {"loss": 0.5})
    if what == "raises":
        raise MemoryError("no memory left\nand more about it")
    if what == "killed once" and not os.path.exists(mark := os.path.join(os.path.dirname(folder), "mark")):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "crashes":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exits":
        os._exit(3)
    if what == "hangs":
        time.sleep(600)
    if what == "interrupted":
        os.kill(os.getpid(), signal.SIGINT)
    return {"val_accuracy": 0.5, "process": os.getpid(), "threads": int(os.environ["TF_NUM_INTRAOP_THREADS"])}, folder


if __name__ == "__main__":
    main(lambda: SimpleNamespace(run_attempt=run_attempt))
