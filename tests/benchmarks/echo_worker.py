"""A worker for the harness's test: a step sleeps as long as it is told."""

import time

from benchmarks import worker


def start():
    seconds = worker.settings()["seconds"]
    print("noise that must not reach the harness")
    return lambda: time.sleep(seconds), 2, {"echo": "1"}


if __name__ == "__main__":
    worker.serve(start)
