"""Runs small searches that are killed at random moments, then compares all that they made with an undisturbed search's.

    python scripts/fault_search.py --kills 20                 child processes and the deciding process, in turn
    python scripts/fault_search.py --engine ray --workers 10 --nodes 3 --drivers 3     on a Ray cluster of three nodes
    python scripts/fault_search.py --whole --kills 5          the whole `x3d search`, from videos to the pushed network

Compared are trace.json, every trial's outcome, and the weights of every network to the bit. Left out are times, and how many
workers were lost.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from fault_ray import Cluster  # noqa: E402
from killing import children, kill_group, kill_until_done, wait_for  # noqa: E402

TIMES = ("seconds", "clips_per_second", "latency_ms", "lost")
SETTINGS = {
    "search": {"start": {"frames": 1, "stride": 8, "size": 24, "width": 0.34, "depth": 0.2}, "steps": 2,
               "without_gain": "continue", "axes": ["fast", "spatial"]},
    "recipe": {"epochs": 3, "batch": 16, "rate": 0.05, "rate_batch": 16, "warmup_epochs": 0.5, "dropout": 0.1},
    "clips": {"flip": False, "views": 2},
}
LONGEST = 3600.0  # seconds that the last start may take

# What a user of the library writes; the mark tells that imports are over.
SEARCH = """
import json, sys
import expansion
from expansion.display.progress import SearchProgress
records, folder, engine, mark, settings = sys.argv[1:]
settings = json.loads(settings)
tuner = expansion.ExpansionTuner(
    records, expansion.SearchSettings(**settings["search"]), recipe=expansion.Recipe(**settings["recipe"]),
    clips=expansion.ClipSettings(**settings["clips"]), directory=folder, project_name="search",
    engine=expansion.EngineSettings(**json.loads(engine)), progress=SearchProgress(quiet=True))
open(mark, "w").close()
tuner.search()
"""


def plain(work: Path, records: str, engine: dict, settings: dict):
    """The command of a search in work/name, as a function of the name."""
    return lambda name: [sys.executable, "-W", "ignore", "-c", SEARCH, records, str(work / name), json.dumps(engine),
                         str(work / "begun"), json.dumps(settings)]


def whole(work: Path, videos: str, labels: str, settings: dict):
    """The same for `x3d search`."""
    import yaml

    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(
        settings | {"name": "tiny", "ingest": {"videos": videos, "labels": labels, "short_side": 32}}))
    return lambda name: [sys.executable, "-W", "ignore", "-m", "pipeline.cli", "search", "--config", str(config),
                         "--runs", str(work / name)]


def made(folder: Path) -> dict[str, object]:
    """All that has to be the same in two searches, by its path below the folder."""
    found: dict[str, object] = {}
    for name in ("trace.json", "trial_*/outcome.json", "trial_*/model.keras"):
        for path in folder.glob(f"**/search/**/{name}"):
            found[path.relative_to(folder).as_posix()] = (
                weights(path) if path.suffix == ".keras" else without_times(json.loads(path.read_text())))
    # TFX numbers its folders; what a killed start left in an earlier one is not the pipeline's result.
    final = sorted(folder.glob("*/pipeline/Trainer/model/*/model.keras"), key=lambda path: int(path.parent.name))
    return found | ({"final network": weights(final[-1])} if final else {})


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(entry) for key, entry in value.items() if not any(name in key for name in TIMES)}
    return [without_times(entry) for entry in value] if isinstance(value, list) else value


def weights(path: Path) -> dict[str, bytes]:
    """Every array of a .keras file, by its name in it."""
    import h5py

    arrays: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: arrays.update({name: item[()].tobytes()}) if hasattr(item, "shape") else None)
    return arrays


def compare(command, kills: int, seed: int, work: Path, mark: str | None = None, of_each: int = 3) -> dict:
    """Searches undisturbed, then again and again under kills until enough have landed; what came out.

    Args:
        command: of plain or whole.
        mark: file that tells that work has begun; moments count from there.
        of_each: kills that one search gets at the most. Each comes at a random moment in the time that the undisturbed search
            took, so that every phase is met; a search that ends before a kill comes has had its last.
    """
    env, log = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}, str(work / "log.txt")
    alone = kill_until_done(command("alone"), 0, (0, 0), log=log, limit=LONGEST, env=env, mark=mark)
    assert alone.code == 0, Path(log).read_text()
    one = made(work / "alone")
    networks = [entry for name, entry in one.items() if "outcome" not in name and "trace" not in name]
    landed, codes, different, number, whole_seconds = [], set(), set(), 0, alone.last
    while len(landed) < kills and codes <= {0}:
        name, number = f"killed{number}", number + 1
        killed = kill_until_done(command(name), min(of_each, kills - len(landed)), (0.0, 0.9 * whole_seconds),
                                 seed + number, log, LONGEST, env, mark)
        if not killed.kills:  # the machine has become faster
            whole_seconds = min(whole_seconds, killed.last)
        landed += killed.kills
        codes.add(killed.code)
        two = made(work / name)
        different |= {f"{name}/{path}" for path in one.keys() | two.keys() if one.get(path) != two.get(path)}
    return {
        "searches": number, "kills": landed, "seed": seed, "exit_codes": sorted(codes),
        "undisturbed_seconds": round(alone.last, 1), "traces_and_outcomes": len(one) - len(networks),
        "networks": len(networks), "arrays": sum(map(len, networks)), "different": sorted(different),
    }  # fmt: skip


def victims(command, kinds: list[str], work: Path, mark: str, seed: int, cluster: Cluster | None = None) -> dict:
    """Searches whose deciding process, workers and nodes are killed one by one, each by its name in `kinds`.

    Moments are at random in what the undisturbed search took for each of its kills; a search that ends first is followed by
    another, until all kills have landed.
    """
    env, log, rng = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}, work / "log.txt", random.Random(seed)

    def start(name: str) -> subprocess.Popen:
        Path(mark).unlink(missing_ok=True)
        with open(log, "ab") as output:
            process = subprocess.Popen(command(name), stdout=output, stderr=output, env=env, start_new_session=True)
        wait_for(mark, process, LONGEST)
        return process

    def at_work() -> list[int]:
        return cluster.workers() if cluster else children(process.pid, "expansion.tuning.trial_process")

    began = time.monotonic()
    assert start("alone").wait(LONGEST) == 0, log.read_text()[-3000:]
    whole_seconds, one = time.monotonic() - began, made(work / "alone")
    landed, different, codes, left, number = Counter(), set(), set(), list(kinds), 0
    rng.shuffle(left)
    while left and codes <= {0}:
        name, number = f"killed{number}", number + 1
        process = start(name)
        try:
            for _ in range(3):  # so many kills to a search
                time.sleep(rng.uniform(0.1, 0.6) * whole_seconds)
                if not left or process.poll() is not None:
                    break
                kind = left[-1]
                if kind == "driver":
                    kill_group(process)
                    process = start(name)
                elif kind == "worker":
                    while not (found := at_work()) and process.poll() is None:
                        time.sleep(0.2)
                    if not found:  # the search has ended
                        break
                    os.kill(rng.choice(found), signal.SIGKILL)
                else:
                    cluster.replace_node()
                landed[left.pop()] += 1
            codes.add(process.wait(LONGEST))
        finally:
            kill_group(process)
        two = made(work / name)
        different |= {f"{name}/{path}" for path in one.keys() | two.keys() if one.get(path) != two.get(path)}
    return {"searches": number, "kills": dict(landed), "seed": seed, "exit_codes": sorted(codes),
            "undisturbed_seconds": round(whole_seconds, 1), "compared": len(one), "different": sorted(different)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("in-process", "local", "ray"), default="local")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", action="store_true", help="the whole x3d search; its process group is killed")
    parser.add_argument("--of-each", type=int, default=3, help="with --whole or in-process: most kills of one search")
    parser.add_argument("--workers", type=int, default=10, help="on Ray: workers to kill")
    parser.add_argument("--nodes", type=int, default=3, help="on Ray: nodes to kill")
    parser.add_argument("--drivers", type=int, default=3, help="on Ray: deciding processes to kill")
    args = parser.parse_args()
    from pipeline.demo_data import make_demo_videos

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        labels = make_demo_videos(work / "videos", train=4, val=2, test=2, frames=12, size=32)
        if args.whole:
            found = compare(whole(work, str(labels.parent), str(labels), SETTINGS | {"final": {"epochs": 2}}), args.kills,
                            args.seed, work, of_each=args.of_each)
        else:
            from components.ingestion.ingest import ingest_folder
            from components.ingestion.settings import IngestSettings

            records, mark = str(work / "records"), str(work / "begun")
            ingest_folder(IngestSettings(videos=str(labels.parent), labels=str(labels), short_side=32), records)
            if args.engine == "in-process":
                found = compare(plain(work, records, {"name": "in-process"}, SETTINGS), args.kills, args.seed, work, mark,
                                args.of_each)
            elif args.engine == "local":
                engine = {"name": "local", "workers": 2, "threads": 1}
                kinds = [("worker", "driver")[number % 2] for number in range(args.kills)]
                found = victims(plain(work, records, engine, SETTINGS), kinds, work, mark, args.seed)
            else:
                kinds = ["worker"] * args.workers + ["node"] * args.nodes + ["driver"] * args.drivers
                with Cluster(work / "ray.txt") as cluster:
                    engine = {"name": "ray", "threads": 1, "address": cluster.address}
                    found = victims(plain(work, records, engine, SETTINGS), kinds, work, mark, args.seed, cluster)
                    found["cluster"] = cluster.about
    print(json.dumps(found, indent=1))
    return int(bool(found["different"]) or found["exit_codes"] != [0])


if __name__ == "__main__":
    sys.exit(main())
