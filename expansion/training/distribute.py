"""One training on several devices by tf.distribute: which strategy, and what differs between devices.

The recipe's batch is that of all devices together, so its rate is the same on any number of them. Batch norm sees the
clips of its own device, as in the paper, where a device has 8.
"""

from __future__ import annotations

import json
import os
from typing import Literal

import numpy as np
from pydantic import Field

from expansion.foundation.errors import InputError
from expansion.foundation.settings import Settings

RANDOM_STATE = "seed_generator_state"  # Keras' name of the variable of a random generator


class Devices(Settings):
    """What one training runs on.

    Args:
        strategy: "none", one device; "mirrored", the GPUs of this machine; "multi_worker", those of all the machines that
            the environment variable TF_CONFIG names; "auto", mirrored where there are several GPUs, else none.
        count: GPUs to use on this machine, the first ones; all if None.
    """

    strategy: Literal["auto", "none", "mirrored", "multi_worker"] = "auto"
    count: int | None = Field(None, ge=1)


def make_strategy(devices: Devices = Devices()):
    """The tf.distribute.Strategy; a model made in its scope trains on it. Call it before TensorFlow does anything else.

    Raises:
        InputError: there are fewer devices than asked for, or TF_CONFIG is needed and not there.
    """
    import tensorflow as tf

    # Without GPUs the CPU is a device; it can be divided into several for a trial.
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if devices.strategy == "multi_worker":
        if not os.environ.get("TF_CONFIG"):
            raise InputError("devices.strategy is 'multi_worker': the environment variable TF_CONFIG has to name the machines")
        if devices.count is not None:
            raise InputError("devices.count does not go with 'multi_worker'; hide devices by CUDA_VISIBLE_DEVICES")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if devices.strategy == "none" or (devices.strategy == "auto" and kind == "CPU"):
        if (devices.count or 1) > 1:
            raise InputError(f"devices.count is {devices.count}: " + (
                "strategy 'none' uses one" if devices.strategy == "none" else "there is no GPU on this machine"))
        return tf.distribute.get_strategy()
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    if (devices.count or 1) > len(names):
        raise InputError(f"devices.count is {devices.count}: this machine has {len(names)} {kind}")
    names = names[:devices.count]
    if len(names) == 1 and devices.strategy == "auto":
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy(names)


def worker_number(devices: Devices) -> int:
    """Which of several machines this is, by TF_CONFIG; 0 is the chief, and the only one where there is one.

    Raises:
        InputError: TF_CONFIG is not as TensorFlow wants it.
    """
    text = os.environ.get("TF_CONFIG")
    if devices.strategy != "multi_worker" or not text:
        return 0
    try:
        config = json.loads(text)
        task, cluster = config["task"], config["cluster"]
        return int(task["index"]) + (len(cluster.get("chief", ())) if task["type"] == "worker" else 0)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"TF_CONFIG is {text!r}: a cluster and a task with type and index are expected") from None


def is_chief(strategy) -> bool:
    """Whether this process writes files: on several machines one does."""
    return strategy.extended.should_checkpoint


def read_variables(variables) -> list[np.ndarray]:
    """The values of Keras variables; what each device had a value of its own of, all devices have the mean of now.

    On several machines all have to call it.
    """
    values = [np.asarray(variable.numpy()) for variable in variables]
    for variable, value in zip(variables, values):
        if variable.synchronization == "on_read" and hasattr(variable.value, "values"):
            variable.assign(value)
    return values


def spread_random_states(model) -> None:
    """Lets every device draw dropout and drop-connect of its own: its number is added to the seeds, which begin equal."""
    strategy = model.distribute_strategy
    if strategy.num_replicas_in_sync == 1:
        return
    import tensorflow as tf

    states = [variable for variable in model.variables if variable.name == RANDOM_STATE]

    @tf.function(autograph=False)
    def spread():
        device = tf.distribute.get_replica_context().replica_id_in_sync_group
        for state in states:
            state.assign(state.value + tf.stack([tf.cast(device, state.dtype), tf.zeros([], state.dtype)]))

    strategy.run(spread)


def prepare_fit(model, batch: int, labels: tuple[int, ...] = ()) -> None:
    """Lets Keras' fit work on several machines, which Keras 3 does not by itself (keras issue 20585).

    It would average a batch over the devices to see its shape, and takes a step's logs, which are scalars, for vectors.

    Args:
        batch: clips of one device in a step.
        labels: shape of the label of a clip: () for a number.
    """
    import keras

    shape = (batch, *model.input_shape[1:])
    target = keras.KerasTensor((batch, *labels), "float32" if labels else "int32")
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=(keras.KerasTensor(shape, "uint8"), target))
    model._maybe_symbolic_build = lambda **_: None
    if _several_machines(model.distribute_strategy):
        step = model.train_step
        model.train_step = lambda data: {name: value[None] for name, value in step(data).items()}


def _several_machines(strategy) -> bool:
    resolver = strategy.cluster_resolver
    return resolver is not None and len(resolver.cluster_spec().jobs) > 0


def on_one_device(model):
    """An equal network without a strategy; the network itself if it has none. On several machines all have to call it."""
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return model
    single = type(model).from_config(model.get_config())
    for variable, value in zip(single.weights, read_variables(model.weights), strict=True):
        variable.assign(value)
    for layer, own in zip(single.layers, model.layers, strict=True):
        layer.trainable = own.trainable
    return single
