"""A training whose batches change their shape from step to step: Keras' fit traces one step for one shape.

One step is traced for each shape, all on the same weights and optimiser slots. Shape and rate of a step are asked of the
schedule by its number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from expansion.data.dataset import VideoDataset
from expansion.data.input_wait import InputWait
from expansion.data.scheduled import scheduled_clips
from expansion.network.model import X3D
from expansion.network.shapes import training_logits
from expansion.recipe import ClipSettings
from expansion.recipe.multigrid import Shape
from expansion.recipe.schedule import Schedule, splits, statistic_clips
from expansion.training.losses import RIGHT_CLIPS


def fit_scheduled(model: X3D, data: VideoDataset, schedule: Schedule, settings: ClipSettings, seed: int, first: int, last: int,
                  callbacks: Sequence[keras.callbacks.Callback]) -> None:
    """Trains a compiled network from one epoch of a schedule, from 0, up to another.

    The logs of an epoch are those that train's history has.
    """
    watch = keras.callbacks.CallbackList(list(callbacks), model=model, add_history=False)
    training = _Training(model, data, schedule, settings, seed)
    watch.on_train_begin()
    for number in range(first, last):
        watch.on_epoch_begin(number)
        logs = training.epoch(number, watch)
        watch.on_epoch_end(number, logs)
        if model.stop_training:
            break
    watch.on_train_end()


class _Training:
    """What stays from epoch to epoch: traced steps and iterators, by shape."""

    def __init__(self, model: X3D, data: VideoDataset, schedule: Schedule, settings: ClipSettings, seed: int):
        self._model, self._data, self._schedule, self._settings, self._seed = model, data, schedule, settings, seed
        self._strategy = model.distribute_strategy
        self._devices = self._strategy.num_replicas_in_sync
        self._statistic = statistic_clips(schedule.recipe, self._devices)
        self._wait = InputWait() if self._devices == 1 else None
        self._steps: dict[Shape, Callable] = {}
        self._feeds: dict[Shape, object] = {}

    def epoch(self, number: int, watch: keras.callbacks.CallbackList) -> dict[str, float]:
        """Trains for one epoch and returns its logs."""
        epoch, began = self._schedule.epochs[number], time.perf_counter()
        for shape in epoch.shapes[:epoch.steps]:  # reading begins here, while the first of them is being traced
            if shape not in self._feeds:
                self._feeds[shape] = iter(self._dataset(shape, number))
        starting, sums = time.perf_counter() - began, []
        for step in range(epoch.steps):
            shape = epoch.shape(step)
            watch.on_train_batch_begin(step)
            self._model.optimizer.learning_rate = rate = self._schedule.rate(epoch.first + step)
            batch = next(self._feeds[shape])
            fresh, before = shape not in self._steps, time.perf_counter()
            if fresh:
                self._steps[shape] = self._step(shape).get_concrete_function(batch)
            sums.append(self._steps[shape](batch))
            starting += time.perf_counter() - before if fresh else 0.0
            watch.on_train_batch_end(step)
        loss, correct, clips = np.sum([np.asarray(each, np.float64) for each in sums], 0)
        seconds = time.perf_counter() - began
        logs = {"loss": loss / clips, "accuracy": correct / clips, "start_seconds": starting, "epoch_seconds": seconds,
                "learning_rate": rate, "clips_per_second": clips / seconds}
        if self._wait:
            logs["input_wait_seconds"] = self._wait.take()
        shape = epoch.phase.shape
        return logs | {"frames": shape.frames, "size": shape.size, "batch": shape.factor * self._schedule.recipe.batch,
                       "steps": epoch.steps}

    def _dataset(self, shape: Shape, first: int):
        def of_machine(machines: int = 1, machine: int = 0) -> tf.data.Dataset:
            return scheduled_clips(self._data, self._schedule, shape, self._settings, self._seed, first_epoch=first,
                                   devices=self._devices, machines=machines, machine=machine,
                                   labels=self._model.task.labels)

        if self._wait:
            return self._wait.measured(of_machine())
        return self._strategy.distribute_datasets_from_function(
            lambda context: of_machine(context.num_input_pipelines, context.input_pipeline_id))

    def _step(self, shape: Shape) -> Callable:
        """A step for batches of a shape: (clips, labels) to the sums of loss and right answers, and the number of clips."""
        model, clips = self._model, shape.factor * self._schedule.recipe.batch // self._devices
        count = splits(clips, self._statistic)

        def of_device(pixels, labels):
            pixels = tf.ensure_shape(pixels, (clips, shape.frames, shape.size, shape.size, 3))
            with tf.GradientTape() as tape:
                logits = training_logits(model, pixels, count)
                loss = model.compute_loss(y=labels, y_pred=logits)  # its share of the mean over all devices
                scaled = model.optimizer.scale_loss(loss)
            weights = model.trainable_weights
            model.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights))
            right = RIGHT_CLIPS[model.task.labels](labels, logits)
            return tf.stack([loss * clips * self._devices, tf.reduce_sum(right), float(clips)])

        @tf.function(autograph=False)
        def step(batch):
            return self._strategy.reduce("SUM", self._strategy.run(of_device, args=batch), axis=None)

        return step
