"""`x3d train`: one network trained by a recipe, with precise batch norm and K-view evaluation, in a folder of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Annotated

import typer

from expansion.data.dataset import VideoDataset
from expansion.display.console import make_console, print_json
from expansion.display.progress import SearchProgress, task_progress, waiting
from expansion.display.tables import duration, percent
from expansion.foundation import files, kernels
from expansion.foundation.errors import InputError
from expansion.foundation.identity import differences, flat
from expansion.foundation.imports import import_keras
from expansion.recipe import Recipe
from expansion.recipe.schedule import schedule_of
from expansion.search.forecast import Speed
from expansion.search.multigrid_saving import multigrid_saving
from expansion.search.probe import Probe
from expansion.spec import Spec
from expansion.training.distribute import worker_number
from expansion.weights.source import WeightsSource, open_source
from pipeline.commands.plan_estimate import kept_throughput
from pipeline.commands.train_results import show_results, training_results
from pipeline.config import Config, load_config, save_config
from pipeline.options import Given, Json, Runs, Setting, Verbose, configured_by, run_names
from pipeline.runs.folder import RunFolder, find_run
from pipeline.runs.state import working
from pipeline.session import session

UNUSED = {"search", "final", "thresholds", "retries"}  # sections of the configuration that are the search's alone


@configured_by(
    "videos", "labels", "name", "wandb",
    spec=Setting("train.spec", str, "Network: X2D, XS, S, M, L, XL, XXL, or frames=8,stride=4,size=128,..."),
    records=Setting("train.records", str, "Data set of `x3d ingest`; or give --videos."),
    epochs=Setting("final.epochs", float, "Epochs of the training."),
    batch=Setting("final.batch", int, "Clips in a step, of all devices together; the rate scales with it."),
    multigrid=Setting("final.multigrid", bool, "Multigrid training: coarse grids first, about a third of the steps.",
                      ("--multigrid/--no-multigrid",)),
    weights=Setting("train.weights", str, "File to start from: .keras, or .pyth of PySlowFast or PyTorchVideo. Without --spec "
                                          "its own network is trained."),
    new_head=Setting("train.new_head", bool, "Begin a new last layer in place of the file's.", ("--new-head/--keep-head",)),
    freeze=Setting("final.freeze", str, "Stage up to which weights stay as they are: stem, stage2 to stage5, or head."),
    backbone_rate=Setting("recipe.stage_rates.backbone", float,
                          "Rate of all but the last layer, as a multiple of the recipe's."),
    mixed_precision=Setting("final.mixed_precision", str, "`float16` or `bfloat16`."),
    distribute=Setting("train.devices.strategy", str, "`none`; `mirrored`: this machine's GPUs; `multi_worker`: the machines of "
                                                      "TF_CONFIG; default: auto."),
    devices=Setting("train.devices.count", int, "GPUs to use on this machine; default: all."))
def train(given: Given,
          from_run: Annotated[str | None, typer.Option(
              help="Train what this run's search found, on its records.", autocompletion=run_names)] = None,
          runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Train one network, named or found by a search, and evaluate it. Given again, it resumes; a finished one is only shown.

    Raises:
        InputError: an error of use; the folder holds another training.
        SystemExit: with 1, after one line on why it failed.
    """
    config = settings(given, from_run, runs)
    folder = RunFolder(os.path.join(runs, config.name))
    _check_folder(config, folder)
    worker = worker_number(config.train.devices)
    with session(folder.log if worker == 0 else f"{folder.log.removesuffix('.txt')}-{worker}.txt", verbose) as console:
        results, before = _run(config, folder, console, worker)
    if worker == 0:
        print_json(results) if as_json else show_results(results, folder, before)


def settings(given: Given, from_run: str | None, runs: str) -> Config:
    """The configuration of one training, whose recipe is that of a last training: `final` is applied.

    Args:
        given: without a file it is from_run's, or configs/small.yaml.
        from_run: run whose search names the network, and whose records and recipe are used if none are named.

    Raises:
        InputError: an error of use.
    """
    own, step = {"name": None if given.path or given.get("name") else "train"}, 0
    if from_run:
        run = find_run(from_run, runs)
        search = run.search()
        if not search.path:
            raise InputError(f"run {from_run}: no step of its search is decided yet")
        if given.get("train.spec"):
            raise InputError("--spec and --from-run both name a network: give one of them")
        step = len(search.path) - 1
        own = {"train.spec": search.path[-1].spec.as_dict(), "name": own["name"] and f"{run.name}-train"}
        if not given.get("train.weights") and search.settings.weights:
            own |= {"train.weights": search.settings.weights, "train.new_head": search.settings.new_head}
        if not given.get("ingest.videos") and not given.get("train.records"):
            own["train.records"] = run.records()
        given = dataclasses.replace(given, path=given.path or run.config)
    config = given.load(need_videos=False, **own)
    if config.train.weights:
        source = open_source(config.train.weights, config.train.spec)
        spec = config.train.spec or source.spec
        source.grows_to(spec)
        config = config.model_copy(update={"train": config.train.model_copy(update={"spec": spec})})
    elif config.train.new_head:
        raise InputError("train.new_head is true: it is for a training that starts from weights; --weights names them")
    if config.train.spec is None:
        raise InputError("no network named: --spec M, --spec frames=8,stride=4,size=128, --weights FILE or --from-run RUN")
    if not config.train.records and not config.ingest.videos:
        raise InputError("no data named: --records FOLDER (of `x3d ingest`) or --videos FOLDER")
    if config.train.devices.strategy == "multi_worker" and not config.train.records:
        raise InputError("devices.strategy is 'multi_worker': it needs --records, which all machines can read")
    return config.model_copy(update={"recipe": config.recipe.final(step, config.final), "final": {}})


def _run(config: Config, folder: RunFolder, console, worker: int) -> tuple[dict, bool]:
    """(results, whether they were there before); of a worker that is not the chief, no results."""
    kernels.choose(kernels.onednn_for(config.train.spec.pixels))
    with waiting(console, "starting TensorFlow"):
        import_keras()
        from expansion.training.distribute import make_strategy
        from expansion.training.fit import task_of

        strategy = make_strategy(config.train.devices)
    data = _data(config, folder)
    source = _source(config)
    if source:
        source.check_head(len(data.classes), data.classes, config.train.new_head, task_of(config.recipe, data).name)
    results = folder.read_training()
    if results and results["data"] == data.manifest.fingerprint:
        if source and results.get("weights_sha256") not in (None, source.sha256):
            raise InputError(f"run {config.name} is another training: {source.path} has changed since. Choose another --name")
        return results, True
    with contextlib.ExitStack() as stack:
        if worker == 0:
            save_config(config, folder.config, without=UNUSED)
            stack.enter_context(working(folder))
        return _train(config, folder, data, strategy, SearchProgress(quiet=worker != 0)), False


def _source(config: Config) -> WeightsSource | None:
    return open_source(config.train.weights, config.train.spec) if config.train.weights else None


def _data(config: Config, folder: RunFolder) -> VideoDataset:
    records = config.train.records
    if records is None:
        from components.ingestion.ingest import ingest_folder

        records = folder.train_records
        with task_progress("ingesting") as progress:
            notes = ingest_folder(config.ingest, records, config.beam, progress=progress).notes
        for note in notes:
            make_console(stderr=True).print(note, markup=False, soft_wrap=True)
    data = VideoDataset.open(records)
    for split in ("train", "val"):
        data.files(split)
    return data


def _train(config: Config, folder: RunFolder, data: VideoDataset, strategy, progress: SearchProgress) -> dict:
    from expansion.display.tensorboard import summaries
    from expansion.display.tensorboard.events import Run
    from expansion.display.tensorboard.task_pictures import PICTURES
    from expansion.display.wandb_logger import WandbLogger
    from expansion.evaluation.evaluate import evaluate
    from expansion.evaluation.probe import can_probe
    from expansion.network.saving import save_model
    from expansion.training.distribute import is_chief, on_one_device
    from expansion.training.fit import new_model, train
    from expansion.weights.start import start_from_weights

    spec, recipe = config.train.spec, config.recipe
    if spec.size > data.short_side:
        progress.console.print(f"the crop of {spec.size} pixels is enlarged from frames of {data.short_side}")
    with strategy.scope():
        model = new_model(spec, data, recipe, config.seed)
    source = _source(config)
    if source:
        start_from_weights(model, source, new_head=config.train.new_head)
        progress.console.print(f"starting from {source.path}" + (", but for the last layer" if config.train.new_head else ""))
        if is_chief(strategy) and can_probe(data):
            progress.note(_probe(on_one_device(model), data, folder).text(source.path))
    logs = os.path.join(folder.training_logs, "train")
    schedule = schedule_of(spec, recipe, data.videos("train"))
    progress.training_began(spec, len(schedule.epochs) if schedule else recipe.epochs)
    if recipe.multigrid:
        progress.console.print(_multigrid_text(spec, recipe, data, _speed(folder)), soft_wrap=True)
    chief = is_chief(strategy)
    logger = None
    if config.wandb and chief:
        logger = WandbLogger(config.wandb, config.name, folder.path, config.model_dump(mode="json"))

    def epoch_ended(epoch: int, epochs: int, logs: dict) -> None:
        progress.epoch_ended(epoch, epochs, logs)
        if logger:
            logger.epoch("", epoch, logs)

    history = train(model, data, recipe, config.clips, seed=config.seed, on_epoch=epoch_ended,
                    callbacks=[summaries.Curves(logs, schedule)] if chief else [], checkpoint=folder.checkpoint,
                    start=source.sha256 if source else None)
    model = on_one_device(model)
    if not chief:
        return {}
    evaluation = evaluate(model, data, "val", config.clips)
    title = evaluation.task.titles[evaluation.task.score]
    progress.trial_ended(f"{title} {percent(evaluation.score)}")
    save_model(model, folder.keras_model)
    results = training_results(config, data, history, evaluation, source) | {
        "devices": strategy.num_replicas_in_sync, "model": folder.keras_model}
    reached = [f"val_{name}" for name in evaluation.metrics]
    with Run(logs) as run:
        for name in reached:
            run.scalar(f"validation/{name}", results[name], len(history["loss"]))
        PICTURES[evaluation.task.labels](run, evaluation, data.classes, None, len(history["loss"]))
    if logger:
        logger.results({name: results[name] for name in (*reached, "macs", "params")})
        logger.close()
    files.write_json(folder.training_results, results)
    return results


def _probe(model, data: VideoDataset, folder: RunFolder) -> Probe:
    """What the features that the training starts from are worth as they are; kept for when it resumes."""
    from expansion.evaluation.probe import linear_probe

    if files.exists(folder.probe):
        return Probe(**files.read_json(folder.probe))
    found = linear_probe(model, data)
    files.write_json(folder.probe, dataclasses.asdict(found))
    return found


def _multigrid_text(spec: Spec, recipe: Recipe, data: VideoDataset, speed: Speed) -> str:
    """What multigrid saves, or that a training is too short for it."""
    found = multigrid_saving(spec, recipe, data.videos("train"), len(data.classes), speed)
    known = "measured" if speed.measured else "assumed; x3d plan --measure measures it"
    costs = (f"{found.steps:,} steps in place of {found.plain_steps:,} save about {duration(max(0.0, found.saved_seconds))}, and "
             f"{found.shapes} shapes to trace in place of one cost about {duration(found.trace_seconds)}, at "
             f"{speed.gmacs_per_second:.3g} GMACs/s ({known})")
    return f"multigrid: {costs}" if found.pays else f"this training is too short for multigrid, it will take longer: {costs}"


def _speed(folder: RunFolder) -> Speed:
    """What `x3d plan --measure` has measured for the run on this machine, else what is assumed."""
    kept = kept_throughput(folder.path)
    return Speed(kept.gmacs_per_second, measured=True) if kept else Speed()


def _check_folder(config: Config, folder: RunFolder) -> None:
    """Raises InputError if the folder holds a search, or a training that the configuration is not of."""
    if os.path.isdir(folder.searches):
        raise InputError(f"run {config.name} is a search: choose another --name")
    begun = os.path.exists(folder.checkpoint) or os.path.exists(folder.training_results)
    if not begun or not os.path.exists(folder.config):
        return
    saved = load_config(folder.config, need_videos=False)
    found = differences(_decisive(saved), _decisive(config))
    if found:
        raise InputError(f"run {config.name} is another training: {'; '.join(found)}. Choose another --name")


def _decisive(config: Config) -> dict:
    """What decides the result but for the data, as flat JSON; the data's fingerprint is in the checkpoint."""
    parts = config.model_dump(mode="json", include={"recipe": True, "clips": True, "train": {"spec", "weights", "new_head"}})
    return flat(parts) | {"seed": config.seed}
