"""Trains one network on one data set by Keras' fit, with the recipe."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from expansion.checkpoint import Checkpoint
from expansion.clips import training_clips
from expansion.dataset import VideoDataset
from expansion.layers import register
from expansion.model import X3D, build_model
from expansion.optimizer import optimizer
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec


def load_model(path: str) -> X3D:
    """A network from a .keras file, in Keras' safe mode: nothing that the file carries is run."""
    return keras.models.load_model(path, safe_mode=True, compile=False)


def save_model(model: X3D, path: str) -> None:
    """Writes a .keras file; one that is stopped in the middle leaves no file of that name."""
    if "://" in path:  # object stores show a file only when it is whole
        model.save(path)
        return
    partial = f"{path.removesuffix('.keras')}.partial.keras"
    model.save(partial)
    os.replace(partial, path)


class Diverged(RuntimeError):
    """The loss is no longer a number."""


def new_model(spec: Spec, data: VideoDataset, recipe: Recipe, seed: int = 0) -> X3D:
    """A network for a data set, initialised from the seed."""
    keras.utils.set_random_seed(seed)
    keras.mixed_precision.set_dtype_policy("mixed_float16" if recipe.mixed_precision else "float32")
    return build_model(spec, len(data.classes), dropout=recipe.dropout, drop_connect=recipe.drop_connect,
                       class_names=data.classes)


@register
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy from logits (batch, classes) and labels (batch,), with label smoothing."""

    def __init__(self, classes: int, smoothing: float = 0.0, name="cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.classes, self.smoothing = classes, smoothing

    def call(self, labels, logits):
        target = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), self.classes)
        target = target * (1 - self.smoothing) + self.smoothing / self.classes
        return tf.nn.softmax_cross_entropy_with_logits(target, logits)

    def get_config(self):
        return super().get_config() | {"classes": self.classes, "smoothing": self.smoothing}


def _loss(recipe: Recipe, classes: int) -> keras.losses.Loss:
    if recipe.label_smoothing:
        return SmoothedCrossEntropy(classes, recipe.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def compile_model(model: X3D, recipe: Recipe, videos: int) -> X3D:
    """Compiles with the recipe's optimiser and loss. XLA stays off: on a CPU it is slower and compiles for minutes."""
    model.compile(
        optimizer(recipe, videos),
        _loss(recipe, model.classes),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    # With its slots made before the first step, TensorFlow traces the step once; else it traces it again.
    model.optimizer.build(model.trainable_variables)
    return model


class _Watch(keras.callbacks.Callback):
    """Adds learning rate and throughput to the logs of an epoch and stops at a loss that is no number."""

    def __init__(self, batch: int):
        super().__init__()
        self.batch, self._began, self._steps = batch, 0.0, 0

    def on_epoch_begin(self, epoch, logs=None):
        self._began, self._steps = time.perf_counter(), 0

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1

    def on_epoch_end(self, epoch, logs=None):
        if logs is None:
            return
        if not math.isfinite(logs.get("loss", 0.0)):
            raise Diverged(f"the loss is {logs['loss']} after epoch {epoch + 1}")
        seconds = time.perf_counter() - self._began
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["clips_per_second"] = self._steps * self.batch / seconds


class _History(keras.callbacks.Callback):
    """Adds each epoch's logs to the history, then has it saved."""

    def __init__(self, history: dict[str, list[float]], save: Callable[[dict], None] | None):
        super().__init__()
        self._history, self._save = history, save

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(float(value))
        if self._save:
            self._save(self._history)


def train(model: X3D, data: VideoDataset, recipe: Recipe, settings: ClipSettings, *, seed: int = 0,
          callbacks: Sequence[keras.callbacks.Callback] = (),
          on_epoch: Callable[[int, int, dict], None] | None = None,
          checkpoint: str | None = None) -> dict[str, list[float]]:
    """Trains a network for all of the recipe's epochs.

    Args:
        model: from new_model.
        seed: settles the clips and their order.
        callbacks: Keras callbacks, after the project's own. What they know of earlier epochs is theirs to keep.
        on_epoch: called with (epoch from 1, epochs, logs).
        checkpoint: folder for the state after each epoch. Where it holds this training's state already, training goes
            on with the next epoch, to the bit as if it had not been stopped (on a CPU, with the same number of cores);
            a finished training is only restored.

    Returns:
        One list a metric, with a value an epoch: loss, accuracy, learning_rate, clips_per_second.

    Raises:
        Diverged: the loss became NaN or infinite.
        InputError: the folder holds the state of another training.
    """
    videos = data.videos("train")
    per_epoch, total = recipe.steps(videos)
    epochs = math.ceil(total / per_epoch)
    compile_model(model, recipe, videos)
    state = Checkpoint(checkpoint, model, data, recipe, settings, seed) if checkpoint else None
    history = state.restore() if state else {}
    done = len(history.get("loss", ()))
    if done == epochs:
        return history
    clips = training_clips(data, model.spec, settings, recipe.batch, seed, first_epoch=done)
    watch: list[keras.callbacks.Callback] = [_Watch(recipe.batch)]
    if on_epoch:
        watch.append(keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, epochs, dict(logs or {}))))
    # The state is saved last: what the callbacks write of an epoch is there before the epoch counts as done.
    model.fit(clips, epochs=epochs, initial_epoch=done, steps_per_epoch=per_epoch, verbose=0, shuffle=False,
              callbacks=[*watch, *callbacks, _History(history, state.save if state else None)])
    return history
