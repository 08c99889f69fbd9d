"""Runs small searches that are killed at random moments, then compares all that they made with an undisturbed search's.

    python scripts/fault_search.py --kills 30                 the plain Keras search; --inside: without a worker process
    python scripts/fault_search.py --whole --kills 5          the whole `x3d search`, from videos to the pushed network
    python scripts/fault_search.py --workers 2                by two `x3d worker`s: one is killed twice, the chief once

Compared are, with times left out: trace.json, every trial's outcome, and the weights of every network to the bit.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import fault_workers  # noqa: E402
from killing import kill_until_done  # noqa: E402

TIMES = ("seconds", "clips_per_second", "latency_ms")
SETTINGS = {
    "search": {"seed": {"frames": 1, "stride": 8, "size": 24, "width": 0.34}, "steps": 2, "axes": ["fast", "spatial"]},
    "recipe": {"epochs": 3, "batch": 16, "rate": 0.05, "rate_batch": 16, "warmup_epochs": 0.5, "dropout": 0.1},
    "clips": {"flip": False, "views": 2},
}
LONGEST = 3600.0  # seconds that the last start may take

# What a user of the library writes; the mark tells that imports are over.
SEARCH = """
import json, sys
import expansion
from expansion.display.progress import SearchProgress
records, folder, isolate, mark, settings = sys.argv[1:]
settings = json.loads(settings)
tuner = expansion.ExpansionTuner(
    records, expansion.SearchSettings(**settings["search"]), recipe=expansion.Recipe(**settings["recipe"]),
    clips=expansion.ClipSettings(**settings["clips"]), directory=folder, project_name="search", isolate=isolate == "yes",
    progress=SearchProgress(quiet=True))
open(mark, "w").close()
tuner.search()
"""


def plain(work: Path, records: str, isolate: bool, settings: dict):
    """The command of a search in work/name, as a function of the name."""
    return lambda name: [sys.executable, "-W", "ignore", "-c", SEARCH, records, str(work / name),
                         "yes" if isolate else "no", str(work / "begun"), json.dumps(settings)]


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--whole", action="store_true", help="the whole x3d search")
    parser.add_argument("--inside", action="store_true", help="trials in the search's own process")
    parser.add_argument("--of-each", type=int, default=3, help="kills that one search gets at the most")
    parser.add_argument("--workers", type=int, help="so many x3d worker processes, of which one is killed twice")
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

            records = str(work / "records")
            ingest_folder(IngestSettings(videos=str(labels.parent), labels=str(labels), short_side=32), records)
            if args.workers:
                settings = SETTINGS | {"search": SETTINGS["search"] | {"axes": ["fast", "depth", "bottleneck"]}}
                found = fault_workers.compare(work, records, settings, made, args.workers, seed=args.seed)
                print(json.dumps(found, indent=1))
                return int(bool(found["different"] or found["chief_exit_code"] or any(found["worker_exit_codes"])))
            found = compare(plain(work, records, not args.inside, SETTINGS), args.kills, args.seed, work,
                            str(work / "begun"), args.of_each)
    print(json.dumps(found, indent=1))
    return int(bool(found["different"]) or found["exit_codes"] != [0])


if __name__ == "__main__":
    sys.exit(main())
