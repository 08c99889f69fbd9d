"""Charades' mean average precision as a metric of TensorFlow Model Analysis, for the Evaluator of the pipeline."""

from __future__ import annotations

import apache_beam as beam
import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics import metric_types, metric_util

from expansion.tasks.multi_label import MULTI_LABEL

Rows = list[tuple[np.ndarray, np.ndarray]]  # labels and probabilities of a video, (classes,) each


class MeanAveragePrecision(tfma.metrics.Metric):
    """mAP of labels of 0 or 1 for each class and their probabilities, as tasks.multi_label has it.

    Average precision is no sum over videos: the answers to all of them come together on one worker, classes * 16 bytes a video.
    """

    def __init__(self, name: str = MULTI_LABEL.score):
        super().__init__(metric_util.merge_per_key_computations(_computations), name=name)


def _computations(name: str, eval_config=None, model_name: str = "", output_name: str = "", sub_key=None,
                  aggregation_type=None, class_weights=None, example_weighted: bool = False):
    key = metric_types.MetricKey(name=name, model_name=model_name, output_name=output_name, sub_key=sub_key,
                                 example_weighted=example_weighted)
    combiner = _Combiner(key, eval_config, model_name, output_name)
    return [metric_types.MetricComputation(keys=[key], preprocessors=None, combiner=combiner)]


class _Combiner(beam.CombineFn):
    """Collects the answers and takes mAP of all at the end."""

    def __init__(self, key, eval_config, model_name: str, output_name: str):
        self._key, self._config, self._model, self._output = key, eval_config, model_name, output_name

    def create_accumulator(self) -> Rows:
        return []

    def add_input(self, accumulator: Rows, element) -> Rows:
        found = metric_util.to_label_prediction_example_weight(
            element, self._config, self._model, self._output, flatten=False, squeeze=False)
        return accumulator + [(np.asarray(label).reshape(-1), np.asarray(answer).reshape(-1)) for label, answer, _ in found]

    def merge_accumulators(self, accumulators) -> Rows:
        return [row for rows in accumulators for row in rows]

    def extract_output(self, accumulator: Rows) -> dict:
        if not accumulator:
            return {self._key: float("nan")}
        labels, answers = (np.array(column) for column in zip(*accumulator))
        return {self._key: MULTI_LABEL.metrics(answers.astype(float), labels.astype(bool))[MULTI_LABEL.score]}
