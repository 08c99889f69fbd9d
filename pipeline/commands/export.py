"""`x3d export`: a trained network as .keras, SavedModel or TFLite, checked on the spot against the Keras model."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from expansion.data.dataset import VideoDataset
from expansion.display.console import make_console, make_table, print_json
from expansion.display.progress import waiting
from expansion.foundation import kernels
from expansion.foundation.errors import InputError
from expansion.foundation.imports import import_keras
from expansion.foundation.settings import parse_settings
from expansion.recipe import ClipSettings
from pipeline.options import Json, Runs, Verbose, run_names
from pipeline.runs.models import StoredModel, check_size, find_model, size_of
from pipeline.session import session

if TYPE_CHECKING:
    import numpy as np

FORMATS = {"keras": ".keras", "saved_model": "", "tflite": ".tflite"}
CALIBRATION, CHECKED = 100, 32  # clips
TOLERANCE = 1e-4  # of a probability, for floats


def export(model: Annotated[str, typer.Argument(help="A .keras file, or the name or folder of a run.",
                                                autocompletion=run_names)],
           form: Annotated[str, typer.Option("--format", help="`keras`, `saved_model` or `tflite`.")],
           output: Annotated[str | None, typer.Option(help="File or folder to write; default: beside the model.")] = None,
           int8: Annotated[bool, typer.Option("--int8", help="TFLite in 8-bit integers, with the ranges that clips of training "
                                                             "videos show; needs records.")] = False,
           records: Annotated[str | None, typer.Option(
               help="Data set of `x3d ingest`, for the check and for --int8; default: the run's.")] = None,
           size: Annotated[int | None, typer.Option(
               help="Pixels of the network's input; default: what crops and scale say.")] = None,
           views: Annotated[int | None, typer.Option(
               help="Clips that a SavedModel cuts of a record; default: the run's.")] = None,
           crops: Annotated[int | None, typer.Option(help="Crops of each: 1 or 3, at the larger test crop.")] = None,
           runs: Runs = "runs", as_json: Json = False, verbose: Verbose = False) -> None:
    """Export a model as .keras, SavedModel or TFLite, and check it against the Keras model.

    Raises:
        InputError: an error of use.
        SystemExit: with 1, after one line on why it failed, or if an export of floats differs from the Keras model.
    """
    stored = find_model(model, runs)
    if form not in FORMATS:
        raise InputError(f"--format {form!r} is not known; allowed are {', '.join(FORMATS)}")
    if not stored.path.endswith(".keras"):
        raise InputError(f"{stored.path}: only a .keras file or a run can be exported")
    if int8 and form != "tflite":
        raise InputError(f"--int8 is for --format tflite, not {form}")
    data = VideoDataset.open(records or stored.records) if records or stored.records else None
    if int8 and data is None:
        raise InputError("--int8 needs clips of training videos; name a data set with --records FOLDER")
    wanted = {key: value for key, value in {"views": views, "crops": crops}.items() if value is not None}
    parse_settings(ClipSettings, wanted, "export")
    check_size(size)
    output = output or _default_output(stored, form, int8)
    if os.path.realpath(output) == os.path.realpath(stored.path):
        raise InputError(f"{output}: the model itself; name another file with --output")
    if form != "saved_model" and not output.endswith(FORMATS[form]):
        raise InputError(f"--output {output}: a name that ends with {FORMATS[form]} is needed")
    log = os.path.join(os.path.dirname(os.path.abspath(output)), "export-log.txt")
    with session(log, verbose) as console, waiting(console, "exporting and checking"):
        kernels.choose(kernels.onednn_for())
        import_keras()
        found = _export(stored, form, output, int8, data, wanted, size)
    print_json(found) if as_json else _show(found)
    if found["difference"] > TOLERANCE and not int8:
        raise SystemExit(1)


def _default_output(model: StoredModel, form: str, integers: bool) -> str:
    stem = model.path.removesuffix(".keras")
    return stem + {"keras": "-export", "saved_model": "-saved_model", "tflite": "-int8" if integers else ""}[form] + (
        FORMATS[form])


def _export(model: StoredModel, form: str, output: str, integers: bool, data: VideoDataset | None,
            wanted: dict, size: int | None) -> dict:
    from expansion.evaluation.export import export_saved_model, export_tflite, largest_difference
    from expansion.evaluation.networks import keras_network, open_network
    from expansion.network.model import at_size
    from expansion.network.saving import load_keras

    keras = load_keras(model.path)
    known = keras.preprocessing.otherwise(model.preprocessing)
    clips = (known.clips or ClipSettings()).model_copy(update=wanted)
    keras.preprocessing = known.model_copy(update={"clips": clips})
    size = size or clips.evaluation_size(keras.spec.size)
    if form == "keras":
        os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
        at_size(keras, size).save(output)
    elif form == "saved_model":
        if os.path.exists(output) and not os.path.exists(os.path.join(output, "saved_model.pb")):
            raise InputError(f"{output}: there is something else there already; name another folder with --output")
        shutil.rmtree(output, ignore_errors=True)
        export_saved_model(keras, output, clips, size)
    else:
        calibration = None
        if integers:
            calibration = [clip[None] for clip in _real_clips(data, ("train",), keras.spec, clips, size, CALIBRATION)]
        export_tflite(keras, output, clips, size, calibration)
    sources = () if data is None else tuple(split for split in ("val", "test", "train") if data.videos(split))[:1]
    checked = _made_clips(keras.spec, size) if data is None else _real_clips(
        data, sources, keras.spec, clips, size, CHECKED)
    exported = open_network(output, size=size) if form == "keras" else open_network(output)
    difference, same = largest_difference(exported, keras_network(keras, size), checked)
    return {
        "model": model.path, "format": form + (" int8" if integers else ""), "output": output, "size": size,
        "bytes": size_of(output), "checked_clips": len(checked),
        "checked_on": f"{data.path}, split {sources[0]}" if data else "made noise: no records were named",
        "difference": difference, "same_top1": same, "tolerance": None if integers else TOLERANCE,
    }


def _real_clips(data: VideoDataset, splits: tuple[str, ...], spec, clips: ClipSettings, size: int,
                count: int) -> np.ndarray:
    """Up to `count` clips, (clips, frames, size, size, 3): one in the middle of each of the first videos."""
    import numpy as np

    from expansion.data.views import evaluation_views

    one = clips.model_copy(update={"views": 1, "crops": 1})
    (split,) = splits
    return np.concatenate([batch.numpy() for batch, _ in evaluation_views(data, split, spec, one, 1, size).take(count)])


def _made_clips(spec, size: int) -> np.ndarray:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (8, spec.frames, size, size, 3), np.uint8)


def _show(found: dict) -> None:
    console = make_console()
    here = os.getcwd() + os.sep
    table = make_table(found["output"].replace(here, ""), "export", found["format"], text=(found["format"],))
    table.add_row("input", f"{found['size']} pixels")
    table.add_row("file", f"{found['bytes'] / 2**20:.2f} MiB")
    table.add_row("checked on", f"{found['checked_clips']} clips ({found['checked_on'].replace(here, '')})")
    table.add_row("largest difference of a probability", f"{found['difference']:.2g}")
    table.add_row("same top class as the Keras model", f"{100 * found['same_top1']:.1f} % of the clips")
    console.print(table)
    if found["tolerance"] and found["difference"] > found["tolerance"]:
        console.print(f"the export differs from the Keras model by more than {found['tolerance']:g}")
