"""`x3d demo`: the whole search on videos made on the spot."""

from __future__ import annotations

import os

from expansion.display.progress import task_progress
from pipeline.commands.search import run_search
from pipeline.options import Fresh, Given, Json, Runs, Verbose, configured_by


@configured_by("steps", "engine", "workers", "threads", "ray_address", default="demo.yaml", config_file=False)
def demo(given: Given, fresh: Fresh = False, runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """The whole search on videos made on the spot, in minutes."""
    from pipeline.demo_data import make_demo_videos

    folder = os.path.join(runs, "demo-videos")
    config = given.load(**{"ingest.videos": folder, "ingest.labels": os.path.join(folder, "labels.csv")})
    with task_progress("making videos") as progress:
        make_demo_videos(folder, progress=progress)
    run_search(config, runs, fresh=fresh, as_json=as_json, verbose=verbose)
