"""`x3d proxy-check`: whether a search on a proxy of the data would rank networks as a search on all of them would."""

from __future__ import annotations

import os
from itertools import combinations
from statistics import fmean
from typing import Annotated

import typer

from expansion.data.dataset import VideoDataset
from expansion.data.subset import ProxySettings, make_proxy
from expansion.display.console import make_console, make_table, print_json
from expansion.display.progress import SearchProgress
from expansion.display.tables import duration, percent
from expansion.foundation import files, kernels
from expansion.foundation.errors import InputError
from expansion.foundation.settings import parse_settings
from expansion.recipe import Recipe
from expansion.recipe.schedule import epochs_in
from expansion.search.axes import macs, propose
from expansion.search.costs import show_cost
from expansion.search.training_cost import full_epochs
from expansion.spec import Spec, parse_spec
from pipeline.config import Config
from pipeline.options import Given, Json, Runs, Setting, Verbose, configured_by
from pipeline.runs.folder import RunFolder
from pipeline.runs.state import working
from pipeline.session import session

LEAST = 3  # networks; a correlation of two is 1 or -1


@configured_by(
    "name",
    classes=Setting("proxy.classes", int, "Classes of the proxy."),
    share=Setting("proxy.share", float, "Of the training videos of each class."),
    epochs=Setting("proxy.epochs", float, "Epochs of a training on the proxy."))
def proxy_check(given: Given, records: Annotated[str, typer.Option(help="Data set of `x3d ingest`.")],
                spec: Annotated[list[str] | None, typer.Option(
                    help="Network, as for train; may be given several times. Default: the seed and its candidates.")] = None,
                runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Train a few networks on part of the data and on all of them: does the part rank them alike? Given again, it resumes.

    Raises:
        InputError: an error of use.
    """
    name = None if given.path or given.get("name") else "proxy-check"
    run_check(given.load(need_videos=False, name=name), spec or [], records, runs, as_json=as_json, verbose=verbose)


def run_check(config: Config, specs: list[str], records: str, runs: str, *, as_json: bool = False, verbose: bool = False) -> None:
    """Trains networks on the proxy and on all data, and prints how far the two rankings agree.

    Args:
        config: its recipe, clips, seed and proxy are used.
        specs: names or settings; none for the seed of the search and its candidates.
        records: data set of `x3d ingest`.

    Raises:
        InputError: an error of use.
    """
    if config.proxy is None:
        raise InputError("no proxy named: --classes, --share or --epochs, or a section `proxy` in the configuration")
    data = VideoDataset.open(records)
    networks = [parse_spec(text) for text in specs] or _candidates(config, data)
    if len(set(networks)) < max(LEAST, len(networks)):
        raise InputError(f"{len(set(networks))} different networks; at least {LEAST} are needed, each named once")
    too_large = [spec.size for spec in networks if spec.size > data.short_side]
    if too_large:
        raise InputError(f"a crop of {too_large[0]} pixels is larger than the records' {data.short_side}")
    folder = os.path.join(runs, config.name)
    os.makedirs(folder, exist_ok=True)
    with session(os.path.join(folder, "log.txt"), verbose), working(RunFolder(folder)):
        found = _train_all(config, data, networks, folder)
    report = found | agreement([row["full"] for row in found["networks"]], [row["proxy"] for row in found["networks"]])
    files.write_json(os.path.join(folder, "proxy_check.json"), report)
    if as_json:
        print_json(report)
    else:
        _show(report, folder)


def agreement(full: list[float], proxy: list[float]) -> dict:
    """How far two lists of accuracies, of the same networks, rank alike.

    Returns:
        spearman and kendall (tau-b) from -1 to 1, None where one list is all the same; p_value of tau against no
        relation; pairs in the same order, of all; whether the best of the proxy is the best of all data.
    """
    from scipy import stats

    pairs = list(combinations(range(len(full)), 2))
    same = sum((full[a] - full[b]) * (proxy[a] - proxy[b]) > 0 for a, b in pairs)
    if len(set(full)) == 1 or len(set(proxy)) == 1:
        rho = tau = p_value = None
    else:
        rho = float(stats.spearmanr(full, proxy).statistic)
        kendall = stats.kendalltau(full, proxy)
        tau, p_value = float(kendall.statistic), float(kendall.pvalue)
    return {"spearman": rho, "kendall": tau, "p_value": p_value, "pairs": len(pairs), "pairs_same": same,
            "same_best": full[proxy.index(max(proxy))] == max(full)}


def _candidates(config: Config, data: VideoDataset) -> list[Spec]:
    seed = config.search.start
    return [seed, *(candidate.spec for candidate in propose(seed, config.search.axes, limits=data.limits)[0])]


def _train_all(config: Config, data: VideoDataset, networks: list[Spec], folder: str) -> dict:
    kernels.choose(kernels.onednn_for(config.search.start.pixels))
    proxy: ProxySettings = config.proxy
    small = make_proxy(data, proxy, os.path.join(folder, "proxy-records"))
    ways = {"full": (data, config.recipe.at(0)), "proxy": (small, proxy.recipe(config.recipe).at(0))}
    progress, rows = SearchProgress(), []
    for spec in networks:
        row: dict = {"spec": spec.as_dict(), "macs": macs(spec)}
        for way, (videos, recipe) in ways.items():
            progress.training_began(spec, epochs_in(spec, recipe, videos.videos("train")))
            result = _train(spec, videos, recipe, config, os.path.join(folder, way), progress)
            progress.trial_ended(f"{way}: {percent(result['accuracy'])}")
            row |= {way: result["accuracy"], f"{way}_seconds": result["seconds"]}
        rows.append(row)
    clips = {way: fmean(full_epochs(spec, recipe, videos.videos("train")) for spec in networks) * videos.videos("train")
             for way, (videos, recipe) in ways.items()}
    return {"proxy": proxy.model_dump(mode="json"), "data": data.path, "networks": rows,
            "val_videos": {way: videos.videos("val") for way, (videos, _) in ways.items()},
            "clips": clips}


def _train(spec: Spec, data: VideoDataset, recipe: Recipe, config: Config, folder: str, progress) -> dict:
    """Accuracy and seconds of one training; from its file where it was made before."""
    from expansion.evaluation.evaluate import evaluate
    from expansion.training.checkpoint import training_key
    from expansion.training.fit import new_model, train

    place = os.path.join(folder, training_key(spec, data, recipe, config.clips, config.seed))
    done = os.path.join(place, f"views{config.clips.views}.json")
    if files.exists(done):
        return files.read_json(done)
    model = new_model(spec, data, recipe, config.seed)
    history = train(model, data, recipe, config.clips, seed=config.seed, on_epoch=progress.epoch_ended, checkpoint=place)
    result = {"accuracy": evaluate(model, data, "val", config.clips).score,
              "seconds": sum(history["epoch_seconds"])}
    files.write_json(done, result)
    return result


def _show(report: dict, folder: str) -> None:
    console = make_console()
    videos = report["val_videos"]
    table = make_table(f"top-1 on {videos['full']} validation videos, and on the proxy's {videos['proxy']}", "network",
                       "MACs", "all data", "proxy", "training", "proxy's")
    for row in sorted(report["networks"], key=lambda row: -row["full"]):
        table.add_row(str(Spec(**row["spec"])), show_cost("macs", row["macs"]), percent(row["full"]), percent(row["proxy"]),
                      duration(row["full_seconds"]), duration(row["proxy_seconds"]))
    console.print(table)
    share = report["clips"]["proxy"] / report["clips"]["full"]
    console.print(f"the proxy ({parse_settings(ProxySettings, report['proxy'], 'proxy').text()}) trains on {100 * share:.3g} % "
                  "of the clips", soft_wrap=True)
    if report["spearman"] is None:
        console.print("no rank correlation: all networks reach the same on one of the two")
    else:
        console.print(f"rank correlation over {len(report['networks'])} networks: Spearman {report['spearman']:.2f}, Kendall "
                      f"{report['kendall']:.2f} (p = {report['p_value']:.2g}); {report['pairs_same']} of {report['pairs']} "
                      "pairs in the same order", soft_wrap=True)
    console.print(f"the proxy's best is {'' if report['same_best'] else 'not '}the best on all data\n"
                  f"written: {os.path.join(folder, 'proxy_check.json')}", soft_wrap=True)
