"""The worker process with trials that train nothing: the job says which accuracy they come to, and what goes wrong."""

import json
import os
import time
from types import SimpleNamespace

from expansion.tuning.trial_process import main


def run(folder, job, on_epoch):
    what, _, axis = job["what"].partition(" ")
    state = os.path.join(folder, "checkpoint", "state")
    began_with = open(state).read() if os.path.exists(state) else None
    on_epoch(1, 2, {"loss": 0.5, "accuracy": 0.5})
    if axis == job["axis"] and what == "fails":
        raise MemoryError("no memory")
    if axis == job["axis"] and what == "hangs":
        on_epoch(2, 2, {"loss": 0.5, "accuracy": 0.5})
        time.sleep(60)
    with open(os.path.join(folder, "model.keras"), "w") as file:
        file.write("model")
    metrics = {"val_accuracy": job["accuracy"], "seconds": 0.1}
    with open(os.path.join(folder, "outcome.json"), "w") as file:
        json.dump({"correct": [], "metrics": metrics, "began_with": began_with}, file)
    return metrics


def read_job(folder):
    with open(os.path.join(folder, "job.json")) as file:
        return json.load(file)


if __name__ == "__main__":
    main(lambda: SimpleNamespace(run_job=run, read_job=read_job))
