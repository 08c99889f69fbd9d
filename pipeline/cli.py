"""The command line, `x3d`. Commands import what they need when they run, so that --help and plan answer at once."""

from __future__ import annotations

import sys
from typing import Annotated, Optional

import typer
from rich.console import Console
from typer.core import TyperGroup

from expansion.foundation.errors import InputError

GOES_ON = ("search", "demo", "train")  # commands that go on where they were when given again


class _Group(TyperGroup):
    """All commands; Ctrl-C in any of them is one line and exit code 130."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            on = "; the same command goes on from here" if ctx.invoked_subcommand in GOES_ON else ""
            Console(stderr=True, soft_wrap=True, highlight=False).print(f"x3d: stopped{on}", markup=False)
            raise SystemExit(130) from None


def _run_names(incomplete: str) -> list[str]:
    from pipeline.looking import run_names

    return run_names(incomplete)


app = typer.Typer(name="x3d", help="Grows video networks: the X3D expansion search.", no_args_is_help=True, cls=_Group,
                  add_completion=True, pretty_exceptions_enable=False, rich_markup_mode="rich")

Videos = Annotated[Optional[str], typer.Option(help="Folder of the videos.")]
Labels = Annotated[Optional[str], typer.Option(
    help="Label file: CSV path,label[,split][,group]; `path label` text; Kinetics CSV. Without it, class folders.")]
ConfigFile = Annotated[Optional[str], typer.Option(
    "--config", help="YAML file; the options here go over it. Default: configs/small.yaml.")]
Name = Annotated[Optional[str], typer.Option(help="Name of the run; its folder is RUNS/NAME.")]
Epochs = Annotated[Optional[float], typer.Option(help="Epochs of each candidate.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin a new search; the run's earlier ones are kept.")]
Cost = Annotated[Optional[str], typer.Option(help="What candidates are matched in: macs, params, memory or latency.")]
Constraints = Annotated[Optional[list[str]], typer.Option(
    "--constraint", help="What no candidate may exceed, like 'params < 4M' or 'latency < 30 ms'; may be given several times.")]
Hours = Annotated[Optional[float], typer.Option(help="Begin no step that would take the search past this.")]
Wandb = Annotated[Optional[str], typer.Option(metavar="PROJECT", help="Log to this project at Weights & Biases as well.")]
Runs = Annotated[str, typer.Option(help="Folder of all runs.")]
Run = Annotated[Optional[str], typer.Argument(help="Name or folder of a run; default: the newest.",
                                              autocompletion=_run_names)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show on the screen what goes to the log.")]


Workers = Annotated[Optional[int], typer.Option(
    help="Processes that train candidates side by side; 0: only those of `x3d worker` train.")]
Threads = Annotated[Optional[int], typer.Option(help="Threads of one candidate's training; default: cores by workers.")]
Beam = Annotated[Optional[list[str]], typer.Option(
    help="Argument for Beam, such as --runner=DataflowRunner; may be given several times.")]


@app.command()
def search(videos: Videos = None, labels: Labels = None, config: ConfigFile = None, name: Name = None,
           steps: Annotated[Optional[int], typer.Option(help="Expansion steps at most.")] = None,
           target_gmacs: Annotated[Optional[float], typer.Option(help="Stop at this cost, contracted to it.")] = None,
           epochs: Epochs = None, cost: Cost = None, constraint: Constraints = None, hours: Hours = None,
           warm_start: Annotated[Optional[bool], typer.Option(
               "--warm-start/--from-scratch", help="Begin candidates with their parent's weights.")] = None,
           extra_seeds: Annotated[Optional[int], typer.Option(
               help="Further trainings a step, for candidates that cannot be told from the best.")] = None,
           workers: Workers = None, threads: Threads = None, beam: Beam = None, wandb: Wandb = None, fresh: Fresh = False,
           runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Search for a network on your videos: ingest, expand step by step, train the result, evaluate, push."""
    from pipeline import commands

    commands.search(_config(config, name, videos, labels, steps, target_gmacs, epochs, beam=beam, **{
        "search.cost": cost, "search.constraints": constraint or None, "search.hours": hours,
        "search.warm_start": warm_start, "search.seeds.extra": extra_seeds, "engine.workers": workers,
        "engine.threads": threads, "wandb.project": wandb}), runs, fresh=fresh, as_json=as_json,
        verbose=verbose)


@app.command()
def train(spec: Annotated[Optional[str], typer.Option(
              help="Network: X2D, XS, S, M, L, XL, XXL, or frames=8,stride=4,size=128,...")] = None,
          from_run: Annotated[Optional[str], typer.Option(
              help="Train what this run's search found, on its records.", autocompletion=_run_names)] = None,
          records: Annotated[Optional[str], typer.Option(help="Data set of `x3d ingest`; or give --videos.")] = None,
          videos: Videos = None, labels: Labels = None, config: ConfigFile = None, name: Name = None,
          epochs: Annotated[Optional[float], typer.Option(help="Epochs of the training.")] = None,
          batch: Annotated[Optional[int], typer.Option(
              help="Clips in a step, of all devices together; the rate scales with it.")] = None,
          weights: Annotated[Optional[str], typer.Option(help="A .keras file to start from.")] = None,
          mixed_precision: Annotated[Optional[str], typer.Option(help="float16 or bfloat16.")] = None,
          distribute: Annotated[Optional[str], typer.Option(
              help="none; mirrored: this machine's GPUs; multi_worker: the machines of TF_CONFIG; default: auto.")] = None,
          devices: Annotated[Optional[int], typer.Option(help="GPUs to use on this machine; default: all.")] = None,
          wandb: Wandb = None, runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Train one network, named or found by a search, and evaluate it. Given again, it goes on where it was."""
    from pipeline import train as command

    command.train(command.settings(config, from_run, runs, **{
        "name": name, "train.spec": spec, "train.records": records, "train.weights": weights, "ingest.videos": videos,
        "ingest.labels": labels, "final.epochs": epochs, "final.batch": batch, "final.mixed_precision": mixed_precision,
        "train.devices.strategy": distribute, "train.devices.count": devices, "wandb.project": wandb}), runs, as_json=as_json, verbose=verbose)


@app.command()
def demo(runs: Runs = "runs",
         steps: Annotated[Optional[int], typer.Option(help="Expansion steps at most.")] = None,
         workers: Workers = None, threads: Threads = None,
         fresh: Fresh = False, as_json: Json = False, verbose: Verbose = False) -> None:
    """The whole search on videos made on the spot, in minutes."""
    from pipeline import commands

    commands.demo(runs, steps, workers, threads, fresh=fresh, as_json=as_json, verbose=verbose)


@app.command()
def ingest(output: Annotated[str, typer.Argument(help="Folder for the records.")],
           videos: Videos = None, labels: Labels = None, config: ConfigFile = None,
           short_side: Annotated[Optional[int], typer.Option(help="Pixels of a stored frame's short side.")] = None,
           fps: Annotated[Optional[float], typer.Option(help="Stored frames a second; default: the video's own.")] = None,
           max_reject_share: Annotated[Optional[float], typer.Option(help="More rejects than this stop it.")] = None,
           beam: Beam = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Turn videos into TFRecords, with a manifest of what was accepted and rejected."""
    from pipeline import commands
    from pipeline.config import load_config

    commands.ingest(load_config(config, **{
        "ingest.videos": videos, "ingest.labels": labels, "ingest.short_side": short_side, "ingest.fps": fps,
        "ingest.max_reject_share": max_reject_share, "beam": beam or None}), output, as_json=as_json, verbose=verbose)


@app.command()
def plan(config: ConfigFile = None, videos: Videos = None, labels: Labels = None, name: Name = None,
         steps: Annotated[Optional[int], typer.Option(help="Expansion steps at most.")] = None,
         target_gmacs: Annotated[Optional[float], typer.Option(help="Stop at this cost, contracted to it.")] = None,
         epochs: Epochs = None, cost: Cost = None, constraint: Constraints = None, hours: Hours = None,
         gmacs_per_second: Annotated[Optional[float], typer.Option(
             help="Training speed to reckon with; default: as measured in the run, else 20 for 2 CPU cores.")] = None,
         device_tflops: Annotated[Optional[float], typer.Option(
             help="Peak of a device instead, of which a tenth is taken to be reached.")] = None,
         devices: Annotated[int, typer.Option(help="Devices that train candidates side by side.")] = 1,
         measure: Annotated[bool, typer.Option(
             "--measure", help="Measure this machine first (a minute) and keep that in the run's folder.")] = False,
         runs: Runs = "runs", as_json: Json = False) -> None:
    """The next step's candidates with MACs, parameters, memory and time, before anything trains."""
    from pipeline import planning

    settings = _config(config, name, videos, labels, steps, target_gmacs, epochs, need_videos=False, **{
        "search.cost": cost, "search.constraints": constraint or None, "search.hours": hours})
    planning.show(settings, runs, gmacs_per_second, as_json, device_tflops=device_tflops, devices=devices,
                  measure_first=measure)


@app.command("proxy-check")
def proxy_check(records: Annotated[str, typer.Option(help="Data set of `x3d ingest`.")],
                spec: Annotated[Optional[list[str]], typer.Option(
                    help="Network, as for train; may be given several times. Default: the seed and its candidates.")] = None,
                classes: Annotated[Optional[int], typer.Option(help="Classes of the proxy.")] = None,
                share: Annotated[Optional[float], typer.Option(help="Of the training videos of each class.")] = None,
                epochs: Annotated[Optional[float], typer.Option(help="Epochs of a training on the proxy.")] = None,
                config: ConfigFile = None, name: Name = None, runs: Runs = "runs", as_json: Json = False,
                verbose: Verbose = False) -> None:
    """Train a few networks on part of the data and on all of them: does the part rank them alike?"""
    from pipeline import proxy_check as command
    from pipeline.config import load_config, shipped

    command.proxy_check(load_config(config or shipped("small.yaml"), need_videos=False, **{
        "name": name or (None if config else "proxy-check"), "proxy.classes": classes, "proxy.share": share,
        "proxy.epochs": epochs}), spec or [], records, runs, as_json=as_json, verbose=verbose)


@app.command()
def describe(spec: Annotated[list[str], typer.Argument(help="Names (X2D, XS, S, M, L, XL, XXL) or frames=4,size=160,...")],
             classes: Annotated[int, typer.Option(help="Outputs of the network.")] = 400, as_json: Json = False) -> None:
    """MACs, parameters and memory of networks, in closed form."""
    from pipeline import planning

    planning.describe(spec, classes, as_json)


@app.command()
def reproduce(until: Annotated[str, typer.Option(help="Stop at this model: X2D, XS, S, M, L, XL or XXL.")] = "XXL",
              output: Annotated[Optional[str], typer.Option(help="Folder for reproduce.json and reproduce.png.")] = None,
              records: Annotated[Optional[str], typer.Option(
                  help="Train every candidate of the path on this data set of `x3d ingest`; default: the accuracies "
                       "that the paper printed, and nothing is trained.")] = None,
              config: ConfigFile = None, epochs: Epochs = None, name: Name = None, runs: Runs = "runs",
              as_json: Json = False) -> None:
    """The paper's path, step by step: from its recorded accuracies, or with every candidate trained on your records."""
    from pipeline import reproduce as command
    from pipeline.config import load_config, shipped

    if records is None:
        command.reproduce(until, output, as_json)
        return
    settings = {f"search.{key}": value for key, value in command.training_search(until).items()}
    command.train(records, load_config(config or shipped("small.yaml"), need_videos=False, **settings, **{
        "name": name or "reproduce", "recipe.epochs": epochs}), until, runs, output, as_json)


@app.command(name="compile")
def compile_(output: Annotated[str, typer.Argument(help="File to write: .yaml for Kubeflow Pipelines, .json for Vertex AI.")],
             image: Annotated[str, typer.Option(help="Container image with this project in it (see the Dockerfile).")],
             root: Annotated[str, typer.Option(help="Folder for all that the pipeline writes, as the cluster sees it.")],
             config: ConfigFile = None, videos: Videos = None, labels: Labels = None, name: Name = None,
             evaluate_on: Annotated[str, typer.Option(help="Split of the last evaluation: test or val.")] = "test",
             accelerator: Annotated[Optional[str], typer.Option(
                 help="TYPE:COUNT for the components that train, such as NVIDIA_TESLA_T4:1.")] = None,
             beam: Beam = None) -> None:
    """Compile the pipeline for Kubeflow Pipelines or Vertex AI."""
    from pipeline import commands

    commands.compile_for_kubeflow(_config(config, name, videos, labels, None, None, None, beam=beam), output, image=image,
                                  root=root, evaluate_on=evaluate_on, accelerator=accelerator)


@app.command("eval")
def evaluate(models: Annotated[list[str], typer.Argument(
                 help="Models: .keras files, .tflite files, folders of SavedModels, names or folders of runs.")],
             records: Annotated[Optional[str], typer.Option(
                 help="Data set of `x3d ingest`; default: that of the first model's run.")] = None,
             split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
             views: Annotated[int, typer.Option(help="Clips a video, spread evenly in time.")] = 10,
             crops: Annotated[int, typer.Option(help="1: centre; 3: left, centre, right at the larger test crop.")] = 1,
             size: Annotated[Optional[int], typer.Option(help="Pixels of the network's input.")] = None,
             scale: Annotated[Optional[float], typer.Option(
                 help="Short side as a multiple of the training crop; default: the run's, else 128/112.")] = None,
             batch: Annotated[Optional[int], typer.Option(help="Clips in a forward pass; default: what fits.")] = None,
             timing: Annotated[bool, typer.Option(help="Measure latency and clips a second.")] = True,
             output: Annotated[str, typer.Option(help="Folder for tables, predictions and figures.")] = "evaluation",
             runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Evaluate models on held-out videos: top-1, top-5, per class, cost, latency."""
    from pipeline import evaluate as command

    command.evaluate(models, records, split, views=views, crops=crops, scale=scale, size=size, batch=batch,
                     timing=timing, runs=runs, output=output, as_json=as_json, verbose=verbose)


@app.command()
def predict(model: Annotated[str, typer.Argument(help="As for eval: a file, a SavedModel's folder, or a run.",
                                                 autocompletion=_run_names)],
            videos: Annotated[list[str], typer.Argument(help="Video files.")],
            top: Annotated[int, typer.Option(help="Classes to show.")] = 5,
            views: Annotated[Optional[int], typer.Option(help="Clips a video; default: the model's, else 10.")] = None,
            crops: Annotated[Optional[int], typer.Option(help="1 or 3 of each clip; default: the model's, else 1.")] = None,
            fps: Annotated[Optional[float], typer.Option(
                help="Frames per second to look at; default: those of the run's records, else the video's own.")] = None,
            runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Say what a model sees in video files: the most probable classes."""
    from pipeline import predict as command

    command.predict(model, videos, top=top, views=views, crops=crops, fps=fps, runs=runs, as_json=as_json, verbose=verbose)


@app.command()
def export(model: Annotated[str, typer.Argument(help="A .keras file, or the name or folder of a run.")],
           form: Annotated[str, typer.Option("--format", help="keras, saved_model or tflite.")],
           output: Annotated[Optional[str], typer.Option(help="File or folder to write; default: beside the model.")] = None,
           int8: Annotated[bool, typer.Option("--int8", help="TFLite in 8-bit integers; needs records.")] = False,
           records: Annotated[Optional[str], typer.Option(
               help="Data set of `x3d ingest`, for the check and for --int8; default: the run's.")] = None,
           size: Annotated[Optional[int], typer.Option(help="Pixels of the network's input.")] = None,
           views: Annotated[Optional[int], typer.Option(help="Clips that a SavedModel cuts of a record.")] = None,
           crops: Annotated[Optional[int], typer.Option(help="Crops of each: 1 or 3, at the larger test crop.")] = None,
           runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Export a model as .keras, SavedModel or TFLite, and check it against the Keras model."""
    from pipeline import export as command

    command.export(model, form, output=output, integers=int8, records=records, size=size, views=views, crops=crops,
                   runs=runs, as_json=as_json, verbose=verbose)


@app.command("runs")
def list_runs(runs: Runs = "runs", as_json: Json = False) -> None:
    """List the runs: state, steps, accuracy, cost, age, folder."""
    from pipeline import looking

    looking.list_runs(runs, as_json)


@app.command()
def convert(source: Annotated[str, typer.Argument(metavar="IN", help="Checkpoint (.pyth, .pt, .pth) or .keras file.")],
            target: Annotated[str, typer.Argument(metavar="OUT", help="What to write: .keras or .pyth.")],
            spec: Annotated[Optional[str], typer.Option(
                help="The checkpoint's network, where its file does not tell: XS, S, M, L, XL or frames=...")] = None,
            class_names: Annotated[Optional[str], typer.Option(
                help="File of class names in the order of the labels: a line each, or JSON.")] = None,
            new_classes: Annotated[Optional[int], typer.Option(
                help="Put a new, untrained classifier of so many classes in place of the checkpoint's.")] = None,
            to: Annotated[Optional[str], typer.Option(
                help="Whose checkpoint to write: pyslowfast (the default) or pytorchvideo.")] = None) -> None:
    """Read public X3D weights of PySlowFast or PyTorchVideo into a Keras network, or write such a checkpoint."""
    from pipeline import convert as command

    command.convert(source, target, spec, class_names, new_classes, to)


@app.command()
def show(run: Run = None, runs: Runs = "runs", as_json: Json = False) -> None:
    """Print a run's search: each step's candidates, the path, failures."""
    from pipeline import looking

    looking.show_run(run, runs, as_json)


@app.command()
def report(run: Run = None,
           output: Annotated[Optional[str], typer.Option(help="File to write; default: report.html in the run.")] = None,
           markdown: Annotated[bool, typer.Option("--markdown", help="Markdown with pictures beside it.")] = False,
           runs: Runs = "runs") -> None:
    """Write one page on a run, finished or not: path, candidates, curves, time, model card."""
    from pipeline import looking

    looking.report(run, runs, output, markdown)


@app.command()
def tensorboard(run: Annotated[Optional[str], typer.Argument(help="Name or folder of a run; default: all.",
                                                             autocompletion=_run_names)] = None,
                port: int = 6006, host: str = "localhost", runs: Runs = "runs") -> None:
    """Open TensorBoard on a run's search."""
    from pipeline import looking

    looking.tensorboard(run, runs, host, port)


def _config(config, name, videos, labels, steps, target_gmacs, epochs, need_videos=True, beam=None, **more):
    from pipeline.config import load_config, shipped

    return load_config(config or shipped("small.yaml"), need_videos=need_videos, **{
        "name": name, "ingest.videos": videos, "ingest.labels": labels, "search.steps": steps,
        "search.target_gmacs": target_gmacs, "recipe.epochs": epochs, "beam": beam or None, **more})


def main() -> None:
    """Runs the command line. An error of use is one line and exit code 2."""
    try:
        app(standalone_mode=True)
    except InputError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"x3d: {error}", markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
