"""Trains one network on one data set by Keras' fit, with the recipe."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import keras

from expansion.data.clips import training_clips
from expansion.data.dataset import VideoDataset
from expansion.data.input_wait import InputWait
from expansion.foundation.errors import InputError
from expansion.network.model import X3D, build_model
from expansion.network.preprocessing import Preprocessing
from expansion.network.shapes import training_logits
from expansion.recipe import ClipSettings, Recipe
from expansion.recipe.schedule import schedule_of, splits, statistic_clips
from expansion.spec import Spec
from expansion.tasks.registry import chosen
from expansion.tasks.task import Task
from expansion.training.checkpoint import Checkpoint
from expansion.training.distribute import on_one_device, prepare_fit, spread_random_states
from expansion.training.grappler import without_passes
from expansion.training.losses import make_loss, training_accuracy
from expansion.training.optimizer import optimizer
from expansion.training.precise_bn import recompute_statistics
from expansion.training.scheduled import fit_scheduled
from expansion.training.soft_targets import class_weights, soft_accuracy, soft_loss


class Diverged(RuntimeError):
    """The loss is no longer a number."""


# Parts of a recipe that are made for labels of one class.
_NEEDS_ONE_CLASS = {
    "augment.mixup": lambda recipe: recipe.augment.mixup, "augment.cutmix": lambda recipe: recipe.augment.cutmix,
    "class_weights": lambda recipe: recipe.class_weights,
}


def task_of(recipe: Recipe, data: VideoDataset) -> Task:
    """What a training learns: what the recipe names, else what the labels are for.

    Raises:
        InputError: the labels are not for that.
    """
    task = chosen(recipe.task, data.manifest.task, data.path)
    odd = [name for name, on in _NEEDS_ONE_CLASS.items() if on(recipe)]
    if odd and task.labels != "class":
        raise InputError(f"recipe.{odd[0]} goes with one class per video; the task is {task.name}")
    return task


def new_model(spec: Spec, data: VideoDataset, recipe: Recipe, seed: int = 0) -> X3D:
    """A network for a data set, initialised from the seed. For several devices, call it in their strategy's scope."""
    keras.utils.set_random_seed(seed)
    keras.mixed_precision.set_dtype_policy(recipe.dtype_policy)
    return build_model(spec, len(data.classes), dropout=recipe.dropout, drop_connect=recipe.drop_connect,
                       class_names=data.classes, task=task_of(recipe, data).name)


def compile_model(model: X3D, recipe: Recipe, videos: int, weights: Sequence[float] = ()) -> X3D:
    """Compiles with the recipe's optimiser and loss. XLA stays off: on a CPU it is slower and compiles for minutes.

    Args:
        videos: for training.
        weights: of the classes in the loss; none for equal ones.
    """
    for layer in model.layers:
        if recipe.freezes(layer.name):
            layer.trainable = False
    with model.distribute_strategy.scope():
        model.compile(
            optimizer(recipe, videos),
            soft_loss(recipe, model.classes, weights) if recipe.augment.mixes or weights
            else make_loss(model.task.loss, recipe, model.classes),
            metrics=[soft_accuracy() if recipe.augment.mixes else training_accuracy(model.task.labels)],
            jit_compile=False,
        )
        # With its slots made before the first step, TensorFlow traces the step once; else it traces it again.
        model.optimizer.build(model.trainable_variables)
    return model


class _Finite(keras.callbacks.Callback):
    """Stops at a loss that is no number."""

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            raise Diverged(f"the loss is {logs['loss']} after epoch {epoch + 1}")


class _Watch(keras.callbacks.Callback):
    """Adds learning rate, throughput and times to the logs of an epoch."""

    def __init__(self, batch: int, wait: InputWait | None):
        super().__init__()
        self.batch, self.wait, self._began, self._steps, self._start = batch, wait, 0.0, 0, None

    def on_epoch_begin(self, epoch, logs=None):
        self._began, self._steps = time.perf_counter(), 0

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        if self._start is None:
            waited = self.wait.seconds if self.wait else 0.0
            self._start = max(0.0, time.perf_counter() - self._began - waited)

    def on_epoch_end(self, epoch, logs=None):
        if logs is None:
            return
        seconds = time.perf_counter() - self._began
        logs["start_seconds"], self._start = self._start or 0.0, 0.0
        logs["epoch_seconds"] = seconds
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["clips_per_second"] = self._steps * self.batch / seconds
        if self.wait:
            logs["input_wait_seconds"] = self.wait.take()


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


def _clips(model: X3D, data: VideoDataset, recipe: Recipe, settings: ClipSettings, seed: int, first_epoch: int):
    """The clips of all devices, and on a single one what measures the waiting for them.

    Each device takes batch / devices of a step, and each machine has its own share of the videos.
    """
    strategy = model.distribute_strategy
    devices = strategy.num_replicas_in_sync
    if devices == 1:
        wait = InputWait()
        return wait.measured(training_clips(data, model.spec, settings, recipe.batch, seed, first_epoch=first_epoch,
                                            labels=model.task.labels, **_options(recipe))), wait
    epoch_clips = recipe.steps(data.videos("train"))[0] * recipe.batch
    shape = {"class": (), "clip": (model.classes,), "frames": (model.spec.frames, model.classes)}[model.task.labels]
    prepare_fit(model, recipe.batch // devices, (model.classes,) if recipe.augment.mixes else shape)

    def of_machine(context):
        return training_clips(
            data, model.spec, settings, recipe.batch // devices, seed, first_epoch=first_epoch,
            epoch_clips=epoch_clips // context.num_input_pipelines, workers=context.num_input_pipelines,
            worker=context.input_pipeline_id, labels=model.task.labels, **_options(recipe))

    return strategy.distribute_datasets_from_function(of_machine), None


def _options(recipe: Recipe) -> dict:
    """What a recipe says of its clips, for training_clips."""
    return {"augment": recipe.augment, "clips_per_video": recipe.clips_per_video}


def renew_statistics(model: X3D, data: VideoDataset, recipe: Recipe, settings: ClipSettings, seed: int, epochs: int) -> None:
    """Where the recipe asks for averaged weights, takes them; where for precise batch norm, computes its statistics again, from
    the first clips of the epoch that would come next, on one device.

    Args:
        epochs: that it has trained for.
    """
    if recipe.ema:  # Keras' fit has done it, unless a stopped training had nothing left to fit
        model.optimizer.finalize_variable_values(model.trainable_variables)
    if not recipe.precise_batches:
        return
    devices = model.distribute_strategy.num_replicas_in_sync
    batch = recipe.batch // devices
    batches = min(recipe.precise_batches, recipe.steps(data.videos("train"))[0] * devices)
    clips = training_clips(data, model.spec, settings, batch, seed, first_epoch=epochs, labels=model.task.labels,
                           **_options(recipe))
    single = on_one_device(model)
    count = splits(batch, statistic_clips(recipe, devices))
    split = (lambda pixels: training_logits(single, pixels, count)) if count > 1 else None
    recompute_statistics(single, clips.take(batches), split)
    if single is not model:
        model.set_weights(single.get_weights())


def fit_epochs(model: X3D, data: VideoDataset, recipe: Recipe, settings: ClipSettings, seed: int, first: int, last: int,
               callbacks: Sequence[keras.callbacks.Callback], verbose: int = 0) -> None:
    """Trains a compiled network from one epoch of the recipe, from 0, up to another; see `train`.

    Args:
        callbacks: see an epoch's logs as the history of `train` has them.
        verbose: as of Keras' fit; a recipe with a Schedule shows nothing.

    Raises:
        Diverged: the loss became NaN or infinite.
    """
    videos = data.videos("train")
    spread_random_states(model)
    with without_passes(model):
        if schedule := schedule_of(model.spec, recipe, videos):
            fit_scheduled(model, data, schedule, settings, seed, first, last, [_Finite(), *callbacks])
            return
        clips, wait = _clips(model, data, recipe, settings, seed, first)
        model.fit(clips, epochs=last, initial_epoch=first, steps_per_epoch=recipe.steps(videos)[0], verbose=verbose,
                  shuffle=False, callbacks=[_Finite(), _Watch(recipe.batch, wait), *callbacks])


def train(model: X3D, data: VideoDataset, recipe: Recipe, settings: ClipSettings, *, seed: int = 0,
          callbacks: Sequence[keras.callbacks.Callback] = (),
          on_epoch: Callable[[int, int, dict], None] | None = None,
          checkpoint: str | None = None, until: int | None = None, start: str | None = None) -> dict[str, list[float]]:
    """Trains a network for all of the recipe's epochs, or up to one of them.

    The network then knows the names of the classes and how the videos became clips (X3D.preprocessing).

    Args:
        model: from new_model; made in the scope of a strategy of tf.distribute, it trains on that strategy's devices.
        seed: determines the clips and their order.
        callbacks: Keras callbacks, after the project's own. What they know of earlier epochs is theirs to keep.
        on_epoch: called with (epoch from 1, epochs, logs).
        checkpoint: folder for the state after each epoch. Where it holds this training's state already, training goes
            on with the next epoch, to the bit as if it had not been stopped (on a CPU, with as many devices); a finished
            training is only restored.
        until: epoch, from 1, after which to pause: the schedule is that of the whole training, which a later call with
            the same checkpoint continues with. Precise batch norm is for the network at hand and not in the checkpoint.
        start: names the weights that the network began with, such as a digest of their file: a checkpoint of a training that
            began with others is refused.

    Returns:
        One list a metric, with a value an epoch: loss, accuracy, learning_rate, clips_per_second, epoch_seconds,
        start_seconds (of the first epoch of a process: its trace and first step), and on a single device
        input_wait_seconds: how much of an epoch it waited for clips. A recipe with a Schedule (multigrid) has its epochs, with
        frames, size and batch of the long cycle and the number of steps as well.

    Raises:
        Diverged: the loss became NaN or infinite.
        InputError: the data has other classes than the network; the folder holds the state of another training; the batch
            cannot be divided among the devices, or has too few clips for a statistic of batch norm; a crop of multigrid
            training is too small.
    """
    data.check_classes(model.classes, model.class_names)
    model.class_names = data.classes
    model.preprocessing = Preprocessing.of_records(data.manifest.settings, settings, data.manifest.fps)
    videos = data.videos("train")
    per_epoch, total = recipe.steps(videos)
    schedule = schedule_of(model.spec, recipe, videos)
    epochs = len(schedule.epochs) if schedule else math.ceil(total / per_epoch)
    statistic_clips(recipe, model.distribute_strategy.num_replicas_in_sync)
    compile_model(model, recipe, videos, class_weights(recipe, data))
    state = Checkpoint(checkpoint, model, data, recipe, settings, seed, start) if checkpoint else None
    history = state.restore() if state else {}
    done = len(history.get("loss", ()))
    if state and state.finished:
        return history
    last = epochs if until is None else min(until, epochs)
    if done < last:
        watch: list[keras.callbacks.Callback] = []
        if on_epoch:
            watch.append(keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, epochs, dict(logs or {}))))
        # The state is saved last: what the callbacks write of an epoch is there before the epoch counts as done.
        watch += [*callbacks, _History(history, state.save if state else None)]
        fit_epochs(model, data, recipe, settings, seed, done, last, watch)
    renew_statistics(model, data, recipe, settings, seed, last)
    if state and until is None:
        state.save(history, finished=True)
    return history
