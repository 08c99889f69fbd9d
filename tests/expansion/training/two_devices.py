"""Run by test_distribute in a process of its own: trains on two devices, prints JSON.

Arguments: folder of the records, folder for checkpoints, strategy, Keras' names of the precisions to train in, one after
the other. "mirrored" divides the CPU in two; "multi_worker" is one of two such processes, which TF_CONFIG tells of each
other.
"""

import json
import shutil
import sys

import keras
import numpy as np
import tensorflow as tf

from expansion.data.dataset import VideoDataset
from expansion.evaluation.evaluate import evaluate
from expansion.recipe import ClipSettings, Recipe
from expansion.spec import Spec
from expansion.training.distribute import RANDOM_STATE, Devices, is_chief, make_strategy, on_one_device
from expansion.training.fit import compile_model, new_model, train

SPEC = Spec(frames=2, stride=4, size=24, width=0.34, depth=0.2)
CLIPS = ClipSettings(flip=False, views=2)


class Kept(keras.callbacks.Callback):
    """Copies the checkpoint of the first epoch, as it is where a process ends in the second.

    The chief alone, which writes it; the others cannot end their second epoch before.
    """

    def __init__(self, checkpoint, copy):
        super().__init__()
        self.checkpoint, self.copy = checkpoint, copy

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and is_chief(self.model.distribute_strategy):
            shutil.copytree(self.checkpoint, self.copy)


def local(strategy, variable):
    return [value.numpy() for value in strategy.experimental_local_results(variable.value)]


def training(strategy, data, recipe, checkpoint, *callbacks, spec=SPEC):
    with strategy.scope():
        model = new_model(spec, data, recipe)
    return model, train(model, data, recipe, CLIPS, checkpoint=checkpoint, callbacks=callbacks)


def equal_halves(strategy, data):
    """Largest difference after two steps on twice the same clips, as one batch and as a half for each device.

    Of what is trained: the running variance is unbiased, so it knows how many clips it is of.
    """
    recipe = Recipe(epochs=2, batch=16, rate=0.1, rate_batch=16, warmup_epochs=0, dropout=0)
    clips = np.random.default_rng(0).integers(0, 255, (8, 2, 24, 24, 3)).astype(np.uint8)
    half = tf.data.Dataset.from_tensors((clips, np.arange(8) % 4)).repeat()
    weights = []
    for devices in (tf.distribute.get_strategy(), strategy):
        with devices.scope():
            model = compile_model(new_model(SPEC, data, recipe), recipe, 64)
        if devices is strategy:
            batches = strategy.distribute_datasets_from_function(lambda context: half)
        else:
            batches = half.map(lambda clips, labels: (tf.concat([clips] * 2, 0), tf.concat([labels] * 2, 0)))
        model.fit(batches, steps_per_epoch=2, verbose=0)
        weights.append([variable.numpy() for variable in model.trainable_variables])
    return max(float(np.abs(a - b).max()) for a, b in zip(*weights, strict=True))


MULTIGRID = Recipe(epochs=2, batch=16, rate=0.002, rate_batch=16, warmup_epochs=0, dropout=0, multigrid="long", long_cycles=1,
                   bn_clips=8)
MULTIGRID_SPEC = SPEC.replace(size=32)


def trained_by_multigrid(strategy, data, folder):
    """What is trained, the losses, and how far the farthest weight has moved."""
    with strategy.scope():
        fresh = new_model(MULTIGRID_SPEC, data, MULTIGRID)
    model, history = training(strategy, data, MULTIGRID, folder, spec=MULTIGRID_SPEC)
    weights = [variable.numpy() for variable in model.trainable_variables]
    return weights, history["loss"], max(float(np.abs(weight - before.numpy()).max())
                                         for weight, before in zip(weights, fresh.trainable_variables, strict=True))


def multigrid_on_one_and_two(strategy, data, folder):
    """Largest differences of weights and losses between one device and two.

    At a rate of 0.02 a difference of rounding grows a thousandfold in four steps.
    """
    one, one_loss, _ = trained_by_multigrid(tf.distribute.get_strategy(), data, f"{folder}/1")
    two, two_loss, moved = trained_by_multigrid(strategy, data, f"{folder}/2")
    return {"moved": moved, "weights": max(float(np.abs(a - b).max()) for a, b in zip(one, two, strict=True)),
            "losses": float(np.abs(np.subtract(one_loss, two_loss)).max())}


def main(records, folder, kind, *precisions):
    if kind == "mirrored":
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = make_strategy(Devices(strategy=kind))
    data = VideoDataset.open(records)
    print(json.dumps({precision: trained(data, f"{folder}/{precision}", kind, strategy, precision) for precision in precisions}))


def trained(data, folder, kind, strategy, precision):
    """What a training in this precision came to; in float32 also what one came to that goes on after the first epoch."""
    keras.mixed_precision.set_dtype_policy("float32")
    plain = precision == "float32"
    recipe = Recipe(epochs=3, batch=16, rate=0.2, rate_batch=16, warmup_epochs=0.5, dropout=0.2, drop_connect=0.2,
                    precise_bn=8 if plain else 0, mixed_precision=False if plain else precision.removeprefix("mixed_"))
    kept = Kept(f"{folder}/whole", f"{folder}/stopped")
    model, history = training(strategy, data, recipe, kept.checkpoint, kept)
    result = {
        "devices": strategy.num_replicas_in_sync, "loss": history["loss"],
        "apart": max(float(np.ptp(local(strategy, variable), axis=0).max()) for variable in model.weights),
        "random_states": [[int(state[0]) for state in local(strategy, variable)]
                          for variable in model.variables if variable.name == RANDOM_STATE],
        "weights": float(sum(np.abs(value).sum() for value in model.get_weights())),
    }
    if plain:
        result["accuracy"] = evaluate(on_one_device(model), data, "val", CLIPS).accuracy
        again, resumed = training(strategy, data, recipe, kept.copy)
        result["resumed_equal"] = resumed["loss"] == history["loss"] and all(
            np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))
        if kind == "mirrored":
            result["halves_differ_by"] = equal_halves(strategy, data)
            result["multigrid"] = multigrid_on_one_and_two(strategy, data, f"{folder}/multigrid")
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
