"""The TFX pipeline, a pure function of its arguments: videos in, a pushed network out."""

from __future__ import annotations

import os

import tensorflow_data_validation as tfdv
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base.base_component import BaseComponent

from components.blessing import BLESSING, CANDIDATE, MODEL, LastBlessedOtherModel
from components.expansion_search.component import ExpansionSearch
from components.trainer import RUN_FN
from components.video_example_gen.component import VideoExampleGen
from expansion.data.records import LABEL, LABEL_TEXT, SCALARS
from expansion.evaluation.export import PROBABILITIES
from expansion.foundation.files import absolute
from expansion.foundation.paths import refuse_patterns
from expansion.search.settings import SearchSettings
from expansion.tasks.registry import task_named
from expansion.tasks.single_label import SINGLE_LABEL
from expansion.tasks.task import Task
from expansion.weights.search import source_of
from pipeline.config import Config, Thresholds


def scalar_statistics() -> tfdv.StatsOptions:
    """What statistics and schema see: the scalars of a record, never its frames."""
    return tfdv.StatsOptions(feature_allowlist=list(SCALARS))


def evaluation_config(thresholds: Thresholds, labels: str = "class") -> tfma.EvalConfig:
    """Of one class per video top-1, top-5 and counts, over all and per class; of several mAP. Thresholds hold over all videos.

    Args:
        labels: what the labels of the task are, by Task.labels.
    """
    threshold = tfma.MetricThreshold(
        value_threshold=tfma.GenericValueThreshold(lower_bound={"value": thresholds.accuracy}),
        # Without a blessed model yet, TFMA passes over this one. A tie is no regression.
        change_threshold=tfma.GenericChangeThreshold(
            direction=tfma.MetricDirection.HIGHER_IS_BETTER, absolute={"value": -thresholds.regression - 1e-6}),
    )
    # A plain `threshold` would hold for every class as well.
    over_all = [config_pb2.PerSliceMetricThreshold(slicing_specs=[tfma.SlicingSpec()], threshold=threshold)]
    slices, metrics = {"class": _of_one_class, "clip": _of_classes, "frames": _of_classes}[labels](over_all)
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(signature_name="serving_default", label_key=LABEL, prediction_key=PROBABILITIES)],
        slicing_specs=slices,
        metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name="ExampleCount"), *metrics])],
    )


def _of_one_class(over_all: list) -> tuple[list[tfma.SlicingSpec], list[tfma.MetricConfig]]:
    return [tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[LABEL_TEXT])], [
        tfma.MetricConfig(class_name="SparseCategoricalAccuracy", per_slice_thresholds=over_all),
        tfma.MetricConfig(class_name="SparseTopKCategoricalAccuracy", config='{"k": 5, "name": "top5"}')]


def _of_classes(over_all: list) -> tuple[list[tfma.SlicingSpec], list[tfma.MetricConfig]]:
    return [tfma.SlicingSpec()], [tfma.MetricConfig(
        class_name="MeanAveragePrecision", module="components.mean_average_precision", per_slice_thresholds=over_all)]


def _weights(search: SearchSettings) -> dict | None:
    """What the last training begins with, for the Trainer: what the search grew from. None from scratch."""
    source = source_of(search)
    return source and {"path": absolute(source.path), "sha256": source.sha256, "spec": source.spec.as_dict(),
                       "new_head": search.new_head}


def _named(config: Config) -> Task:
    """The task that the recipe names; one class per video where it leaves that to the labels."""
    return SINGLE_LABEL if config.recipe.task == "auto" else task_named(config.recipe.task)


def create_pipeline(config: Config, *, pipeline_name: str, pipeline_root: str, search_folder: str, serving_root: str,
                    evaluate_on: str = "test", ingest_work: str | None = None, metadata_connection_config=None,
                    enable_cache: bool = True, own_resolver: bool = True, task: Task | None = None) -> tfx.dsl.Pipeline:
    """Ingestion, statistics, schema, validation, search, training, evaluation, push.

    Args:
        config: what to run.
        pipeline_name, pipeline_root: TFX's name for it, and where its artifacts go.
        search_folder: where search and last training keep their state between runs.
        serving_root: where a blessed model is pushed.
        evaluate_on: split of the last evaluation.
        ingest_work: where unfinished ingestion is kept between runs.
        metadata_connection_config: ML Metadata store of the runner; None where the runner brings its own.
        enable_cache: reuse what an earlier run made from the same inputs and settings.
        own_resolver: compare with the last blessed model that is not the trained one itself; with False by TFX's own
            strategy, the only one that Kubeflow and Vertex know.
        task: what is learnt; None for what the recipe names, or one class per video.

    Raises:
        InputError: a folder that TFX, Beam and TensorFlow would read as a pattern.
    """
    for path in (pipeline_root, search_folder, serving_root):
        refuse_patterns(absolute(path), "TFX")
    refuse_patterns(pipeline_root, "TFX", "\\")  # where TensorFlow looks for a model's variables
    videos = VideoExampleGen(config.ingest, work_dir=ingest_work)
    examples = videos.outputs["examples"]
    statistics = tfx.components.StatisticsGen(examples=examples, stats_options=scalar_statistics())
    schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"], infer_feature_shape=False)
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    search = ExpansionSearch(examples, config.search_job(), search_folder)
    search.add_upstream_node(validator)
    dump = {"mode": "json", "exclude_none": True}
    trainer = tfx.components.Trainer(
        run_fn=RUN_FN,
        examples=examples,
        hyperparameters=search.outputs["best_hyperparameters"],
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["val"]),
        custom_config={"recipe": config.recipe.model_dump(**dump), "final": config.final,
                       "clips": config.clips.model_dump(**dump),
                       "seed": config.seed, "checkpoints": os.path.join(search_folder, "final"),
                       **({"weights": weights} if (weights := _weights(config.search)) else {})},
    )
    models = {
        MODEL: tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        BLESSING: tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    }
    if own_resolver:
        blessed = tfx.dsl.Resolver(LastBlessedOtherModel, **models, **{CANDIDATE: trainer.outputs["model"]})
    else:
        blessed = tfx.dsl.Resolver(tfx.dsl.experimental.LatestBlessedModelStrategy, **models)
    blessed = blessed.with_id("last_blessed_model")
    evaluator = tfx.components.Evaluator(
        examples=examples,
        example_splits=[evaluate_on],
        model=trainer.outputs["model"],
        baseline_model=blessed.outputs[MODEL],
        eval_config=evaluation_config(config.thresholds, (task or _named(config)).labels),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=serving_root)),
    )
    components: list[BaseComponent] = [
        videos, statistics, schema, validator, search, trainer, blessed, evaluator, pusher]
    return tfx.dsl.Pipeline(
        pipeline_name=pipeline_name,
        pipeline_root=pipeline_root,
        components=components,
        enable_cache=enable_cache,
        metadata_connection_config=metadata_connection_config,
        beam_pipeline_args=list(config.beam),
    )
